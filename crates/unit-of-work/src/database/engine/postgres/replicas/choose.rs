//! The choice of a replica for a query that shows a token.
//!
//! Each replica is looked at, until one has what the token stands for. Those that only lag behind are looked at again until the time is up.
//! The look is made on the connection that the query then gets: behind one name there may be several servers.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use sqlx::Postgres;
use tokio::time::{Duration, Instant, sleep_until, timeout_at};
use tokio_util::task::TaskTracker;

use super::{Replica, Replicas, look::look};
use crate::{
    ConsistencyToken, Database, consistency::judgement::Judgement, database::pool::Pooled,
    observe::telemetry::read_with_a_token, unit::detached_on_drop::DetachedOnDrop,
};

/// How long to wait before a replica that lags behind is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

impl Replicas {
    /// A connection to a replica whose next snapshot includes what the token stands for. `None` if none has that in time.
    ///
    /// # Cancel safety
    /// Cancel safe: connections go back to their pools, or are closed.
    pub(in super::super) async fn acquire(
        &self,
        token: ConsistencyToken,
        database: &Database,
        deadline: Option<Instant>,
    ) -> Option<Pooled<Postgres>> {
        if token.system != self.system {
            return None;
        }
        let until = Instant::now() + self.wait;
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let mut behind = Vec::new();
        for replica in self.order() {
            let acquired = replica.acquire(database.tasks(), until).await;
            let Some(mut connection) = acquired else {
                continue;
            };
            match replica.judge(&mut connection, &token, until).await {
                Judgement::Included => {
                    read_with_a_token("replica");
                    return Some(connection);
                }
                Judgement::Behind => behind.push((replica, connection)),
                Judgement::Unknown | Judgement::Lost | Judgement::Foreign => {}
            }
        }
        loop {
            let next = Instant::now() + LOOK_AGAIN;
            if behind.is_empty() || next >= until {
                return None;
            }
            sleep_until(next).await;
            let mut still_behind = Vec::with_capacity(behind.len());
            for (replica, mut connection) in behind {
                match replica.judge(&mut connection, &token, until).await {
                    Judgement::Included => {
                        read_with_a_token("replica_later");
                        return Some(connection);
                    }
                    Judgement::Behind => still_behind.push((replica, connection)),
                    Judgement::Unknown | Judgement::Lost | Judgement::Foreign => {}
                }
            }
            behind = still_behind;
        }
    }

    /// The replicas that have answered when they were asked last, each time from another one on.
    fn order(&self) -> impl Iterator<Item = &Arc<Replica>> {
        let first = self.next.fetch_add(1, Relaxed) % self.list.len().max(1);
        let (before, from) = self.list.split_at(first);
        let all = from.iter().chain(before);
        all.filter(|replica| replica.answers.load(Relaxed))
    }
}

impl Replica {
    /// A connection that is there, or can be made in time. One that takes longer goes to the pool, for the next query.
    async fn acquire(
        self: &Arc<Self>,
        tasks: &TaskTracker,
        until: Instant,
    ) -> Option<Pooled<Postgres>> {
        let replica = Arc::clone(self);
        let patience = until.saturating_duration_since(Instant::now());
        let acquiring = async move { replica.pool.acquire_once(patience).await };
        match timeout_at(until, DetachedOnDrop::new(acquiring, tasks)).await {
            Ok(Ok(connection)) => Some(connection),
            // Other queries have all of its connections.
            Ok(Err(sqlx::Error::PoolTimedOut)) => None,
            Ok(Err(error)) => {
                self.has_answered(Err(&error));
                None
            }
            // It may be slow. The watcher finds out whether it is silent.
            Err(_) => None,
        }
    }

    async fn judge(
        &self,
        connection: &mut Pooled<Postgres>,
        token: &ConsistencyToken,
        until: Instant,
    ) -> Judgement {
        if connection.peer().was_proved(token) {
            return Judgement::Included;
        }
        match timeout_at(until, look(connection)).await {
            Ok(Ok(look)) => look.judge(token),
            Ok(Err(error)) => {
                self.has_answered(Err(&error));
                Judgement::Unknown
            }
            Err(_) => Judgement::Unknown,
        }
    }
}
