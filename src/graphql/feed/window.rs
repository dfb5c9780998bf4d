//! The last settled events, in memory. Subscribers that are not behind read them here, so that a thousand of them cost the database no more
//! than one.

use std::collections::{HashMap, HashSet, VecDeque};

use uuid::Uuid;

use crate::ledger::{AccountRef, Chosen, EventKind, OutboxEvent, Subject, TouchedAccount, Visible};

/// The most events that are kept.
const EVENTS: usize = 4096;

/// The most accounts that are kept with them, an account once for each entry that touches it.
const TOUCHED: usize = 65_536;

/// The accounts that an entry touches, or the one that was changed.
type Touched = Vec<TouchedAccount>;

/// The accounts that events are about.
pub(super) type TouchedBySubject = HashMap<Subject, Touched>;

/// All events in `(start, settled]`.
#[derive(Debug, Default)]
pub(super) struct Window {
    start: i64,
    settled: i64,
    events: VecDeque<Kept>,
    /// How many accounts are kept.
    touched: usize,
}

#[derive(Debug)]
struct Kept {
    event: OutboxEvent,
    /// `None` if no subscriber had chosen accounts or ledgers when the event was added.
    touched: Option<Touched>,
}

/// The events that a window has for a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) events: Vec<OutboxEvent>,
    /// Up to this number, the events are all that the subscriber wants.
    pub(super) until: i64,
}

impl Window {
    /// Removes all events. The next one comes after `settled`.
    pub(super) fn clear(&mut self, settled: i64) {
        *self = Self {
            start: settled,
            settled,
            ..Self::default()
        };
    }

    /// Adds the next events, with the accounts that they touch if these were read.
    pub(super) fn extend(&mut self, events: &[OutboxEvent], mut touched: Option<TouchedBySubject>) {
        for event in events {
            let touched = touched
                .as_mut()
                .map(|touched| touched.remove(&event.subject).unwrap_or_default());
            self.touched += touched.as_ref().map_or(0, Vec::len);
            self.settled = event.seq;
            self.events.push_back(Kept {
                event: *event,
                touched,
            });
        }
        while self.events.len() > EVENTS || self.touched > TOUCHED {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.start = oldest.event.seq;
            self.touched -= oldest.touched.map_or(0, |touched| touched.len());
        }
    }

    /// At most `limit` events after `position` that a subscriber wants. `None` if the window does not have them.
    pub(super) fn take(&self, position: i64, wanted: &Wanted, limit: usize) -> Option<Taken> {
        if position < self.start {
            return None;
        }
        let first = self
            .events
            .partition_point(|kept| kept.event.seq <= position);
        let mut taken = Taken {
            events: Vec::new(),
            until: position,
        };
        for kept in self.events.range(first..) {
            if taken.events.len() == limit {
                return Some(taken);
            }
            match wanted.is_met(kept.event.subject.kind(), kept.touched.as_deref()) {
                Some(true) => taken.events.push(kept.event),
                Some(false) => {}
                // From here, the subscriber reads the table.
                None if taken.until == position => return None,
                None => return Some(taken),
            }
            taken.until = kept.event.seq;
        }
        taken.until = self.settled.max(position);
        Some(taken)
    }
}

/// Which events a subscriber wants.
#[derive(Debug)]
pub(super) struct Wanted {
    kind: EventKind,
    /// `None` means all.
    accounts: Option<(HashSet<Uuid>, HashSet<String>)>,
    /// `None` means all.
    visible: Option<Visible>,
}

impl Wanted {
    pub(super) fn new(chosen: Chosen<'_>) -> Self {
        let accounts = chosen.accounts.map(|accounts| {
            let (ids, codes) = AccountRef::ids_and_codes(accounts);
            (ids.into_iter().collect(), codes.into_iter().collect())
        });
        Self {
            kind: chosen.kind,
            accounts,
            visible: chosen.visible.cloned(),
        }
    }

    /// Whether an event of this kind, about these accounts, is wanted. `None` if that depends on the accounts and they are not known.
    fn is_met(&self, kind: EventKind, touched: Option<&[TouchedAccount]>) -> Option<bool> {
        if kind != self.kind {
            return Some(false);
        }
        if self.accounts.is_none() && self.visible.is_none() {
            return Some(true);
        }
        let is_chosen = |it: &TouchedAccount| {
            let accounts = self.accounts.as_ref();
            accounts.is_none_or(|(ids, codes)| ids.contains(&it.id) || codes.contains(&it.code))
        };
        let is_visible = |it: &TouchedAccount| {
            let visible = self.visible.as_ref();
            visible.is_none_or(|visible| visible.contains(it.ledger.as_deref()))
        };
        let mut touched = touched?.iter();
        Some(touched.any(|it| is_chosen(it) && is_visible(it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: i64) -> OutboxEvent {
        OutboxEvent {
            seq,
            subject: Subject::Entry(Uuid::from_u128(seq.unsigned_abs().into())),
        }
    }

    fn every(kind: EventKind) -> Wanted {
        Wanted::new(Chosen {
            kind,
            accounts: None,
            visible: None,
        })
    }

    fn touched(id: Uuid, code: &str) -> TouchedAccount {
        TouchedAccount {
            id,
            code: code.to_owned(),
            ledger: code.split_once(':').map(|(ledger, _)| ledger.to_owned()),
        }
    }

    fn seqs(taken: Option<Taken>) -> Option<(Vec<i64>, i64)> {
        let taken = taken?;
        let seqs = taken.events.iter().map(|event| event.seq).collect();
        Some((seqs, taken.until))
    }

    #[test]
    fn who_is_within_reads_from_memory_and_who_is_behind_does_not() {
        let mut window = Window::default();
        window.clear(10);
        window.extend(&[event(11), event(13), event(14)], None);
        let all = every(EventKind::Entry);
        assert_eq!(seqs(window.take(9, &all, 9)), None);
        assert_eq!(seqs(window.take(10, &all, 9)), Some((vec![11, 13, 14], 14)));
        assert_eq!(seqs(window.take(11, &all, 1)), Some((vec![13], 13)));
        assert_eq!(seqs(window.take(14, &all, 9)), Some((vec![], 14)));
        // A cursor of another server, which is ahead.
        assert_eq!(seqs(window.take(20, &all, 9)), Some((vec![], 20)));
    }

    #[test]
    fn it_is_bounded() {
        let mut window = Window::default();
        let many = i64::try_from(EVENTS).unwrap() + 5;
        window.extend(&(1..=many).map(event).collect::<Vec<_>>(), None);
        assert_eq!(window.events.len(), EVENTS);
        assert_eq!(window.take(4, &every(EventKind::Entry), 1), None);
        assert_eq!(
            seqs(window.take(5, &every(EventKind::Entry), 1)),
            Some((vec![6], 6))
        );

        let mut window = Window::default();
        for seq in 1..=3 {
            let touched = vec![touched(Uuid::nil(), "a"); TOUCHED / 2];
            let touched = HashMap::from([(event(seq).subject, touched)]);
            window.extend(&[event(seq)], Some(touched));
        }
        assert_eq!((window.start, window.touched), (1, TOUCHED / 2 * 2));
    }

    #[test]
    fn accounts_are_chosen_by_id_and_by_code() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut window = Window::default();
        window.extend(&[event(1)], None);
        let about = HashMap::from([
            (event(2).subject, vec![touched(a, "a")]),
            (event(3).subject, vec![touched(b, "b")]),
        ]);
        window.extend(&[event(2), event(3)], Some(about));
        let of = |account| {
            Wanted::new(Chosen {
                kind: EventKind::Entry,
                accounts: Some(&[account]),
                visible: None,
            })
        };
        // Nobody knows which accounts entry 1 touches.
        assert_eq!(seqs(window.take(0, &of(AccountRef::Id(a)), 9)), None);
        assert_eq!(
            seqs(window.take(1, &of(AccountRef::Id(a)), 9)),
            Some((vec![2], 3))
        );
        let by_code = of(AccountRef::Code("b".to_owned()));
        assert_eq!(seqs(window.take(1, &by_code, 9)), Some((vec![3], 3)));
    }

    #[test]
    fn ledgers_are_told_apart() {
        let account = Uuid::from_u128;
        let mut window = Window::default();
        window.extend(&[event(1)], None);
        let about = HashMap::from([
            (event(2).subject, vec![touched(account(1), "acme:cash")]),
            (event(3).subject, vec![touched(account(2), "beta:cash")]),
            (event(4).subject, vec![touched(account(3), "cash")]),
        ]);
        window.extend(&[event(2), event(3), event(4)], Some(about));
        let acme = Visible::new(["acme".to_owned()]);
        let seen = |accounts| {
            Wanted::new(Chosen {
                kind: EventKind::Entry,
                accounts,
                visible: Some(&acme),
            })
        };
        assert_eq!(seqs(window.take(0, &seen(None), 9)), None);
        assert_eq!(seqs(window.take(1, &seen(None), 9)), Some((vec![2], 4)));
        let of_others = [
            AccountRef::Id(account(2)),
            AccountRef::Code("cash".to_owned()),
        ];
        assert_eq!(
            seqs(window.take(1, &seen(Some(&of_others)), 9)),
            Some((vec![], 4))
        );
    }

    #[test]
    fn kinds_are_told_apart() {
        let (account, entry) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let subjects = [
            Subject::AccountChange(account, 1),
            Subject::Entry(entry),
            Subject::EntryChange(entry, 1),
            Subject::AccountChange(account, 2),
        ];
        let events = subjects.into_iter().zip(1..);
        let events: Vec<_> = events
            .map(|(subject, seq)| OutboxEvent { seq, subject })
            .collect();
        let mut window = Window::default();
        window.extend(&events, None);
        for (kind, seqs_of_kind) in [
            (EventKind::Entry, vec![2]),
            (EventKind::EntryChange, vec![3]),
            (EventKind::AccountChange, vec![1, 4]),
        ] {
            assert_eq!(
                seqs(window.take(0, &every(kind), 9)),
                Some((seqs_of_kind, 4))
            );
        }
    }
}
