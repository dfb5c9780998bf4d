//! A *group*: mutations that share one COMMIT.
//!
//! On an engine with one writer, mutations run one after the other, and each waits for the disk. The same holds on other engines for
//! mutations that lock the same rows. If another unit is waiting for the writer, or for such rows, a unit that is done does not commit. It *parks*: its response waits, and the open transaction is handed to the waiting unit, which runs
//! in a savepoint. The last one commits for all of them, and only then is any of them answered.
//!
//! ```text
//! A  BEGIN ── statements ── parks ·················································· told
//! B           waits ──────> SAVEPOINT ── statements ── ROLLBACK TO (it failed), parks ·· told
//! C           waits ─────────────────────────────────> SAVEPOINT ── statements ── COMMIT, told
//! ```
//!
//! - This is serial execution, as with one writer anyway. A refusal waits for the COMMIT too, since it may rest on writes of a member
//!   before it.
//! - COMMIT fails, or the connection is lost: every member is *undone*, and its operation is run again in a unit of its own. It is
//!   not told what failed, since that may be another one's fault. Whose fault it is, is told by its own run.
//! - A group takes others in for a fifth of [`commit_patience`](crate::DatabaseOptions::commit_patience) and commits when nobody waits.
//!   A unit that still has the transaction when the patience ends is undone to its savepoint and runs again by itself; the group
//!   commits without it.
//! - A unit that is alone does not wait, and sends nothing more than without groups.
//! - On PostgreSQL a member sees what others have committed meanwhile, since every statement of READ COMMITTED does. A member that waits
//!   for a lock which somebody outside has, or for another group that waits for this one, overstays: nobody waits for longer than
//!   the patience.
//!
//! What may share: a mutation on plain terms (no settings, isolation level, timeline or dry run) that is run again where it has to be
//! ([`Retrying`](crate::Retrying)). Read [`Group`] first, then `sharing`, which has what a unit does; `waiting` knows who waits for the
//! writer, `named_locks` who waits for rows.

mod named_locks;
mod sharing;
mod waiting;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

pub(crate) use named_locks::{Held, NamedLocks, Names};
pub(super) use waiting::Turn;
pub(crate) use waiting::Waiting;

use super::{Inner, Outcome, UNDONE_WITH_OTHERS, UnitOfWork};
use crate::Database;

/// The most members of a group. Their responses are in memory until the COMMIT.
const MOST: usize = 256;

/// The same where others read at the same time. PostgreSQL keeps 64 subtransactions of each transaction in shared memory; with more, every
/// snapshot of other sessions costs look-ups on the disk: <https://www.postgresql.org/docs/current/subxacts.html>.
const MOST_SUBTRANSACTIONS: usize = 60;

/// The units that have parked on one open transaction. The transaction's connection owns it. If it is dropped before COMMIT was sent, its
/// members are told that they are undone.
pub(crate) struct Group {
    /// When the first member was done.
    since: Instant,
    patience: Duration,
    most: usize,
    parked: Mutex<Parked>,
    /// The unit that has the transaction, or gets it next.
    holder: Mutex<Weak<Inner>>,
    /// Notified when the group has ended.
    ended: Arc<Notify>,
    is_watched: OnceLock<()>,
}

enum Parked {
    Waiting(Vec<Member>),
    /// COMMIT was sent, or never will be.
    Told,
}

/// A unit that is done, and waits for the COMMIT.
struct Member {
    unit: UnitOfWork,
    told: oneshot::Sender<Verdict>,
}

/// The outcome of a group's transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// The outcome of a group of one unit.
    Alone(Outcome),
    Committed,
    /// Nothing of it has happened.
    Undone,
    /// COMMIT was not answered, or its answer cannot be relied on.
    Unknown,
}

impl Verdict {
    /// The outcome of a COMMIT for each member of a group of several.
    fn for_several(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Committed => Self::Committed,
            Outcome::Unknown => Self::Unknown,
            _ => Self::Undone,
        }
    }

    /// The outcome of a member that would have ended like `own` by itself.
    fn of(self, own: Outcome) -> Outcome {
        match (self, own) {
            (Self::Alone(outcome), _) => outcome,
            (Self::Committed, own) => own,
            (Self::Unknown, Outcome::Committed) => Outcome::Unknown,
            // Certainly nothing of it has happened. But its response rests on writes that may not have happened either.
            (Self::Undone | Self::Unknown, _) => UNDONE_WITH_OTHERS,
        }
    }
}

impl Group {
    fn new(database: &Database) -> Arc<Self> {
        let most = if database.has_one_writer() {
            MOST
        } else {
            MOST_SUBTRANSACTIONS
        };
        Arc::new(Self {
            since: Instant::now(),
            patience: database.commit_patience(),
            most,
            parked: Mutex::new(Parked::Waiting(Vec::new())),
            holder: Mutex::default(),
            ended: Arc::default(),
            is_watched: OnceLock::new(),
        })
    }

    /// Whether another unit may join.
    fn takes_in(&self) -> bool {
        let count = match &*self.parked() {
            Parked::Waiting(members) => members.len(),
            Parked::Told => return false,
        };
        // One place is kept for the unit that joins.
        count + 1 < self.most && self.since.elapsed() < self.patience / 5
    }

    /// Adds a unit that is done. The receiver gets the outcome of the transaction.
    fn park(&self, unit: &UnitOfWork) -> oneshot::Receiver<Verdict> {
        let (told, verdict) = oneshot::channel();
        let unit = unit.clone();
        match &mut *self.parked() {
            Parked::Waiting(members) => members.push(Member { unit, told }),
            Parked::Told => drop(told.send(Verdict::Undone)),
        }
        verdict
    }

    /// The first member's unit, as long as COMMIT was not sent.
    fn first(&self) -> Option<UnitOfWork> {
        match &*self.parked() {
            Parked::Waiting(members) => members.first().map(|member| member.unit.clone()),
            Parked::Told => None,
        }
    }

    /// Takes the members, before COMMIT is sent. `None` if they were already told that they are undone; then COMMIT must not be sent.
    fn commits(&self) -> Option<Committing> {
        match std::mem::replace(&mut *self.parked(), Parked::Told) {
            Parked::Waiting(members) => Some(Committing(members)),
            Parked::Told => None,
        }
    }

    /// Tells the members that they are undone, unless COMMIT was sent. From now on it cannot be sent.
    fn undo(&self) {
        let Some(mut committing) = self.commits() else {
            return;
        };
        committing.tell(&Verdict::Undone);
    }

    fn parked(&self) -> MutexGuard<'_, Parked> {
        // Nothing can panic while the lock is held.
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holder(&self) -> Option<UnitOfWork> {
        let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        holder.upgrade().map(|inner| UnitOfWork { inner })
    }

    fn is_held_by(&self, unit: Weak<Inner>) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = unit;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.ended.notify_one();
        self.undo();
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Group")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// The members of a group while COMMIT is under way. If it is dropped without an answer, they are told that the outcome is not known.
struct Committing(Vec<Member>);

impl Committing {
    fn tell(&mut self, verdict: &Verdict) {
        for member in self.0.drain(..) {
            // A member that has gone away is skipped.
            let _ = member.told.send(verdict.clone());
        }
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        self.tell(&Verdict::Unknown);
    }
}
