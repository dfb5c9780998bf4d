//! What the crate has logged in this process, for tests that look for their own lines.

use std::sync::{Arc, Mutex};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use crate::{
    stage::lock,
    telemetry::{Fields, Spans},
};

/// The lines of the crate itself.
#[derive(Clone, Default)]
pub struct Logs(Arc<Mutex<Vec<(Level, String)>>>);

impl Logs {
    pub fn of_this_process() -> Self {
        Spans::of_this_process().logs
    }

    /// The lines of a level that have this text in them.
    pub fn lines(&self, level: Level, text: &str) -> Vec<String> {
        let lines = lock(&self.0);
        let lines = lines
            .iter()
            .filter(|(of, line)| *of == level && line.contains(text));
        lines.map(|(_, line)| line.clone()).collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("unit_of_work") {
            let mut fields = std::collections::BTreeMap::new();
            event.record(&mut Fields(&mut fields));
            lock(&self.0).push((*event.metadata().level(), format!("{fields:?}")));
        }
    }
}
