//! Releases holds that have expired, so that the amounts they had set aside are available again.
//!
//! Each release is an entry of its own in a unit of its own. All servers of a database look for expired holds; if two find the same hold,
//! one of them releases it.
//!
//! **A hold that cannot be released stops no other.** Its account may be frozen, or locked for long. The hold is put aside and tried again
//! later and later, while the others are released. Only an error of the database itself ends a round.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, stream};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use unit_of_work::{Database, FailureKind, UnitOfWork};
use uuid::Uuid;

use super::Job;
use crate::ledger::{self, Clock, ExpiredHold, HoldError};

const EVERY: Duration = Duration::from_secs(1);

/// How many holds are looked up at once.
const BATCH: u64 = 100;

/// How many holds are released at once, so that one that waits for a lock does not delay the others.
const AT_ONCE: usize = 4;

/// How long a release waits for a lock on PostgreSQL before it is put aside.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";

/// How far the clocks of servers may differ. A hold that another server has just placed can already have expired by this much here.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// How long a hold that could not be released is put aside. The time doubles with each attempt, up to the longest.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LAST_DELAY: Duration = Duration::from_secs(5 * 60);

/// The most holds that are put aside. Further ones are found and tried in every round.
const PUT_ASIDE: usize = 10_000;

/// Why expired holds were not released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpiryError {
    /// The database failed, at the look-up or at the COMMIT of a release.
    #[error("expired holds could not be looked up, or their release not be committed")]
    Database(#[from] DbErr),
    /// A hold could not be released.
    #[error(transparent)]
    Release(#[from] HoldError),
}

impl ExpiryError {
    /// Whether the database itself fails, so that no other hold can be released either.
    fn is_of_the_database(&self) -> bool {
        use FailureKind::{
            ConnectionLost, Damaged, FileReplaced, Full, NoConnection, ReadOnly, Unavailable,
        };
        let kind = match self {
            Self::Database(error) => Some(FailureKind::of(error)),
            Self::Release(error) => error.database_error().map(FailureKind::of),
        };
        matches!(
            kind,
            Some(
                ConnectionLost
                    | Damaged
                    | FileReplaced
                    | Full
                    | NoConnection
                    | ReadOnly
                    | Unavailable
            )
        )
    }
}

/// The job. Dropping an activation rolls back the releases that are under way.
pub(crate) struct Expiry {
    database: Database,
    clock: Clock,
    ticks: Interval,
    /// Where the next round begins: the end of the last successful round, less the clock skew. The first round begins with the oldest hold.
    since: Option<DateTime<Utc>>,
    put_aside: HashMap<Uuid, PutAside>,
}

/// A hold that could not be released.
struct PutAside {
    again: Instant,
    delay: Duration,
}

impl Expiry {
    pub(crate) fn new(database: Database, clock: Clock) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            database,
            clock,
            ticks,
            since: None,
            put_aside: HashMap::new(),
        }
    }

    /// Tries the holds that were put aside and are due, then every hold that expired since the last round.
    async fn round(&mut self) -> Result<(), ExpiryError> {
        let now = self.clock.now();
        let due = self
            .put_aside
            .iter()
            .filter(|(_, it)| it.again <= Instant::now());
        let due: Vec<Uuid> = due.map(|(hold, _)| *hold).collect();
        self.release(due).await?;
        let mut after = None;
        loop {
            let found = find(&self.database, self.since, after, now).await?;
            let is_last = u64::try_from(found.len()).is_ok_and(|found| found < BATCH);
            after = found.last().copied();
            let holds = found.into_iter().map(|hold| hold.id);
            let holds = holds.filter(|hold| !self.put_aside.contains_key(hold));
            self.release(holds.collect()).await?;
            if is_last {
                break;
            }
        }
        if self.put_aside.len() < PUT_ASIDE {
            self.since = Some(now - SKEW);
        }
        Ok(())
    }

    async fn release(&mut self, holds: Vec<Uuid>) -> Result<(), ExpiryError> {
        let mut released = 0_u64;
        let mut releases = std::pin::pin!(release_all(&self.database, &self.clock, holds));
        while let Some((hold, result)) = releases.next().await {
            match result {
                Ok(is_released) => {
                    self.put_aside.remove(&hold);
                    released += u64::from(is_released);
                }
                Err(error) if error.is_of_the_database() => return Err(error),
                Err(error) => {
                    let hold_id = ledger::Id::Entry(hold);
                    tracing::warn!(%hold_id, %error, "an expired hold cannot be released, and is put aside");
                    put_aside(&mut self.put_aside, hold);
                }
            }
        }
        if released > 0 {
            tracing::debug!(released, "expired holds are released");
        }
        let waiting = u32::try_from(self.put_aside.len()).unwrap_or(u32::MAX);
        metrics::gauge!("daybook_expired_holds_put_aside").set(f64::from(waiting));
        Ok(())
    }
}

fn put_aside(holds: &mut HashMap<Uuid, PutAside>, hold: Uuid) {
    let has_room = holds.len() < PUT_ASIDE;
    let delay = match holds.get(&hold) {
        Some(before) => (before.delay * 2).min(LAST_DELAY),
        None if has_room => FIRST_DELAY,
        None => return,
    };
    let again = Instant::now() + delay;
    holds.insert(hold, PutAside { again, delay });
}

impl Job for Expiry {
    const NAME: &'static str = "expiry";
    const LONGEST_WAIT: Duration = EVERY;
    type Error = ExpiryError;

    async fn due(&mut self) -> bool {
        self.ticks.tick().await;
        true
    }

    async fn activate(&mut self) -> Result<(), ExpiryError> {
        self.round().await
    }
}

/// Releases every hold that expired from `since` until now, and says how many.
///
/// # Errors
/// [`ExpiryError`] if some cannot be released: the error of the first of them, after all others were released.
pub async fn release(
    database: &Database,
    since: Option<DateTime<Utc>>,
    clock: &Clock,
) -> Result<u64, ExpiryError> {
    let now = clock.now();
    let (mut released, mut failure, mut after) = (0, None, None);
    loop {
        let found = find(database, since, after, now).await?;
        let is_last = u64::try_from(found.len()).is_ok_and(|found| found < BATCH);
        after = found.last().copied();
        let holds = found.into_iter().map(|hold| hold.id).collect();
        let mut releases = std::pin::pin!(release_all(database, clock, holds));
        while let Some((_, result)) = releases.next().await {
            match result {
                Ok(is_released) => released += u64::from(is_released),
                Err(error) if error.is_of_the_database() => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if is_last {
            return failure.map_or(Ok(released), Err);
        }
    }
}

async fn find(
    database: &Database,
    since: Option<DateTime<Utc>>,
    after: Option<ExpiredHold>,
    now: DateTime<Utc>,
) -> Result<Vec<ExpiredHold>, DbErr> {
    database
        .read(async |unit| ledger::find_expired_holds(&unit, since, after, now, BATCH).await)
        .await
}

/// Releases these holds, several at once. Each comes with whether this server released it.
fn release_all<'a>(
    database: &'a Database,
    clock: &'a Clock,
    holds: Vec<Uuid>,
) -> impl stream::Stream<Item = (Uuid, Result<bool, ExpiryError>)> + 'a {
    let one = move |hold| async move { (hold, release_one(database, clock, hold).await) };
    stream::iter(holds).map(one).buffer_unordered(AT_ONCE)
}

/// Releases one hold; `false` if it was already released or captured.
async fn release_one(database: &Database, clock: &Clock, hold: Uuid) -> Result<bool, ExpiryError> {
    let release = async |unit: UnitOfWork| {
        if database.backend() == DbBackend::Postgres {
            unit.execute_unprepared(LOCK_TIMEOUT).await?;
        }
        let entry = ledger::release_expired_hold(&unit, hold, clock).await?;
        Ok::<_, ExpiryError>(entry.is_some())
    };
    database.write(release).await
}
