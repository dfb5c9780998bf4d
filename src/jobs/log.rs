//! Keeps SQLite's write-ahead log short, and notices when it or the database file is no longer the one that is open.
//!
//! SQLite itself moves the log into the database file and then overwrites it from the start, but never makes the file shorter. And as long
//! as a reader needs an old part of the log, the log only grows. A query ends at its deadline; a program beside the server can keep its
//! snapshot for longer: `daybook export`, a backup, a forgotten shell.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use unit_of_work::{Database, FailureKind};

use super::Job;

/// How often the job looks. Missing files should be noticed soon, even if no operation needs them.
const EVERY: Duration = Duration::from_secs(1);

/// A log up to this length is left to SQLite, which overwrites it from 4 MB on.
const SHORT: u64 = 16 << 20;

/// If the log could not be emptied for this long, a warning says that a reader keeps it. The warning repeats after each such time.
const KEPT: Duration = Duration::from_secs(60);

pub(crate) struct ShrinkLog {
    database: Database,
    ticks: Interval,
    /// Since when the log is long and cannot be emptied, and when that was last reported.
    kept: Option<Kept>,
}

struct Kept {
    since: Instant,
    reported: Option<Instant>,
}

impl ShrinkLog {
    pub(crate) fn new(database: Database) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            database,
            ticks,
            kept: None,
        }
    }

    /// Logs that the log cannot be emptied: at once, and then once a minute.
    fn tell(&mut self, log_bytes: u64, is_emptied: bool) {
        let now = Instant::now();
        if log_bytes <= SHORT || is_emptied {
            if let Some(kept) = self.kept.take() {
                let lasted = kept.since.elapsed();
                tracing::info!(log_bytes, ?lasted, "the write-ahead log is short again");
            }
            return;
        }
        let kept = self.kept.get_or_insert(Kept {
            since: now,
            reported: None,
        });
        if kept.reported.is_none_or(|reported| now - reported >= KEPT) {
            kept.reported = Some(now);
            let since = kept.since.elapsed();
            tracing::warn!(
                log_bytes,
                ?since,
                "the write-ahead log cannot be emptied: somebody reads an old snapshot of the database (an export, a backup, a \
                 shell with an open transaction), or writes without a pause; it grows until that ends"
            );
        }
    }
}

impl Job for ShrinkLog {
    const NAME: &'static str = "log";
    const LONGEST_WAIT: Duration = EVERY;
    type Error = LogError;

    async fn due(&mut self) -> bool {
        self.ticks.tick().await;
        true
    }

    async fn activate(&mut self) -> Result<(), LogError> {
        let found = match self.database.checkpoint(SHORT).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            // This was reported where it was found, and a running server cannot repair it.
            Err(error) if FailureKind::of(&error) == FailureKind::FileReplaced => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // Beyond 2^32 kibibytes, the log is simply long.
        let kibibytes = u32::try_from(found.log_bytes >> 10).unwrap_or(u32::MAX);
        metrics::gauge!("daybook_sqlite_log_bytes").set(f64::from(kibibytes) * 1024.0);
        self.tell(found.log_bytes, found.is_emptied);
        let kept = self.kept.as_ref().map(|kept| kept.since.elapsed());
        metrics::gauge!("daybook_sqlite_log_kept_seconds")
            .set(kept.unwrap_or_default().as_secs_f64());
        Ok(())
    }
}

/// Why the log was not looked at, or not emptied.
#[derive(Debug, thiserror::Error)]
#[error("the write-ahead log could not be emptied")]
pub(crate) struct LogError(#[from] DbErr);
