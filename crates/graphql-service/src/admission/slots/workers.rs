//! Threads for heavy operations.
//!
//! As many as there are slots: no heavy operation waits for the thread of another one, which may be one that holds the database's
//! only writer. Timers and sockets that heavy operations make live here too; the database's connections do not, since they are
//! made by the runtime that made their pool.

use std::{panic::resume_unwind, sync::OnceLock};

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, instrument::WithSubscriber};

use super::queue::Turn;
use crate::answer::refusal::Refusal;

#[derive(Debug)]
pub(super) struct Workers {
    threads: usize,
    /// Made when the first heavy operation comes; `None` where the system has no threads to give.
    runtime: OnceLock<Option<Runtime>>,
}

impl Workers {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            runtime: OnceLock::new(),
        }
    }

    /// Does this work on one of the threads. The slot is free once the work has ended, or has been dropped.
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
                // The threads have ended: the program is about to.
                Err(_) => Err(Refusal::no_threads()),
            },
        }
    }
}

fn start(threads: usize) -> Option<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("daybook-heavy")
        .enable_all()
        .build()
        .inspect_err(|error| tracing::error!(%error, "heavy operations are refused: there are no threads for them"))
        .ok()
}

/// A runtime that is dropped waits for its threads, which a task of another one must not do.
impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
