//! Threads for heavy operations.
//!
//! There are as many threads as heavy slots, so that no heavy operation waits for the thread of another, which may hold the database's only
//! writer. Timers and sockets that heavy operations create belong to these threads too. The database's connections do not: the runtime
//! that created their pool creates them.

use std::{panic::resume_unwind, sync::OnceLock};

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, instrument::WithSubscriber};

use super::queue::Turn;
use crate::answer::refusal::Refusal;

#[derive(Debug)]
pub(super) struct Workers {
    threads: usize,
    /// Started by the first heavy operation; `None` if the system gives the process no threads.
    runtime: OnceLock<Option<Runtime>>,
}

impl Workers {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            runtime: OnceLock::new(),
        }
    }

    /// Runs work on one of the threads. The slot is free when the work has ended or was dropped.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work at its next pause.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let Some(runtime) = self.runtime.get_or_init(|| start(self.threads)) else {
            return Err(Refusal::no_threads());
        };
        let work = async move {
            let _turn = turn;
            work.await
        };
        let work = work.in_current_span().with_current_subscriber();
        match AbortOnDropHandle::new(runtime.spawn(work)).await {
            Ok(output) => Ok(output),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime has shut down, because the program is ending.
                Err(_) => Err(Refusal::no_threads()),
            },
        }
    }
}

fn start(threads: usize) -> Option<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("graphql-heavy")
        .enable_all()
        .build()
        .inspect_err(|error| tracing::error!(%error, "heavy operations are refused: there are no threads for them"))
        .ok()
}

/// Dropping a runtime would wait for its threads, which must not happen in an asynchronous task.
impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
