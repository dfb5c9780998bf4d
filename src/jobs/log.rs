//! Keeps SQLite's write-ahead log short, and notices when it or the database file is no longer the one that is open.
//!
//! SQLite moves the log into the database file by itself, and then begins it anew; but the file stays as long as it once was. And
//! where a reader needs an old part of it all the time, the log only grows. A query ends at its deadline; what can keep a
//! snapshot for longer is a program beside the server: `daybook export`, a backup, a shell that somebody forgot.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use unit_of_work::{Database, FailureKind};

use super::Job;

/// Files that are not there any more are to be noticed soon, also where nobody asks anything.
const EVERY: Duration = Duration::from_secs(1);

/// A log that is not longer than this is left to SQLite, which begins it anew from 4 MB on.
const SHORT: u64 = 16 << 20;

/// A log that could not be emptied for this long is said to be kept by a reader, and again each time that it has passed.
const KEPT: Duration = Duration::from_secs(60);

pub(crate) struct ShrinkLog {
    database: Database,
    ticks: Interval,
    /// Since when the log is long and cannot be emptied, and when that was last said.
    kept: Option<Kept>,
}

struct Kept {
    since: Instant,
    told: Option<Instant>,
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

    /// Says at once, and then once a minute, that the log cannot be emptied.
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
            told: None,
        });
        if kept.told.is_none_or(|told| now - told >= KEPT) {
            kept.told = Some(now);
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
            // That is said once, and nothing can be done about it while the server runs.
            Err(error) if FailureKind::of(&error) == FailureKind::FileReplaced => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // Beyond 2^32 kibibytes it says that it is long.
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
