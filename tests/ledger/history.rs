//! What was on an account at a version, as it was known at an instant, and as it counts at an instant.

use super::book::{Book, at, effective, line, new_entry, noon};
use super::volume::fill;
use chrono::{DateTime, Utc};
use daybook::ledger::{
    BalancesAt, CaptureHold, Clock, PageRequest, PlaceHold, PointInTime, PostEntry, PostedEntry,
    ReleaseHold, StatementCount, StatementFilter, StatementLine, StatementRequest, balances_at,
    balances_at_statement, capture_hold, count_statement_lines, new_entry_id, place_hold,
    post_entry, random, release_hold, statement_counts_statement, statement_lines,
    statement_lines_statement,
};
use daybook_entity::{LineEffect, Side, account, late_line, late_total};
use daybook_migration::Migrator;
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::{EntityTrait, QueryOrder, Statement};
use sea_orm_migration::MigratorTrait;
use uuid::Uuid;

/// Repeatable randomness.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 >> 2).unwrap() % sides
    }
}

/// What the lines of an account say when they are added up, one by one.
fn added_up(
    account: &account::Model,
    entries: &[PostedEntry],
    counts: impl Fn(&PostedEntry, i64) -> bool,
) -> BalancesAt {
    let mut sum = BalancesAt {
        posted: 0,
        debits_pending: 0,
        credits_pending: 0,
        version: 0,
    };
    for entry in entries {
        for line in &entry.lines {
            let (posted, pending) = match line.effect {
                LineEffect::Post => (line.amount, 0),
                LineEffect::Hold => (0, line.amount),
                LineEffect::Capture => (line.amount, -line.amount),
                LineEffect::Release => (0, -line.amount),
            };
            let sign = |side| {
                if account.normal_side == side { 1 } else { -1 }
            };
            if line.debit_account_id == account.id && counts(entry, line.debit_version) {
                sum.posted += sign(Side::Debit) * posted;
                sum.debits_pending += pending;
                sum.version += 1;
            }
            if line.credit_account_id == account.id && counts(entry, line.credit_version) {
                sum.posted += sign(Side::Credit) * posted;
                sum.credits_pending += pending;
                sum.version += 1;
            }
        }
    }
    sum
}

async fn ask(book: &Book, account: &account::Model, point: PointInTime) -> BalancesAt {
    balances_at(&book.db, &[account.id], point).await.unwrap()[&account.id]
}

/// What each kind of point says is what the lines say, at every version and around every instant.
async fn history_is_the_sum_of_the_lines(book: &Book, entries: &[PostedEntry]) {
    for code in ["a", "b", "c"] {
        let account = book.find(code).await;
        for version in 0..=account.version {
            let expected = added_up(&account, entries, |_, of_line| of_line <= version);
            assert_eq!(
                ask(book, &account, PointInTime::Version(version)).await,
                expected,
                "{code} {version}"
            );
        }
        let mut instants: Vec<DateTime<Utc>> = entries
            .iter()
            .flat_map(|entry| [entry.entry.effective_at, entry.entry.recorded_at])
            .flat_map(|instant| [-1, 0, 1].map(|by| instant + chrono::TimeDelta::microseconds(by)))
            .collect();
        instants.sort_unstable();
        instants.dedup();
        for instant in instants {
            let expected = added_up(&account, entries, |entry, _| {
                entry.entry.effective_at <= instant
            });
            let said = ask(book, &account, PointInTime::EffectiveAt(instant)).await;
            assert_eq!(said, expected, "{code} as it counts at {instant}");
            let expected = added_up(&account, entries, |entry, _| {
                entry.entry.recorded_at <= instant
            });
            let said = ask(book, &account, PointInTime::RecordedAt(instant)).await;
            assert_eq!(said, expected, "{code} as it was known at {instant}");
        }
    }
}

/// Entries of every kind between three accounts, each a second after the one before, that count from `effective` of their number. Holds are
/// captured in parts, too, if that is wanted.
pub(super) async fn post_many(
    book: &Book,
    count: i64,
    holds_in_parts: bool,
    mut effective_at: impl FnMut(i64, &mut Dice) -> DateTime<Utc>,
) -> Vec<PostedEntry> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut entries: Vec<PostedEntry> = Vec::new();
    // With half of each of its lines, if nothing was captured of it yet.
    let mut holds: Vec<(Uuid, DateTime<Utc>, Vec<i64>)> = Vec::new();
    for number in 0..count {
        let now = at(number);
        let notes = effective(effective_at(number, &mut dice));
        let mut lines = Vec::new();
        for _ in 0..=dice.roll(2) {
            let codes = ["a", "b", "c"];
            let from = usize::try_from(dice.roll(3)).unwrap();
            let to = (from + 1 + usize::try_from(dice.roll(2)).unwrap()) % 3;
            lines.push(line(codes[from], codes[to], 1 + dice.roll(100)));
        }
        let id = new_entry_id(now, random());
        let posted = match dice.roll(4) {
            0 => {
                let command = PlaceHold {
                    id,
                    lines,
                    expires_at: None,
                    notes,
                    expect: Vec::new(),
                    conditions: Vec::new(),
                };
                let hold = book
                    .write(async |tx| place_hold(tx, command, &Clock::at(now)).await)
                    .await
                    .unwrap();
                let halves = hold.lines.iter().map(|line| line.amount / 2).collect();
                holds.push((hold.entry.id, hold.entry.effective_at, halves));
                hold
            }
            kind @ (1 | 2) if !holds.is_empty() => {
                let index =
                    usize::try_from(dice.roll(i64::try_from(holds.len()).unwrap())).unwrap();
                let (hold_id, from, halves) = holds.swap_remove(index);
                let notes = effective(notes.effective_at.unwrap().max(from));
                let in_part = holds_in_parts && halves.iter().any(|half| *half > 0);
                let resolved = if kind == 1 {
                    if in_part {
                        holds.push((hold_id, from, Vec::new()));
                    }
                    let command = CaptureHold {
                        id,
                        hold_id,
                        amounts: in_part.then_some(halves),
                        keeps_rest: true,
                        notes,
                    };
                    book.write(async |tx| capture_hold(tx, command, &Clock::at(now)).await)
                        .await
                } else {
                    let command = ReleaseHold {
                        id,
                        hold_id,
                        amounts: None,
                        notes,
                    };
                    book.write(async |tx| release_hold(tx, command, &Clock::at(now)).await)
                        .await
                };
                resolved.unwrap()
            }
            _ => {
                let command = PostEntry {
                    id,
                    lines,
                    notes,
                    expect: Vec::new(),
                    conditions: Vec::new(),
                };
                book.write(async |tx| post_entry(tx, command, &Clock::at(now)).await)
                    .await
                    .unwrap()
            }
        };
        entries.push(posted);
    }
    entries
}

async fn three_accounts(database: TestDatabase) -> Book {
    let book = Book::new(database).await;
    for code in ["a", "b", "c"] {
        book.account(code).await;
    }
    book
}

async fn no_table_is_read_from_end_to_end(book: &Book, statement: Statement) {
    nothing_is_scanned(&book.plan(statement).await);
}

/// No table of the journal or of its history is read from end to end.
pub(super) fn nothing_is_scanned(plan: &str) {
    for table in [
        "entry_line",
        "entry",
        "account_pending",
        "late_line",
        "late_place",
        "late_total",
    ] {
        for scan in [format!("SCAN {table}"), format!("Seq Scan on {table}")] {
            let whole =
                |line: &str| line.trim_end().ends_with(&scan) || line.contains(&format!("{scan} "));
            assert!(!plan.lines().any(whole), "{plan}");
        }
    }
}

on_every_engine! {
    /// The first entry of an account counts from next year, so that all others are late; then in order; then at random.
    async fn history_is_right_in_any_order(database: TestDatabase) {
        let book = three_accounts(database).await;
        let entries = post_many(&book, 40, true, |number, dice| match number {
            0 => at(365 * 86_400),
            1..10 => at(number),
            10..20 => at(-number * 3600),
            _ => at(dice.roll(200_000) - 100_000) + chrono::TimeDelta::microseconds(dice.roll(3)),
        }).await;
        history_is_the_sum_of_the_lines(&book, &entries).await;
        book.is_sound().await;
    }

    async fn who_never_backdates_keeps_nothing_for_it(database: TestDatabase) {
        let book = three_accounts(database).await;
        let entries = post_many(&book, 20, true, |number, _| at(number / 2)).await;
        history_is_the_sum_of_the_lines(&book, &entries).await;
        assert!(late_line::Entity::find().all(&book.db).await.unwrap().is_empty());
        assert!(late_total::Entity::find().all(&book.db).await.unwrap().is_empty());
    }

    /// The migration makes for an old ledger what posting would have made.
    (not on MariaDB: "its schema begins with all of it")
    async fn what_was_posted_before_the_migration_has_its_history_too(database: TestDatabase) {
        let book = three_accounts(database).await;
        // The older tables have no parts.
        let entries = post_many(&book, 30, false, |_, dice| at(dice.roll(1000) - 500) + chrono::TimeDelta::microseconds(dice.roll(2_000_000))).await;
        let all = async || {
            let lines = late_line::Entity::find().order_by_asc(late_line::Column::AccountId).order_by_asc(late_line::Column::Version);
            let totals = late_total::Entity::find().order_by_asc(late_total::Column::AccountId)
                .order_by_asc(late_total::Column::Level).order_by_asc(late_total::Column::Bucket);
            let accounts = account::Entity::find().order_by_asc(account::Column::Id);
            (lines.all(&book.db).await.unwrap(), totals.all(&book.db).await.unwrap(), accounts.all(&book.db).await.unwrap())
        };
        let written = all().await;
        assert!(written.0.len() > 10 && written.1.len() > 10);
        book.undo_from("add_history").await;
        Migrator::up(&book.db.0, None).await.unwrap();
        assert_eq!(all().await, written);
        history_is_the_sum_of_the_lines(&book, &entries).await;
    }

    async fn many_accounts_are_one_statement(database: TestDatabase) {
        let book = three_accounts(database).await;
        let entries = post_many(&book, 20, true, |_, dice| at(dice.roll(50))).await;
        let accounts = [book.find("a").await, book.find("b").await, book.find("c").await];
        let ids = accounts.clone().map(|account| account.id);
        let at_once = balances_at(&book.db, &ids, PointInTime::EffectiveAt(at(25))).await.unwrap();
        for account in &accounts {
            assert_eq!(at_once[&account.id], added_up(account, &entries, |entry, _| entry.entry.effective_at <= at(25)));
        }
        let unknown = balances_at(&book.db, &[new_entry_id(noon(), random())], PointInTime::RecordedAt(noon())).await.unwrap();
        assert!(unknown.is_empty());
    }

    /// Twenty thousand lines on one account, the first of which counts from the far future, so that all others are late: no
    /// statement reads the tables from one end to the other.
    async fn history_is_read_by_index(database: TestDatabase) {
        const LINES: i64 = 20_000;
        let book = three_accounts(database).await;
        book.post(PostEntry { notes: effective(at(86_400 * 3650)), ..new_entry(vec![line("a", "b", 7), line("c", "b", 1)]) }).await.unwrap();
        fill(&book, "a", "b", LINES).await;
        let account = book.find("a").await;
        for point in [
            PointInTime::EffectiveAt(at(8_000)),
            PointInTime::RecordedAt(at(8_000)),
            PointInTime::Version(8_001),
        ] {
            let said = ask(&book, &account, point).await;
            // `fill` posts one unit a second, from a to b; the one that counts from the far future was recorded before all of them.
            let expected = match point {
                PointInTime::EffectiveAt(_) => (-8_000, 8_000),
                _ => (-8_007, 8_001),
            };
            assert_eq!((said.posted, said.version), expected, "{point:?}");
            no_table_is_read_from_end_to_end(&book, balances_at_statement(&book.db, &[account.id], point)).await;
        }
        let newest = PageRequest { last: Some(10), ..PageRequest::default() };
        let slices = StatementRequest::new(&account, &newest, StatementFilter::default(), false).unwrap().slices();
        no_table_is_read_from_end_to_end(&book, statement_lines_statement(&book.db, &slices)).await;
        let lines = &statement_lines(&book.db, &slices).await.unwrap()[&slices[0]];
        let versions: Vec<i64> = lines.iter().map(StatementLine::version).collect();
        assert_eq!(versions, (LINES - 8..=LINES + 1).collect::<Vec<_>>());
        // Of an account with few lines, few are read to count them.
        let filter = StatementFilter { effective_from: Some(at(0)), ..StatementFilter::default() };
        let count = StatementCount::new(&book.find("c").await, filter).unwrap();
        no_table_is_read_from_end_to_end(&book, statement_counts_statement(&book.db, std::slice::from_ref(&count))).await;
        assert_eq!(count_statement_lines(&book.db, std::slice::from_ref(&count)).await.unwrap()[&count], 1);
    }
}
