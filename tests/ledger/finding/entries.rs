//! Entries by every filter, beside a fold over all of them.

use super::{CODES, filled, has, walk};
use crate::ledger::book::{Book, at, by};
use crate::ledger::history::Dice;
use chrono::{DateTime, Utc};
use daybook::ledger::{
    AmountRange, EntryFilter, EntryOrder, EntryOrderField, HoldIs, count_entries,
};
use daybook_entity::{EntryKind, account, entry, entry_line};
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::EntityTrait;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Everything that is in the ledger.
struct Everything {
    accounts: BTreeMap<Uuid, account::Model>,
    entries: Vec<entry::Model>,
    lines: BTreeMap<Uuid, Vec<entry_line::Model>>,
}

impl Everything {
    async fn of(book: &Book) -> Self {
        let accounts = account::Entity::find().all(&book.db).await.unwrap();
        let mut lines: BTreeMap<Uuid, Vec<entry_line::Model>> = BTreeMap::new();
        for line in entry_line::Entity::find().all(&book.db).await.unwrap() {
            lines.entry(line.entry_id).or_default().push(line);
        }
        Self {
            accounts: accounts.into_iter().map(|it| (it.id, it)).collect(),
            entries: entry::Entity::find().all(&book.db).await.unwrap(),
            lines,
        }
    }

    fn code(&self, id: Uuid) -> &str {
        &self.accounts[&id].code
    }

    fn has_line(&self, entry: &entry::Model, filter: &EntryFilter) -> bool {
        let Some(lines) = self.lines.get(&entry.id) else {
            return false;
        };
        lines.iter().any(|line| {
            let codes = [
                self.code(line.debit_account_id),
                self.code(line.credit_account_id),
            ];
            let named = filter.account.as_ref();
            named.is_none_or(|named| codes.contains(&named.to_string().as_str()))
                && filter
                    .account_code_prefix
                    .as_ref()
                    .is_none_or(|prefix| codes.iter().any(|code| code.starts_with(prefix)))
                && filter.amount.as_ref().is_none_or(|range| {
                    line.currency == range.currency
                        && range.min.is_none_or(|min| line.amount >= min)
                        && range.max.is_none_or(|max| line.amount <= max)
                })
        })
    }

    fn is_hold(&self, entry: &entry::Model, is: HoldIs) -> bool {
        let ended = |kind| {
            let mut entries = self.entries.iter();
            entries.any(|it| it.resolves_id == Some(entry.id) && it.kind == kind)
        };
        let is_open = || !ended(EntryKind::Capture) && !ended(EntryKind::Release);
        entry.kind == EntryKind::Hold
            && match is {
                HoldIs::Open(now) => is_open() && entry.expires_at.is_none_or(|it| it > now),
                HoldIs::Expired(now) => is_open() && entry.expires_at.is_some_and(|it| it <= now),
                HoldIs::Captured => ended(EntryKind::Capture),
                HoldIs::Released => ended(EntryKind::Release),
            }
    }

    fn lets_through(&self, entry: &entry::Model, filter: &EntryFilter) -> bool {
        let reference = entry.reference.as_deref();
        filter.kind.is_none_or(|kind| entry.kind == kind)
            && filter
                .kinds
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&entry.kind))
            && self.has_line(entry, filter)
            && filter
                .reference
                .as_deref()
                .is_none_or(|it| reference == Some(it.trim()))
            && filter
                .reference_prefix
                .as_deref()
                .filter(|it| !it.is_empty())
                .is_none_or(|it| reference.is_some_and(|reference| reference.starts_with(it)))
            && filter
                .metadata
                .iter()
                .all(|pair| has(&entry.metadata, pair))
            && filter.text.as_deref().is_none_or(|text| {
                let words = words(entry.description.as_deref().unwrap_or_default());
                let wanted = self::words(text);
                wanted
                    .iter()
                    .all(|it| words.iter().any(|word| word.starts_with(it)))
            })
            && filter.hold.is_none_or(|is| self.is_hold(entry, is))
            && filter
                .effective_from
                .is_none_or(|it| entry.effective_at >= it)
            && filter
                .effective_until
                .is_none_or(|it| entry.effective_at < it)
            && filter
                .recorded_from
                .is_none_or(|it| entry.recorded_at >= it)
            && filter
                .recorded_until
                .is_none_or(|it| entry.recorded_at < it)
    }
}

fn words(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

/// One of these, or nothing, which is likelier.
fn pick<T: Clone>(dice: &mut Dice, of: &[T]) -> Option<T> {
    let index = dice.roll(4 * i64::try_from(of.len()).unwrap());
    of.get(usize::try_from(index).unwrap()).cloned()
}

fn a_filter(dice: &mut Dice) -> EntryFilter {
    let texts = |of: &[&str]| of.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let instants: Vec<DateTime<Utc>> = (-500..520).step_by(60).map(at).collect();
    let recorded = [at(0), at(10), at(30), at(31)];
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let pairs = [
        pair("channel", "web"),
        pair("channel", "shop"),
        pair("channel", "hold"),
        pair("order", "77"),
        pair("paid", "true"),
        pair("n", "18"),
        pair("", "empty"),
        pair("big", "123456789012345678"),
        pair("larger", "9223372036854775807"),
        pair("rate", "1.5"),
        pair("nothing", "web"),
    ];
    let range = |min, max| AmountRange {
        currency: "EUR".to_owned(),
        min,
        max,
    };
    let ranges = [
        range(Some(7), Some(7)),
        range(None, Some(60)),
        range(Some(95), None),
        AmountRange {
            currency: "JPY".to_owned(),
            ..range(Some(50), None)
        },
    ];
    let kinds = vec![
        vec![EntryKind::Hold, EntryKind::Reversal],
        vec![EntryKind::Post],
        vec![EntryKind::Post, EntryKind::Capture],
        vec![],
    ];
    EntryFilter {
        kind: pick(dice, &[EntryKind::Hold, EntryKind::Post]),
        kinds: pick(dice, &kinds),
        account: pick(dice, &CODES).map(by),
        account_code_prefix: pick(dice, &texts(&["b", "b:", "c%", "%", "_", ""])),
        account_group: None,
        amount: pick(dice, &ranges),
        reference: pick(dice, &texts(&["order-70007", " order-11 ", "order", ""]))
            .filter(|_| dice.roll(3) == 0),
        reference_prefix: pick(dice, &texts(&["order-", "order-7", "order-1000", "x", ""])),
        metadata: [pick(dice, &pairs), pick(dice, &pairs[..2])]
            .into_iter()
            .flatten()
            .collect(),
        text: pick(
            dice,
            &texts(&[
                "coff",
                "TEAM coffee",
                "order 77",
                "büro",
                "miete",
                "x",
                "nothing",
                "c",
            ]),
        ),
        hold: pick(
            dice,
            &[
                HoldIs::Open(at(9)),
                HoldIs::Expired(at(9)),
                HoldIs::Captured,
                HoldIs::Released,
            ],
        ),
        effective_from: pick(dice, &instants),
        effective_until: pick(dice, &instants),
        recorded_from: pick(dice, &recorded),
        recorded_until: pick(dice, &recorded),
    }
}

on_every_engine! {
    async fn every_filter_is_a_fold_over_all_entries(database: TestDatabase) {
        let book = filled(database).await;
        let all = Everything::of(&book).await;
        let mut dice = Dice(0x9e37_79b9);
        let (mut some, mut many) = (0, 0);
        for number in 0..250 {
            let filter = if number == 0 { EntryFilter::default() } else { a_filter(&mut dice) };
            let order = EntryOrder {
                field: if dice.roll(2) == 0 { EntryOrderField::RecordedAt } else { EntryOrderField::EffectiveAt },
                descending: dice.roll(2) == 0,
            };
            let mut expected: Vec<_> = all.entries.iter().filter(|entry| all.lets_through(entry, &filter)).collect();
            expected.sort_by_key(|entry| match order.field {
                EntryOrderField::RecordedAt => (entry.recorded_at, entry.id),
                EntryOrderField::EffectiveAt => (entry.effective_at, entry.id),
            });
            if order.descending {
                expected.reverse();
            }
            let expected: Vec<Uuid> = expected.into_iter().map(|entry| entry.id).collect();
            let count = count_entries(&book.db, &filter).await.unwrap();
            assert_eq!(count, expected.len() as u64, "{filter:?}");
            let most = 120;
            let found = walk(&book, &filter, order, most).await;
            assert_eq!(found, expected[..found.len()], "{filter:?} {order:?}");
            assert!(found.len() == expected.len() || found.len() >= most);
            some += usize::from(!expected.is_empty());
            many += usize::from(expected.len() > 100);
        }
        assert!(some > 60 && many > 15, "{some} {many}");
    }
}
