//! The choice of a replica for a query that shows a token, or may be read a little behind.
//!
//! Each replica is looked at, until one has what the token stands for. Those that only lag behind are looked at again until the time is up.
//! The look is made on the connection that the query then gets: behind one name there may be several servers.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use sqlx::Postgres;
use tokio::time::{Duration, Instant, sleep_until, timeout_at};
use tokio_util::task::TaskTracker;

use super::{Replica, Replicas, look::look};
use crate::{
    ConsistencyToken, Database,
    consistency::{judgement::Judgement, reading::Reading},
    database::pool::Pooled,
    observe::telemetry::read_for_a_replica,
    unit::detached_on_drop::DetachedOnDrop,
};

/// How long to wait before a replica that lags behind is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

impl Replicas {
    /// A connection to a replica whose next snapshot has all that the reading asks for. `None` if none has that in time.
    ///
    /// # Cancel safety
    /// Cancel safe: connections go back to their pools, or are closed.
    pub(in super::super) async fn acquire(
        &self,
        reading: &Reading,
        database: &Database,
        deadline: Option<Instant>,
    ) -> Option<Pooled<Postgres>> {
        let asked = self.asked(reading)?;
        let until = Instant::now() + self.wait;
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let mut behind = Vec::new();
        for replica in self.order() {
            let acquired = replica.acquire(database.tasks(), until).await;
            let Some(mut connection) = acquired else {
                continue;
            };
            match replica.judge(&mut connection, &asked, until).await {
                Judgement::Included => {
                    self.proved(connection.peer());
                    read_for_a_replica("replica");
                    return Some(connection);
                }
                Judgement::Behind => behind.push((replica, connection)),
                Judgement::Unknown | Judgement::Lost | Judgement::Foreign => {}
            }
        }
        loop {
            let next = Instant::now() + LOOK_AGAIN;
            // Without a token the client has no need of this replica.
            if behind.is_empty() || next >= until || reading.shown.is_none() {
                return None;
            }
            sleep_until(next).await;
            let mut still_behind = Vec::with_capacity(behind.len());
            for (replica, mut connection) in behind {
                match replica.judge(&mut connection, &asked, until).await {
                    Judgement::Included => {
                        self.proved(connection.peer());
                        read_for_a_replica("replica_later");
                        return Some(connection);
                    }
                    Judgement::Behind => still_behind.push((replica, connection)),
                    Judgement::Unknown | Judgement::Lost | Judgement::Foreign => {}
                }
            }
            behind = still_behind;
        }
    }

    /// All that a replica must have. `None` if no replica will do.
    fn asked(&self, reading: &Reading) -> Option<Vec<ConsistencyToken>> {
        if !reading.on_replica
            || reading
                .shown
                .is_some_and(|shown| shown.system != self.system)
        {
            return None;
        }
        let as_of = match reading.staleness {
            Some(limit) => Some(self.beacons.since(Instant::now().checked_sub(limit))?),
            None => None,
        };
        let asked = [reading.shown, reading.wrote, as_of];
        let asked: Vec<_> = asked.into_iter().flatten().collect();
        (!asked.is_empty()).then_some(asked)
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

    /// The worst judgement of all that is asked for.
    async fn judge(
        &self,
        connection: &mut Pooled<Postgres>,
        asked: &[ConsistencyToken],
        until: Instant,
    ) -> Judgement {
        let peer = connection.peer();
        if asked.iter().all(|token| peer.was_proved(token)) {
            return Judgement::Included;
        }
        match timeout_at(until, look(connection)).await {
            Ok(Ok(look)) => {
                let judged = asked.iter().map(|token| look.judge(token));
                judged.fold(Judgement::Included, |worst, next| match (worst, next) {
                    (Judgement::Included, next) => next,
                    (worst, Judgement::Included) => worst,
                    (Judgement::Behind, Judgement::Behind) => Judgement::Behind,
                    _ => Judgement::Unknown,
                })
            }
            Ok(Err(error)) => {
                self.has_answered(Err(&error));
                Judgement::Unknown
            }
            Err(_) => Judgement::Unknown,
        }
    }
}
