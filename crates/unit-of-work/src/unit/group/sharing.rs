//! How a unit founds a group, joins one and leaves it, and how a group ends.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{Group, Verdict};
use crate::{
    Database,
    database::connection::Connection,
    unit::{
        Ending, Leaver, Outcome, Reason, UNDONE_WITH_OTHERS, UnitOfWork, group::waiting::Waiter,
        roll_back::Undo,
    },
};

/// How often a unit that keeps others waiting, and is ending, is checked again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl UnitOfWork {
    /// The unit that continues this unit's transaction, instead of a COMMIT now. `None` if no unit waits that may.
    pub(in crate::unit) fn next_to_share(&self, connection: &mut Connection) -> Option<Waiter> {
        let is_off = self.database().commit_patience().is_zero();
        if !self.inner.terms.shares_commit || is_off || !connection.can_be_shared() {
            return None;
        }
        next(self.database(), connection)
    }

    /// Founds a group, and hands over the transaction.
    pub(in crate::unit) async fn found_group(
        &self,
        mut connection: Connection,
        next: Waiter,
    ) -> Outcome {
        let group = Group::new(self.database());
        connection.is_shared_by(Arc::clone(&group));
        self.joins_group();
        let verdict = group.park(self);
        drop(group);
        self.stats().held();
        pass_on(connection, Some(next));
        told(verdict, Outcome::Committed).await
    }

    /// Ends a unit that has joined a group: undoes its writes unless they should be committed, and leaves the rest to the group.
    pub(in crate::unit) async fn leave_group(
        &self,
        connection: Connection,
        ending: Ending,
    ) -> Outcome {
        let own = match ending {
            Ending::Commit => Outcome::Committed,
            Ending::Replay => Outcome::Replayed,
            Ending::RollBack(reason) => Outcome::RolledBack(reason),
        };
        let connection = match ending {
            Ending::Commit => Some(connection),
            Ending::Replay | Ending::RollBack(_) => self.undo_in_group(connection).await,
        };
        self.stats().held();
        let Some((connection, verdict)) = connection.and_then(|connection| {
            let verdict = connection.group()?.park(self);
            Some((connection, verdict))
        }) else {
            // The connection is closed, so the whole group is undone.
            return UNDONE_WITH_OTHERS;
        };
        pass_on(connection, None);
        told(verdict, own).await
    }

    /// Undoes what this unit did, and nothing else. If that is not certain, the connection is closed, and the whole group is undone.
    async fn undo_in_group(&self, mut connection: Connection) -> Option<Connection> {
        match self.undo(&mut connection, Undo::Member).await {
            Ok(()) => Some(connection),
            Err(error) => {
                tracing::warn!(parent: self.span(), %error, "a group of mutations is undone with one of its members");
                self.database().give_up(connection);
                None
            }
        }
    }

    /// Takes the transaction from a unit that keeps the others waiting for too long. Its operation is run again by itself.
    fn overstays(&self) {
        if self.inner.leaver.set(Leaver::Group).is_err() {
            // It is already ending. The statement for which it waits is stopped, unless that is COMMIT.
            self.decide(Ending::RollBack(Reason::SharedCommit));
            return;
        }
        self.inner.closing.store(true, Ordering::Release);
        self.decide(Ending::RollBack(Reason::SharedCommit));
        self.inner.overstayed.notify_one();
        let unit = self.clone();
        self.detached(async move {
            if let Some(connection) = unit.take(true).await
                && let Some(connection) = unit.undo_in_group(connection).await
            {
                pass_on(connection, None);
            }
        });
    }

    /// Waits until the transaction was taken from the unit because it kept others waiting.
    pub(crate) async fn overstayed(&self) {
        if self.inner.terms.shares_commit {
            self.inner.overstayed.notified().await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// Notes that the unit's transaction has writes of others.
    pub(in crate::unit) fn joins_group(&self) {
        self.inner.in_group.store(true, Ordering::Release);
    }

    /// Whether the unit's transaction has, or had, writes of others, so that its response rests on their COMMIT.
    pub(crate) fn rests_on_others(&self) -> bool {
        self.inner.in_group.load(Ordering::Acquire)
    }
}

/// The next unit that waits for what the transaction has: the one writer, or locks.
fn next(database: &Database, connection: &mut Connection) -> Option<Waiter> {
    match connection.held() {
        Some(held) => held.next(),
        None => database.waiting().next(),
    }
}

async fn told(verdict: oneshot::Receiver<Verdict>, own: Outcome) -> Outcome {
    verdict.await.unwrap_or(Verdict::Unknown).of(own)
}

/// Hands a group's transaction to `next`, or to the next waiting unit. Commits if none waits, or the group accepts no more.
pub(super) fn pass_on(mut connection: Connection, mut next: Option<Waiter>) {
    let Some(group) = connection.group().map(Arc::clone) else {
        return;
    };
    let Some(unit) = group.first() else {
        // The members were told that they are undone, so the transaction must not be committed.
        return connection.close_hard();
    };
    let database = unit.database();
    loop {
        let may_join = connection.can_be_shared() && group.takes_in();
        let waiter = match next.take() {
            None if may_join => self::next(database, &mut connection),
            next => next,
        };
        let Some(waiter) = waiter else {
            break;
        };
        group.is_held_by(waiter.unit.clone());
        connection = match waiter.hand(connection) {
            None => return watch(&group, database),
            Some(connection) => connection,
        };
    }
    group.is_held_by(Weak::new());
    drop(group);
    // In a task of its own, so that the client of the last member cannot delay the others.
    unit.detached(commit(connection));
}

/// Commits for all members, and tells them.
async fn commit(mut connection: Connection) {
    let members = connection.take_group().and_then(|group| group.commits());
    let Some(mut members) = members else {
        return connection.close_hard();
    };
    let Some(unit) = members.0.first().map(|member| member.unit.clone()) else {
        return connection.close_hard();
    };
    let outcome = unit.commit(connection).await;
    if let Some(token) = unit.seen() {
        for member in &members.0 {
            member.unit.has_seen(token);
            member.unit.wrote();
        }
    }
    let count = members.0.len();
    if count == 1 {
        return members.tell(&Verdict::Alone(outcome));
    }
    if outcome == Outcome::Committed {
        metrics::counter!("unit_of_work_commits_shared_total").increment(1);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        metrics::counter!("unit_of_work_commit_members_total").increment(count);
    }
    members.tell(&Verdict::for_several(&outcome));
}

/// Watches that no member keeps the others waiting for longer than the group's patience.
fn watch(group: &Arc<Group>, database: &Database) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    if group.is_watched.set(()).is_err() {
        return;
    }
    let ended = Arc::clone(&group.ended);
    let mut until = group.since + group.patience;
    // If code that outlives its operation holds the unit, its transaction cannot be taken for long.
    let last = until + database.finish_timeout();
    let group = Arc::downgrade(group);
    let watch = async move {
        loop {
            tokio::select! {
                biased;
                () = ended.notified() => return,
                () = sleep_until(until) => {}
            }
            let Some(group) = group.upgrade() else {
                return;
            };
            if Instant::now() >= last {
                return group.undo();
            }
            if let Some(holder) = group.holder() {
                holder.overstays();
            }
            until = (Instant::now() + LOOK_AGAIN).min(last);
        }
    };
    database.tasks().spawn_on(watch, &runtime);
}
