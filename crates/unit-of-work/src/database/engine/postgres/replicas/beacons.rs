//! Where the primary was at times of the past: what a replica must have to be at most so far behind.
//!
//! A replica that has all that the primary had at some time is behind by no more than the time since then. Only this process's clock counts,
//! and no server's.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sqlx::{Executor as _, Postgres};
use tokio::time::{Instant, sleep, timeout};

use super::{
    super::position::{POSITION, Position},
    look::Look,
};
use crate::{
    ConsistencyToken,
    consistency::judgement::Judgement,
    database::pool::{Pool, no_answer},
};

/// How long to wait between two beacons.
const EVERY: Duration = Duration::from_millis(500);

/// How many are kept. Whoever may be further behind than they reach gets the oldest.
const MOST: usize = 600;

/// How long the primary may take to say where it is.
const LIMIT: Duration = Duration::from_secs(2);

/// The beacons, and the primary that is asked for them.
#[derive(Debug)]
pub(super) struct Beacons {
    primary: Pool<Postgres>,
    /// In the order of time.
    lit: Mutex<VecDeque<(Instant, ConsistencyToken)>>,
}

impl Beacons {
    pub(super) fn new(primary: Pool<Postgres>) -> Self {
        Self {
            primary,
            lit: Mutex::default(),
        }
    }

    /// A token for all that was acknowledged by a time that is not before this one; `None` is before all times. No token if none is that
    /// new.
    pub(super) fn since(&self, at: Option<Instant>) -> Option<ConsistencyToken> {
        let lit = self.lit.lock().unwrap_or_else(PoisonError::into_inner);
        let first = lit.partition_point(|(time, _)| at.is_some_and(|at| *time < at));
        lit.get(first).map(|(_, token)| *token)
    }

    /// When the last beacon was lit that a replica has. `None` if it has none.
    pub(super) fn last_of(&self, look: &Look) -> Option<Instant> {
        let lit = self.lit.lock().unwrap_or_else(PoisonError::into_inner);
        let mut from_the_last = lit.iter().rev();
        let last = from_the_last.find(|(_, token)| look.judge(token) == Judgement::Included);
        last.map(|(at, _)| *at)
    }

    /// Asks the primary again and again.
    pub(super) async fn light(&self) {
        loop {
            // The time comes first: what was acknowledged by then lies before the position.
            let at = Instant::now();
            match timeout(LIMIT, self.ask())
                .await
                .unwrap_or_else(|_| Err(no_answer()))
            {
                Ok(Some(token)) => self.lit(at, token),
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the primary does not say where it is"),
            }
            sleep(EVERY).await;
        }
    }

    async fn ask(&self) -> Result<Option<ConsistencyToken>, sqlx::Error> {
        let mut connection = self.primary.acquire_once(LIMIT).await?;
        connection.in_doubt(true);
        let rows = connection.fetch_all(POSITION).await?;
        connection.in_doubt(false);
        Ok(Position::read(&rows).and_then(|position| position.included(connection.peer())))
    }

    fn lit(&self, at: Instant, token: ConsistencyToken) {
        let mut lit = self.lit.lock().unwrap_or_else(PoisonError::into_inner);
        if lit.len() >= MOST {
            lit.pop_front();
        }
        lit.push_back((at, token));
    }

    pub(super) async fn close(&self) {
        self.primary.close().await;
    }
}
