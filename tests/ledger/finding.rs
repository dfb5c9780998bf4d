//! Entries and accounts are found as a fold over all of them finds them, and by index.

use super::book::{Book, at, by, effective, line, new_account, new_entry, new_hold};
use super::history::Dice;
use super::volume::fill;
use chrono::{DateTime, Utc};
use daybook::ledger::{
    AccountFilter, AccountOrder, AmountRange, AnnotateEntry, Clock, EntryFilter, EntryNotes,
    EntryOrder, EntryOrderField, EntryRef, HoldIs, NewLine, OpenAccount, PageRequest, PlaceHold,
    PostEntry, UpdateAccount, annotate_entry, count_accounts, count_entries, page_accounts,
    page_entries, page_entries_statements, post_entry_list, posted_balance, update_account,
};
use daybook_entity::{EntryKind, Side, account, entry, entry_line};
use daybook_migration::Migrator;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryTrait};
use sea_orm_migration::MigratorTrait;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const CODES: [&str; 6] = ["a", "b", "b:x", "b:y", "c%", "yen"];

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

/// Whether a JSON object has this value, written as a text, for this key.
fn has(metadata: &Value, (key, value): &(String, String)) -> bool {
    match &metadata[key] {
        Value::String(text) => text == value,
        Value::Bool(is) => is.to_string() == *value,
        Value::Number(number) => {
            let least = number.as_i64().map(i64::unsigned_abs);
            least.is_some_and(|it| it < 10_u64.pow(18)) && number.to_string() == *value
        }
        _ => false,
    }
}

const DESCRIPTIONS: [&str; 5] = [
    "Coffee for the team",
    "coffee",
    "Order 77, paid",
    "Büro-Miete",
    "x",
];

fn metadata(dice: &mut Dice, number: i64) -> Option<Value> {
    Some(match dice.roll(8) {
        0 => json!({ "channel": "shop", "n": number }),
        1..=3 => json!({ "channel": "web", "order": number.to_string() }),
        4 => {
            json!({ "channel": { "deep": "web" }, "paid": true, "rate": 1.5, "none": null, "": "empty" })
        }
        5 => {
            json!({ "channel": "web", "big": 123_456_789_012_345_678_i64, "larger": i64::MAX, "list": ["web"] })
        }
        _ => return None,
    })
}

/// Some thousand entries, so that some conditions are fulfilled by few and some by many, and holds in every state.
async fn filled(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    for code in CODES {
        let currency = if code == "yen" { "JPY" } else { "EUR" }.to_owned();
        let account = OpenAccount {
            currency,
            metadata: (code.len() == 1)
                .then(|| json!({ "kind": "short", "rank": 7, "code": code })),
            ..new_account(code)
        };
        book.open(account).await.unwrap();
    }
    let yen = OpenAccount {
        currency: "JPY".to_owned(),
        normal_side: Side::Debit,
        ..new_account("yen:2")
    };
    book.open(yen).await.unwrap();
    let mut dice = Dice(0x2545_f491);
    let mut number = 0;
    for batch in 0..6 {
        let mut entries = Vec::new();
        for _ in 0..500 {
            number += 1;
            let pick = |dice: &mut Dice| CODES[usize::try_from(dice.roll(5)).unwrap()];
            let (debit, credit) = (pick(&mut dice), pick(&mut dice));
            let credit = if credit == debit { "c%" } else { credit };
            let debit = if credit == debit { "a" } else { debit };
            let mut lines = vec![line(debit, credit, 1 + dice.roll(100))];
            if dice.roll(9) == 0 {
                let currency = "JPY".to_owned();
                lines.push(NewLine {
                    currency,
                    ..line("yen", "yen:2", 1 + dice.roll(100))
                });
            }
            let text = usize::try_from(dice.roll(12)).unwrap();
            let notes = EntryNotes {
                reference: (dice.roll(5) > 0)
                    .then(|| format!("order-{}", number % 10 * 10_000 + number)),
                description: DESCRIPTIONS.get(text).map(|text| (*text).to_owned()),
                metadata: metadata(&mut dice, number),
                ..effective(at(dice.roll(1000) - 500))
            };
            entries.push(PostEntry {
                notes,
                ..new_entry(lines)
            });
        }
        let clock = Clock::at(at(batch * 10));
        book.write(async |tx| post_entry_list(tx, entries, &clock).await)
            .await
            .unwrap();
    }
    for number in 0..12 {
        let hold = PlaceHold {
            expires_at: (number % 3 == 0).then(|| at(5 + number)),
            notes: EntryNotes {
                metadata: Some(json!({ "channel": "hold" })),
                ..effective(at(number))
            },
            ..new_hold(vec![line("a", "b", 5)])
        };
        let id = book.hold(hold).await.unwrap().entry.id;
        match number % 4 {
            1 => drop(book.capture(id, None, at(1)).await.unwrap()),
            2 => drop(book.release(id, at(1)).await.unwrap()),
            _ => {}
        }
    }
    let some = entry::Entity::find().one(&book.db).await.unwrap().unwrap();
    book.reverse(some.id).await.unwrap();
    book
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

/// All entries that the filter lets through, page by page.
async fn walk(book: &Book, filter: &EntryFilter, order: EntryOrder, most: usize) -> Vec<Uuid> {
    let mut ids = Vec::new();
    let mut after = None;
    while ids.len() < most {
        let request = PageRequest {
            first: Some(37),
            after: after.take(),
            ..PageRequest::default()
        };
        let page = page_entries(&book.db, filter, order, &request)
            .await
            .unwrap();
        ids.extend(page.edges.iter().map(|edge| edge.node.id));
        if !page.has_next_page {
            break;
        }
        after = page.edges.last().map(|edge| edge.cursor.clone());
    }
    ids
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

    async fn accounts_are_found_by_metadata_and_balance(database: TestDatabase) {
        let book = filled(database).await;
        let accounts = account::Entity::find().all(&book.db).await.unwrap();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let range = |currency: &str, min, max| Some(AmountRange { currency: currency.to_owned(), min, max });
        let middle = posted_balance(&book.find("a").await);
        let mut seen = 0;
        for pairs in [vec![], vec![pair("kind", "short")], vec![pair("kind", "short"), pair("rank", "7"), pair("code", "a")], vec![pair("kind", "long")]] {
            for balance in [None, range("EUR", None, Some(0)), range("EUR", Some(middle), Some(middle)), range("EUR", Some(0), None), range("JPY", None, Some(-1)), range("JPY", None, None)] {
                let filter = AccountFilter { metadata: pairs.clone(), balance: balance.clone(), ..AccountFilter::default() };
                let expected: Vec<&str> = accounts.iter().filter(|it| pairs.iter().all(|pair| has(&it.metadata, pair)))
                    .filter(|it| balance.as_ref().is_none_or(|range| it.currency == range.currency
                        && range.min.is_none_or(|min| posted_balance(it) >= min) && range.max.is_none_or(|max| posted_balance(it) <= max)))
                    .map(|it| it.code.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
                let page = page_accounts(&book.db, &filter, AccountOrder::default(), &PageRequest::default()).await.unwrap();
                let found: Vec<_> = page.edges.iter().map(|edge| edge.node.code.as_str()).collect();
                assert_eq!(found, expected, "{filter:?}");
                assert_eq!(count_accounts(&book.db, &filter).await.unwrap(), expected.len() as u64);
                seen += expected.len();
            }
        }
        assert!(seen > 20, "{seen}");
    }

    /// The database follows metadata that changes, whoever changes it.
    async fn changed_metadata_is_found_by_what_it_is(database: TestDatabase) {
        let book = Book::new(database).await;
        let account = OpenAccount { metadata: Some(json!({ "tier": "gold", "n": 1 })), ..new_account("a") };
        book.open(account).await.unwrap();
        let count = async |key: &str, value: &str| {
            let filter = AccountFilter { metadata: vec![(key.to_owned(), value.to_owned())], ..AccountFilter::default() };
            count_accounts(&book.db, &filter).await.unwrap()
        };
        assert_eq!((count("tier", "gold").await, count("n", "1").await), (1, 1));
        let change = async |metadata: Value| {
            let change = UpdateAccount {
                account: by("a"), expected_revision: None, name: None, class: None, limit_policy: None, metadata: Some(metadata), recorded_by: None,
            };
            let clock = Clock::at(at(1));
            book.write(async |tx| update_account(tx, change, &clock).await).await.unwrap();
        };
        change(json!({ "tier": "silver", "n": 1 })).await;
        assert_eq!((count("tier", "gold").await, count("tier", "silver").await, count("n", "1").await), (0, 1, 1));
        change(json!({})).await;
        assert_eq!((count("tier", "silver").await, count("n", "1").await), (0, 0));

        book.open(new_account("b")).await.unwrap();
        let mut entry = new_entry(vec![line("a", "b", 1)]);
        entry.notes.metadata = Some(json!({ "order": "7", "state": "new" }));
        let posted = book.post(entry).await.unwrap();
        let found = async |key: &str, value: &str| {
            let filter = EntryFilter { metadata: vec![(key.to_owned(), value.to_owned())], ..EntryFilter::default() };
            count_entries(&book.db, &filter).await.unwrap()
        };
        assert_eq!((found("order", "7").await, found("state", "new").await), (1, 1));
        let added = AnnotateEntry {
            entry: EntryRef::Id(posted.entry.id), metadata: json!({ "state": "paid", "by": "card" }), replace: true, recorded_by: None,
        };
        let clock = Clock::at(at(3));
        book.write(async |tx| annotate_entry(tx, added, &clock).await).await.unwrap();
        assert_eq!((found("order", "7").await, found("state", "new").await, found("state", "paid").await, found("by", "card").await), (1, 0, 1, 1));
    }

    /// What was posted before the migration is found as what was posted after it.
    async fn what_was_there_before_is_found_too(database: TestDatabase) {
        let book = filled(database).await;
        let tables = ["entry_word", "entry_metadata", "account_metadata", "open_hold"];
        let all = async || {
            let mut rows = Vec::new();
            for table in tables {
                let columns = match (table, book.engine) {
                    ("entry_word", Engine::Sqlite) => "word || hex(entry_id)",
                    ("entry_word", Engine::Postgres) => "word || CAST(entry_id AS text)",
                    ("open_hold", Engine::Sqlite) => "hex(entry_id)",
                    ("open_hold", Engine::Postgres) => "CAST(entry_id AS text)",
                    ("account_metadata", Engine::Sqlite) => "key || value || hex(account_id)",
                    ("account_metadata", Engine::Postgres) => "key || value || CAST(account_id AS text)",
                    (_, Engine::Sqlite) => "key || value || hex(entry_id)",
                    (_, Engine::Postgres) => "key || value || CAST(entry_id AS text)",
                };
                let sql = format!("SELECT {columns} AS row FROM {table}");
                let statement = sea_orm::Statement::from_string(book.db.get_database_backend(), sql);
                let mut of_table: Vec<String> = book.db.query_all_raw(statement).await.unwrap().iter().map(|row| row.try_get("", "row").unwrap()).collect();
                of_table.sort();
                assert!(!of_table.is_empty(), "{table}");
                rows.push(of_table);
            }
            rows
        };
        let before = all().await;
        // The migration of what entries are found by is the last.
        Migrator::down(&book.db, Some(1)).await.unwrap();
        book.write(async |tx| Migrator::up(tx, None).await).await.unwrap();
        assert_eq!(all().await, before);
    }
}

/// Each filter, and the indexes that it is read by.
fn indexed() -> Vec<(&'static str, EntryFilter)> {
    let none = EntryFilter::default;
    let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let text = |text: &str| Some(text.to_owned());
    let amount = |min, max| {
        Some(AmountRange {
            currency: "EUR".to_owned(),
            min,
            max,
        })
    };
    vec![
        (
            "entry_reference_once",
            EntryFilter {
                reference: text("rare-7"),
                ..none()
            },
        ),
        (
            "entry_reference_once",
            EntryFilter {
                reference_prefix: text("rare-"),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                metadata: pair("rare", "1"),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                metadata: pair("channel", "web"),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                text: text("uncommon"),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                text: text("com"),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                hold: Some(HoldIs::Open(at(0))),
                ..none()
            },
        ),
        (
            "entry_other_recorded_at_id_idx",
            EntryFilter {
                kinds: Some(vec![EntryKind::Reversal, EntryKind::Capture]),
                ..none()
            },
        ),
        (
            "entry_line_currency_amount_idx",
            EntryFilter {
                amount: amount(Some(50), Some(60)),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                amount: amount(Some(1), None),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                account: Some(by("rare")),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                account: Some(by("a")),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                account_code_prefix: text("ra"),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                account_code_prefix: text("a"),
                ..none()
            },
        ),
        (
            "entry_effective_at_id_idx",
            EntryFilter {
                effective_from: Some(at(99_000)),
                effective_until: Some(at(99_100)),
                ..none()
            },
        ),
        (
            "entry_recorded_at_id_idx",
            EntryFilter {
                recorded_from: Some(at(99_000)),
                recorded_until: Some(at(99_100)),
                ..none()
            },
        ),
        (
            "",
            EntryFilter {
                metadata: pair("rare", "1"),
                text: text("com"),
                amount: amount(Some(1), None),
                ..none()
            },
        ),
    ]
}

on_every_engine! {
    /// At 100,000 lines, no filter reads a table of the journal from end to end.
    async fn every_filter_is_read_by_an_index(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["a", "b", "rare", "other"] {
            book.account(code).await;
        }
        for number in 0..10 {
            let notes = EntryNotes {
                reference: Some(format!("rare-{number}")),
                description: Some("An uncommon text".to_owned()),
                metadata: Some(json!({ "rare": 1, "channel": "web" })),
                ..effective(at(-10))
            };
            book.post(PostEntry { notes, ..new_entry(vec![line("rare", "other", 55)]) }).await.unwrap();
        }
        book.hold(new_hold(vec![line("rare", "other", 1)])).await.unwrap();
        fill(&book, "a", "b", 100_000).await;
        // The database's own rows are found by what these tables have: here, by what many of them are.
        let sql = match book.engine {
            Engine::Sqlite => "INSERT INTO entry_metadata SELECT 'channel', 'web', id FROM entry WHERE true ON CONFLICT DO NOTHING;
                INSERT INTO entry_word SELECT 'common', id FROM entry;",
            Engine::Postgres => "INSERT INTO entry_metadata SELECT 'channel', 'web', id FROM entry ON CONFLICT DO NOTHING;
                INSERT INTO entry_word SELECT 'common', id FROM entry;",
        };
        book.db.execute_unprepared(sql).await.unwrap();
        if book.engine == Engine::Sqlite {
            // `fill` leaves statistics, and nothing makes them where the server runs.
            book.db.execute_unprepared("DROP TABLE IF EXISTS sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4;").await.unwrap();
            book.db.execute_unprepared("ANALYZE sqlite_schema;").await.unwrap();
        } else {
            book.db.execute_unprepared("ANALYZE;").await.unwrap();
        }
        for (index, filter) in indexed() {
            let mut plans = String::new();
            for statement in page_entries_statements(&book.db, &filter, EntryOrder { descending: true, ..EntryOrder::default() }).await.unwrap() {
                let plan = book.plan(statement.clone()).await;
                // PostgreSQL may count the first rows of a table instead, where enough of them are counted.
                let is_counted = statement.sql.starts_with("SELECT (SELECT") && book.engine == Engine::Postgres;
                let reads_all = |table: &str| match book.engine {
                    Engine::Sqlite => plan.lines().any(|line| line == format!("SCAN {table}") || line.starts_with(&format!("SCAN {table} AS"))),
                    Engine::Postgres => !is_counted && plan.contains(&format!("Seq Scan on {table} ")),
                };
                for table in ["entry", "entry_line", "entry_word", "entry_metadata"] {
                    // With so few accounts, PostgreSQL expects a good part of all lines on each, and reads them all.
                    let expects_many = filter.account_code_prefix.as_deref() == Some("ra") && table == "entry_line" && book.engine == Engine::Postgres;
                    assert!(expects_many || !reads_all(table), "{index} {filter:?}\n{}\n{plan}", statement.sql);
                }
                plans += &plan;
            }
            assert!(plans.contains(index), "{index} {filter:?}\n{plans}");
            let found = walk(&book, &filter, EntryOrder { descending: true, ..EntryOrder::default() }, 20).await;
            let count = count_entries(&book.db, &filter).await.unwrap();
            assert!(found.len() as u64 == count || found.len() >= 20, "{index} {filter:?}");
        }
        // Sixty words begin so, of more descriptions than are read to begin with.
        let sql = match book.engine {
            Engine::Sqlite => "INSERT INTO entry_word SELECT 'many' || (rowid % 60), id FROM entry LIMIT 6000;",
            Engine::Postgres => "INSERT INTO entry_word SELECT 'many' || (row_number() OVER (ORDER BY id) % 60), id FROM entry LIMIT 6000;",
        };
        book.db.execute_unprepared(sql).await.unwrap();
        let of_text = |text: &str| EntryFilter { text: Some(text.to_owned()), ..EntryFilter::default() };
        let refused = count_entries(&book.db, &of_text("man")).await.unwrap_err();
        assert!(refused.to_string().contains("`filter.text` has `man`"), "{refused}");
        assert_eq!(count_entries(&book.db, &of_text("many7")).await.unwrap(), 100);
        assert_eq!(count_entries(&book.db, &of_text("many1 common")).await.unwrap(), 1100);
        // References are looked up in lists, too.
        let several = entry::Entity::find().filter(entry::Column::Reference.is_in(["rare-1", "rare-2", "nothing"]));
        let plan = book.plan(several.build(book.db.get_database_backend())).await;
        assert!(plan.contains("entry_reference_once"), "{plan}");
    }
}
