//! How far the outbox is settled.
//!
//! The rule, on PostgreSQL:
//!
//! - **No gap, no wait.** Numbers are drawn one by one. When every number up to `n` is visible, `n` is settled, whoever else
//!   is still running.
//! - **At a gap, a fence.** A number that is missing below a visible one belongs to a transaction that still runs, or to one
//!   that was rolled back. Whoever drew it had a transaction id by then. So an id that is drawn *after* the larger number was
//!   seen is larger than all of theirs: the fence. In a snapshot whose `pg_snapshot_xmin` has reached the fence, all of them
//!   have ended: each number up to the one that was seen is visible there, or never will be.
//!
//! `pg_snapshot_xmax` is no fence: it is one past the largest id that has *completed*, and transactions with that id and
//! larger ones may be running.
//!
//! **Where it starts.** Nothing is kept over a restart. At the start every number may be missing, so a fence is taken for the
//! largest visible one; nothing below it is ever looked through for gaps.
//!
//! **When the database goes back.** A failover to a standby that lacked the last transactions, or a restored backup, can
//! take settled numbers away and give them out again. So each look reads the event of the settled number again: when that is
//! not there, or is about something else, history was lost. A fence from before a restart or a failover says nothing afterwards.

use super::{Look, OutboxEvent, Subject};

/// A horizon that is further behind than this jumps to what is settled, without naming the events in between.
const FURTHEST: i64 = 10_000;

/// How far the outbox is settled. It is moved by looks, each later than the one before.
///
/// ```
/// use daybook::ledger::{Horizon, Look, OutboxEvent, Progress, Subject};
///
/// let event = |seq| OutboxEvent { seq, subject: Subject::Entry(Default::default()) };
/// let mut horizon = Horizon::default();
/// // The outbox is empty.
/// let _ = horizon.see(Look { oldest_running: Some(70), ..Look::default() });
/// // Transaction 71 has drawn number 1 and still runs; 2 and 3 are visible.
/// let look = Look { newest: 3, oldest_running: Some(71), events: vec![event(2), event(3)], ..Look::default() };
/// assert_eq!(horizon.see(look.clone()), Progress::Events(vec![]));
/// // It is still missing at the next look: now a fence is needed.
/// let _ = horizon.see(look.clone());
/// let newest = horizon.needs_fence().unwrap();
/// horizon.fence(newest, 75);
/// // Transaction 71 was rolled back: number 1 will never be there.
/// let settled = horizon.see(Look { oldest_running: Some(75), ..look });
/// assert_eq!(settled, Progress::Events(vec![event(2), event(3)]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Horizon {
    /// Every number up to this one is visible to all snapshots from now on, or never to be. It is 0 or a visible number.
    /// `None` until that is known of any.
    settled: Option<i64>,
    /// What the event of the settled number is about, once it was read.
    subject: Option<Subject>,
    /// A fence was reached for every number up to this one: those of them that are visible only have to be read.
    decided: i64,
    fence: Option<Fence>,
    /// The visible number for which a fence is needed.
    unfenced: Option<i64>,
    /// The settled number behind which the last look met a gap.
    gap_after: Option<i64>,
    server_started: Option<i64>,
}

/// Once all transactions with smaller ids than `id` have ended, all numbers up to `newest` are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fence {
    newest: i64,
    id: i64,
}

/// What a look has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// These events: all that come after what was settled before, in order. There may be none.
    Events(Vec<OutboxEvent>),
    /// What was there at the start, or so much that its events are not named.
    Jumped,
    /// What had been settled is gone from the database. The horizon starts anew.
    HistoryLost,
}

impl Horizon {
    /// Every number up to this one is visible to all snapshots from now on, or never to be; `None` until that is known of any.
    #[must_use]
    pub const fn settled(&self) -> Option<i64> {
        self.settled
    }

    /// The number from which the next look has to read, that one included.
    #[must_use]
    pub fn from(&self) -> i64 {
        self.settled.unwrap_or(i64::MAX)
    }

    /// Whether something is visible that is not settled.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.settled.is_none() || self.gap_after.is_some()
    }

    /// The number for which a fence has to be taken now, later than the last look: nothing else moves the horizon.
    ///
    /// A gap is given one more look to fill by itself: most are commits that are about to be.
    #[must_use]
    pub const fn needs_fence(&self) -> Option<i64> {
        self.unfenced
    }

    /// Takes note of a transaction id that was drawn after `newest` was seen.
    pub const fn fence(&mut self, newest: i64, id: i64) {
        self.fence = Some(Fence { newest, id });
        self.unfenced = None;
    }

    /// Moves on to what a look settles: one that was begun after all that were seen before, and read from [`Self::from`] on.
    pub fn see(&mut self, look: Look) -> Progress {
        self.decide(&look);
        let Some(settled) = self.settled else {
            return self.start(look.newest);
        };
        let mut events = look.events.into_iter();
        if settled > 0 {
            let last = events.next().filter(|last| last.seq == settled);
            let last =
                last.filter(|last| self.subject.is_none_or(|subject| subject == last.subject));
            let Some(last) = last else {
                *self = Self {
                    server_started: self.server_started,
                    ..Self::default()
                };
                return Progress::HistoryLost;
            };
            self.subject = Some(last.subject);
        }
        if self.decided - settled > FURTHEST {
            self.move_to(self.decided, None);
            return Progress::Jumped;
        }
        self.advance(settled, events, look.newest)
    }

    /// Notes up to which number everything is decided.
    fn decide(&mut self, look: &Look) {
        if self.server_started != Some(look.server_started) {
            self.server_started = Some(look.server_started);
            self.fence = None;
            self.decided = 0;
        }
        self.unfenced = None;
        match (look.oldest_running, self.fence) {
            (None, _) => self.decided = look.newest,
            (Some(oldest_running), Some(fence)) if oldest_running >= fence.id => {
                self.decided = fence.newest;
                self.fence = None;
            }
            _ => {}
        }
    }

    fn start(&mut self, newest: i64) -> Progress {
        if newest == 0 || self.decided > 0 {
            self.move_to(self.decided, None);
            return Progress::Jumped;
        }
        if self.fence.is_none() {
            self.unfenced = Some(newest);
        }
        Progress::Events(Vec::new())
    }

    fn advance(
        &mut self,
        settled: i64,
        events: impl Iterator<Item = OutboxEvent>,
        newest: i64,
    ) -> Progress {
        let gap_before = self.gap_after;
        let mut progress: Vec<OutboxEvent> = Vec::new();
        let mut gap_after = None;
        for event in events {
            let reached = progress.last().map_or(settled, |last| last.seq);
            if event.seq > reached + 1 && event.seq > self.decided {
                gap_after = Some(reached);
                break;
            }
            progress.push(event);
        }
        if let Some(last) = progress.last() {
            self.move_to(last.seq, Some(last.subject));
        }
        self.gap_after = gap_after;
        if gap_after.is_some() && gap_after == gap_before && self.fence.is_none() {
            self.unfenced = Some(newest);
        }
        Progress::Events(progress)
    }

    fn move_to(&mut self, settled: i64, subject: Option<Subject>) {
        self.settled = Some(settled);
        self.subject = subject;
        self.gap_after = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn event(seq: i64) -> OutboxEvent {
        OutboxEvent {
            seq,
            subject: Subject::Entry(Uuid::from_u128(seq.unsigned_abs().into())),
        }
    }

    fn look(oldest_running: i64, seqs: impl IntoIterator<Item = i64>) -> Look {
        let events: Vec<_> = seqs.into_iter().map(event).collect();
        Look {
            newest: events.last().map_or(0, |event| event.seq),
            oldest_running: Some(oldest_running),
            events,
            ..Look::default()
        }
    }

    fn seqs(progress: Progress) -> Vec<i64> {
        let Progress::Events(events) = progress else {
            panic!("{progress:?}")
        };
        events.iter().map(|event| event.seq).collect()
    }

    /// A horizon that has settled everything up to `settled`.
    fn settled_at(settled: i64) -> Horizon {
        let mut horizon = Horizon::default();
        let start = Look {
            newest: settled,
            ..look(1, [])
        };
        if settled > 0 {
            assert_eq!(horizon.see(start.clone()), Progress::Events(Vec::new()));
            horizon.fence(settled, 1);
        }
        assert_eq!(horizon.see(start), Progress::Jumped);
        assert_eq!(horizon.settled(), Some(settled));
        horizon
    }

    /// Transaction 10 runs, and has drawn none of them or a larger number.
    #[test]
    fn without_a_gap_nobody_is_waited_for() {
        let mut horizon = settled_at(7);
        assert_eq!(seqs(horizon.see(look(10, [7, 8, 9]))), [8, 9]);
        assert!(!horizon.is_waiting());
    }

    /// A (725) begins, B (726) begins and draws 1, A draws 2 and commits. The oldest that runs is B, and the largest id that has
    /// completed is A's: `xmin` and `xmax` are both 726, although B will still commit number 1.
    #[test]
    fn a_larger_number_of_an_older_transaction_does_not_settle_a_smaller_one() {
        let mut horizon = settled_at(0);
        for _ in 0..3 {
            assert_eq!(seqs(horizon.see(look(726, [2]))), [] as [i64; 0]);
            if let Some(newest) = horizon.needs_fence() {
                horizon.fence(newest, 727);
            }
        }
        assert_eq!(seqs(horizon.see(look(728, [1, 2]))), [1, 2]);
    }

    #[test]
    fn a_gap_that_fills_needs_no_fence() {
        let mut horizon = settled_at(0);
        assert_eq!(seqs(horizon.see(look(5, [2, 3]))), [] as [i64; 0]);
        assert_eq!(horizon.needs_fence(), None);
        assert_eq!(seqs(horizon.see(look(5, [1, 2, 3]))), [1, 2, 3]);
        assert!(!horizon.is_waiting());
    }

    /// Only what was seen before the fence was taken is settled by it.
    #[test]
    fn a_fence_settles_what_was_seen_before_it() {
        let mut horizon = settled_at(4);
        let first = look(20, [4, 6, 8]);
        assert_eq!(seqs(horizon.see(first.clone())), [] as [i64; 0]);
        assert_eq!(horizon.needs_fence(), None);
        assert_eq!(seqs(horizon.see(first)), [] as [i64; 0]);
        horizon.fence(horizon.needs_fence().unwrap(), 30);
        // 5 and 7 were rolled back; 9 and 10 are a later writer's, who still runs.
        assert_eq!(seqs(horizon.see(look(29, [4, 6, 8, 11]))), [] as [i64; 0]);
        assert_eq!(seqs(horizon.see(look(31, [4, 6, 8, 11]))), [6, 8]);
        assert!(horizon.is_waiting());
        assert_eq!(seqs(horizon.see(look(31, [8, 11]))), [] as [i64; 0]);
        assert_eq!(horizon.needs_fence(), Some(11));
    }

    /// The first page of a long way ends before what is decided.
    #[test]
    fn what_is_decided_is_read_in_pages() {
        let mut horizon = settled_at(0);
        let all: Vec<i64> = (2..100).step_by(2).collect();
        let _ = horizon.see(look(5, all.clone()));
        let _ = horizon.see(look(5, all.clone()));
        horizon.fence(horizon.needs_fence().unwrap(), 9);
        let page = Look {
            newest: 98,
            ..look(9, [2, 4])
        };
        assert_eq!(seqs(horizon.see(page)), [2, 4]);
        assert_eq!(seqs(horizon.see(look(9, [4, 6, 98]))), [6, 98]);
    }

    #[test]
    fn a_long_way_is_jumped() {
        let mut horizon = settled_at(1);
        let far = FURTHEST + 2;
        for _ in 0..2 {
            let _ = horizon.see(look(5, [1, far]));
        }
        horizon.fence(horizon.needs_fence().unwrap(), 6);
        assert_eq!(horizon.see(look(6, [1, far])), Progress::Jumped);
        assert_eq!(horizon.settled(), Some(far));
    }

    #[test]
    fn a_number_that_is_gone_or_another_entrys_is_lost_history() {
        let mut horizon = settled_at(0);
        assert_eq!(seqs(horizon.see(look(5, [1, 2]))), [1, 2]);
        let mut gone = horizon.clone();
        assert_eq!(gone.see(look(5, [])), Progress::HistoryLost);
        assert_eq!(gone.settled(), None);
        let mut given_again = look(5, [2]);
        given_again.events[0].subject = Subject::Entry(Uuid::from_u128(77));
        assert_eq!(horizon.see(given_again), Progress::HistoryLost);
    }

    /// Another server may give ids out again that were used on the one before.
    #[test]
    fn a_fence_of_another_server_is_forgotten() {
        let mut horizon = settled_at(0);
        let _ = horizon.see(look(5, [2]));
        let _ = horizon.see(look(5, [2]));
        horizon.fence(2, 9);
        let after_failover = Look {
            server_started: 1,
            ..look(9, [2])
        };
        assert_eq!(seqs(horizon.see(after_failover.clone())), [] as [i64; 0]);
        assert_eq!(horizon.needs_fence(), Some(2));
        horizon.fence(2, 12);
        let ended = Look {
            oldest_running: Some(12),
            ..after_failover
        };
        assert_eq!(seqs(horizon.see(ended)), [2]);
    }

    #[test]
    fn one_writer_at_a_time_settles_what_is_visible() {
        let mut horizon = Horizon::default();
        let look = |seqs: &[i64]| Look {
            oldest_running: None,
            ..look(0, seqs.iter().copied())
        };
        assert_eq!(horizon.see(look(&[])), Progress::Jumped);
        assert_eq!(seqs(horizon.see(look(&[1, 3]))), [1, 3]);
        assert_eq!(seqs(horizon.see(look(&[3, 4]))), [4]);
    }
}
