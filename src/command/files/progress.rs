//! The progress of an export or import. It is shown if standard error is a terminal, and removed at the end.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Shows nothing.
    pub(super) fn none() -> Self {
        Self(ProgressBar::with_draw_target(
            None,
            ProgressDrawTarget::hidden(),
        ))
    }

    /// Shows how many of `total` bytes are read.
    pub(super) fn bytes(total: u64, doing: &'static str) -> Self {
        // indicatif shows nothing if standard error is not a terminal.
        let bar = ProgressBar::new(total).with_message(doing);
        let template = "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left";
        Self(styled(bar, template))
    }

    /// Shows a count whose total is not known.
    pub(super) fn spinner(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(styled(bar, "{spinner} {pos} {msg}, {elapsed}"))
    }

    pub(super) fn set(&self, position: u64) {
        self.0.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
