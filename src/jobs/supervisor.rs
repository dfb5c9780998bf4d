//! Runs jobs, again and again until the server stops, whatever happens to them.
//!
//! ```text
//! due ──> activate ──ok────────────────────────────────────> due
//!            ├──error──> due, or a wait, whichever is first ──> activate
//!            └──panic──> a wait ──────────────────────────────> activate
//! ```
//! An activation that takes longer than the job's limit is dropped and counts as failed, so that a connection that hangs does not stop the
//! job for good.
//!
//! The wait grows from one failure to the next, up to a minute or the job's own `LONGEST_WAIT`. A failing job ends neither itself, nor
//! another job, nor the server.
//!
//! Metrics, by `job`: `daybook_job_last_success_timestamp_seconds` (0 until the first), `daybook_job_failures_total`,
//! `daybook_job_panics_total`. Alert on the time since the last success. `/readyz` does not depend on jobs: a server whose job fails can
//! still serve, and all servers would usually fail alike, so that a load balancer would turn late releases into an outage.

use std::{
    any::Any,
    error::Error,
    fmt::Write as _,
    panic::AssertUnwindSafe,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

/// Work that is done again and again in the background.
pub(crate) trait Job: Send + 'static {
    /// The job's name in logs and metrics.
    const NAME: &'static str;

    /// The wait after the first failure. It doubles with each further one.
    const FIRST_WAIT: Duration = Duration::from_millis(100);

    /// The longest wait after a failure.
    const LONGEST_WAIT: Duration = Duration::from_secs(60);

    /// How long an activation may take before it is dropped.
    const LIMIT: Duration = Duration::from_secs(60);

    /// Why an activation fails.
    type Error: Error + Send;

    /// Waits until there is something to do. `false` if there never will be again.
    ///
    /// It must be cancel safe. It is the only pause between activations, so it must not always return at once.
    fn due(&mut self) -> impl Future<Output = bool> + Send;

    /// Does the work that is due. It can be dropped at any time, and must then leave nothing half done. After a panic it is called again on
    /// the same job.
    fn activate(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// The jobs of a server.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Jobs {
    /// Runs a job until [`Self::stop`]. Must be called within a Tokio runtime.
    pub(crate) fn start(&self, job: impl Job) {
        let run = self.stop.clone().run_until_cancelled_owned(supervise(job));
        self.tasks.spawn(run);
    }

    /// Drops the jobs, and waits until they have ended. `false` if one has not ended within `limit`.
    pub(crate) async fn stop(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        timeout(limit, self.tasks.wait()).await.is_ok()
    }
}

/// Runs a job until its `due` says that there is nothing more to do.
///
/// # Cancel safety
/// Dropping the future drops the current activation.
pub(crate) async fn supervise<J: Job>(mut job: J) {
    let last_success =
        metrics::gauge!("daybook_job_last_success_timestamp_seconds", "job" => J::NAME);
    last_success.set(0.0);
    let mut failures = 0_u32;
    let mut last = Last::Succeeded;
    loop {
        let wait = wait_after(J::FIRST_WAIT, failures).min(J::LONGEST_WAIT);
        let activation = async {
            let is_due = match last {
                Last::Succeeded => job.due().await,
                Last::Failed => timeout(wait, job.due()).await.unwrap_or(true),
                // `due` itself may have panicked, and might again at once: wait first.
                Last::Panicked => {
                    sleep(wait).await;
                    true
                }
            };
            if !is_due {
                return Ok(false);
            }
            let span = tracing::info_span!("job", job = J::NAME);
            match timeout(J::LIMIT, job.activate().instrument(span)).await {
                Ok(Ok(())) => Ok(true),
                Ok(Err(error)) => Err(with_sources(&error)),
                Err(_) => Err(format!("it took longer than {:?}", J::LIMIT)),
            }
        };
        match AssertUnwindSafe(activation).catch_unwind().await {
            Ok(Ok(true)) => {
                last_success.set(now());
                if failures > 0 {
                    tracing::info!(job = J::NAME, failures, "the job succeeds again");
                }
                failures = 0;
                last = Last::Succeeded;
                continue;
            }
            Ok(Ok(false)) => return,
            Ok(Err(error)) => {
                metrics::counter!("daybook_job_failures_total", "job" => J::NAME).increment(1);
                // A lasting failure is logged at its beginning, and then less and less often.
                if failures == 0 || failures.is_power_of_two() {
                    tracing::warn!(
                        job = J::NAME,
                        failures,
                        error,
                        "the job failed, and is run again"
                    );
                }
                last = Last::Failed;
            }
            Err(panic) => {
                metrics::counter!("daybook_job_panics_total", "job" => J::NAME).increment(1);
                let panic = message(&*panic);
                tracing::error!(
                    job = J::NAME,
                    failures,
                    panic,
                    "the job panicked, and is run again"
                );
                last = Last::Panicked;
            }
        }
        failures += 1;
    }
}

/// How the last activation ended.
enum Last {
    Succeeded,
    Failed,
    Panicked,
}

fn wait_after(first: Duration, failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
    first.saturating_mul(doubled.unwrap_or(u32::MAX))
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// The error and its causes.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    use tokio::{sync::mpsc, time::Instant};

    use super::*;

    /// What an activation is to do.
    #[derive(Clone, Copy)]
    enum Act {
        Succeed,
        Fail,
        Panic,
        PanicWhenDue,
        Hang,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("it failed")]
    struct Failed;

    /// A job that says when it is activated, and ends after its last act.
    struct Acting {
        acts: std::vec::IntoIter<Act>,
        next: Option<Act>,
        activated: mpsc::UnboundedSender<Instant>,
    }

    impl Job for Acting {
        const NAME: &'static str = "acting";
        const LONGEST_WAIT: Duration = Duration::from_secs(1);
        type Error = Failed;

        async fn due(&mut self) -> bool {
            sleep(Duration::from_secs(60)).await;
            self.next = self.acts.next();
            if matches!(self.next, Some(Act::PanicWhenDue)) {
                panic!("at waiting");
            }
            self.next.is_some()
        }

        async fn activate(&mut self) -> Result<(), Failed> {
            self.activated.send(Instant::now()).unwrap();
            match self.next.take().or_else(|| self.acts.next()) {
                Some(Act::Fail) => Err(Failed),
                Some(Act::Panic | Act::PanicWhenDue) => panic!("at work"),
                Some(Act::Hang) => std::future::pending().await,
                Some(Act::Succeed) | None => Ok(()),
            }
        }
    }

    fn acting(acts: &[Act]) -> (Acting, mpsc::UnboundedReceiver<Instant>) {
        let (activated, activations) = mpsc::unbounded_channel();
        let acting = Acting {
            acts: Vec::from(acts).into_iter(),
            next: None,
            activated,
        };
        (acting, activations)
    }

    async fn times(mut activations: mpsc::UnboundedReceiver<Instant>) -> Vec<u128> {
        let mut times = Vec::new();
        let mut first = None;
        while let Some(at) = activations.recv().await {
            let since = at.duration_since(*first.get_or_insert(at));
            times.push(since.as_millis());
        }
        times
    }

    /// It is due once a minute.
    #[tokio::test(start_paused = true)]
    async fn a_job_that_panics_or_fails_is_run_again_later_and_later() {
        use Act::{Fail, Panic, Succeed};
        let acts = [
            Succeed, Panic, Panic, Fail, Panic, Fail, Succeed, Fail, Succeed,
        ];
        let (job, activations) = acting(&acts);
        supervise(job).await;
        let expected = [
            0, 60_000, 60_100, 60_300, 60_700, 61_500, 62_500, 122_500, 122_600,
        ];
        assert_eq!(times(activations).await, expected);
    }

    /// It may take a minute, and is run again a tenth of a second later.
    #[tokio::test(start_paused = true)]
    async fn a_job_that_hangs_is_run_again() {
        let (job, activations) = acting(&[Act::Hang, Act::Succeed]);
        supervise(job).await;
        assert_eq!(times(activations).await, [0, 60_100]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_while_it_waits_ends_no_job() {
        let (job, activations) = acting(&[Act::PanicWhenDue, Act::Succeed, Act::Succeed]);
        supervise(job).await;
        assert_eq!(times(activations).await.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_counted() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let (job, _activations) = acting(&[Act::Fail, Act::Panic, Act::Fail]);
        supervise(job).await;
        let mut found: Vec<_> = snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .map(|(key, _, _, value)| (key.key().name().to_owned(), value))
            .collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let counter = |name: &str, value| (name.to_owned(), DebugValue::Counter(value));
        assert_eq!(found[0], counter("daybook_job_failures_total", 2));
        assert!(
            matches!(&found[1].1, DebugValue::Gauge(at) if at.0 > 0.0),
            "{found:?}"
        );
        assert_eq!(found[2], counter("daybook_job_panics_total", 1));
    }

    /// A job that is at work for ever.
    struct Busy(#[expect(dead_code, reason = "it is dropped")] mpsc::Sender<()>);

    impl Job for Busy {
        const NAME: &'static str = "busy";
        type Error = Failed;

        async fn due(&mut self) -> bool {
            true
        }

        async fn activate(&mut self) -> Result<(), Failed> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn all_jobs_have_ended_when_they_are_stopped() {
        let (held, mut dropped) = mpsc::channel(1);
        let jobs = Jobs::default();
        jobs.start(Busy(held));
        assert!(jobs.stop(Duration::from_secs(20)).await);
        assert!(
            dropped
                .try_recv()
                .is_err_and(|error| error == mpsc::error::TryRecvError::Disconnected)
        );
    }
}
