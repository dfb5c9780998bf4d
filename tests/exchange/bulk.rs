//! Many entries at once are what one after the other would be.

use crate::ledger::book::{Book, at, by, line, new_account, noon};
use daybook::ledger::{
    BalanceCondition, BalanceKind, BulkPosting, Clock, Code, EntryNotes, OpenAccount,
    PostEntriesError, PostEntry, new_account_id, new_entry_id, post_entries, post_entry, random,
};
use daybook_entity::{LimitPolicy, Side};
use daybook_test_harness::{Engine, Observer, TestDatabase};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const CODES: [&str; 4] = ["a", "b", "c", "d"];

/// The seconds that an entry counts from, its lines (from, to, amount), and an account with the least that it has to have posted.
type Planned = (i64, Vec<(usize, usize, i64)>, Option<(usize, i64)>);

type Plan = Vec<Planned>;

fn plan() -> impl Strategy<Value = Plan> {
    let line = (
        0..4_usize,
        1..4_usize,
        prop_oneof![9 => 1..100_i64, 1 => Just(i64::MAX / 2)],
    );
    let line = line.prop_map(|(from, by, amount)| (from, (from + by) % 4, amount));
    let lines = prop::collection::vec(line, 1..4);
    let condition = prop::option::weighted(0.3, (0..4_usize, -150..50_i64));
    prop::collection::vec((0..5_i64, lines, condition), 1..12)
}

async fn book(engine: Engine) -> (Book, Observer) {
    let test = TestDatabase::create(engine).await;
    let observer = test.observer().await;
    let book = Book::new(test).await;
    for (number, code) in CODES.iter().enumerate() {
        let account = OpenAccount {
            // In the same order in both books: of two refusals of an entry, that of the first account counts.
            id: new_account_id(at(i64::try_from(number).unwrap()), random()),
            normal_side: if number < 2 {
                Side::Debit
            } else {
                Side::Credit
            },
            limit_policy: if *code == "d" {
                LimitPolicy::NoDebitOverdraft
            } else {
                LimitPolicy::None
            },
            min_balance: (*code == "b").then_some(-150),
            max_balance: (*code == "c").then_some(200),
            ..new_account(code)
        };
        book.open(account).await.unwrap();
    }
    // Something that all can be late to.
    book.post(PostEntry {
        notes: effective(3),
        ..entry(&(3, vec![(0, 3, 50)], None))
    })
    .await
    .unwrap();
    (book, observer)
}

fn effective(seconds: i64) -> EntryNotes {
    EntryNotes {
        effective_at: Some(at(seconds)),
        ..EntryNotes::default()
    }
}

fn entry((seconds, lines, condition): &Planned) -> PostEntry {
    PostEntry {
        id: new_entry_id(noon(), random()),
        lines: lines
            .iter()
            .map(|(from, to, amount)| line(CODES[*from], CODES[*to], *amount))
            .collect(),
        notes: effective(*seconds),
        expect: Vec::new(),
        conditions: Vec::from_iter(condition.map(|(account, least)| BalanceCondition {
            account: by(CODES[account]),
            balance: BalanceKind::Posted,
            at_least: Some(least),
            at_most: None,
            equals: None,
        })),
    }
}

/// Everything that was written, without ids.
async fn written(observer: &Observer) -> Vec<Vec<Option<String>>> {
    let account = "(SELECT code FROM account WHERE account.id =";
    let mut all = Vec::new();
    for sql in [
        "SELECT code || CAST(debits_posted AS text) || ' ' || CAST(credits_posted AS text) || ' ' || CAST(version AS text) || ' '
                || CAST(latest_effective_at AS text) FROM account ORDER BY code".to_owned(),
        format!(
            "SELECT CAST(seq AS text) || ' ' || CAST(line_no AS text) || {account} debit_account_id) || CAST(debit_version AS text) || ' '
                    || CAST(debit_balance AS text) || {account} credit_account_id) || CAST(credit_version AS text) || ' '
                    || CAST(credit_balance AS text) || ' ' || CAST(amount AS text) || CAST(effective_at AS text)
             FROM entry_line JOIN entry ON entry.id = entry_line.entry_id JOIN outbox ON outbox.entry_id = entry.id ORDER BY seq, line_no"
        ),
        format!(
            "SELECT {account} account_id) || CAST(version AS text) || ' ' || CAST(latest_effective_at AS text) || CAST(lines AS text)
                    || ' ' || CAST(posted AS text) || ' ' || CAST(held AS text) FROM late_line ORDER BY 1"
        ),
        format!(
            "SELECT {account} account_id) || CAST(version AS text) || ' ' || CAST(effective_at AS text) || ' ' || CAST(posted AS text)
             FROM late_place ORDER BY 1"
        ),
        format!(
            "SELECT {account} account_id) || CAST(level AS text) || ' ' || CAST(bucket AS text) || ' ' || CAST(lines AS text)
                    || ' ' || CAST(posted AS text) FROM late_total ORDER BY 1"
        ),
    ] {
        all.push(observer.texts(&sql).await);
    }
    all
}

/// The entry that is refused, and how.
type Refusal = Option<(usize, Option<Code>)>;

async fn compare(engine: Engine, plan: Plan) -> Refusal {
    let clock = Clock::at(noon());
    let (one_by_one, all_at_once) = (book(engine).await, book(engine).await);
    let mut refused: Refusal = None;
    let _ = one_by_one
        .0
        .write(async |tx| {
            for (index, planned) in plan.iter().enumerate() {
                if let Err(error) = post_entry(tx, entry(planned), &clock).await {
                    refused = Some((index, error.code()));
                    return Err(());
                }
            }
            Ok(())
        })
        .await;
    // In batches of three.
    let posted = all_at_once
        .0
        .write(async |tx| {
            let mut several = BulkPosting::default();
            for (batch, plan) in plan.chunks(3).enumerate() {
                let entries = plan.iter().map(entry).collect();
                post_entries(tx, &mut several, entries, &clock)
                    .await
                    .map_err(|error| (batch * 3, error))?;
            }
            several.end(tx).await.map_err(|error| (0, error))
        })
        .await;
    let refused_at_once = posted.err().map(|error| match error {
        (before, PostEntriesError::Entry { index, source }) => (before + index, source.code()),
        (_, error) => panic!("{error}"),
    });
    assert_eq!(refused_at_once, refused, "{plan:?}");
    assert_eq!(
        written(&all_at_once.1).await,
        written(&one_by_one.1).await,
        "{plan:?}"
    );
    all_at_once.0.is_sound().await;
    refused
}

fn many(engine: Engine, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut refusals = 0;
    let counted = std::cell::RefCell::new(&mut refusals);
    TestRunner::new(config)
        .run(&plan(), |plan| {
            if runtime.block_on(compare(engine, plan)).is_some() {
                **counted.borrow_mut() += 1;
            }
            Ok(())
        })
        .unwrap();
    assert!(
        refusals > 0 && refusals < cases,
        "{refusals} of {cases} were refused"
    );
}

#[test]
fn many_at_once_are_what_one_after_the_other_would_be_sqlite() {
    many(Engine::Sqlite, 40);
}

#[test]
fn many_at_once_are_what_one_after_the_other_would_be_postgres() {
    many(Engine::Postgres, 20);
}

#[tokio::test]
async fn names_by_code_are_found_among_many() {
    let (book, _) = book(Engine::Sqlite).await;
    let mut entries = vec![
        entry(&(0, vec![(0, 1, 1)], None)),
        entry(&(0, vec![(0, 1, 1)], None)),
    ];
    entries[1].lines[0].credit = by("nobody");
    let error = book
        .write(async |tx| {
            post_entries(tx, &mut BulkPosting::default(), entries, &Clock::at(noon())).await
        })
        .await
        .unwrap_err();
    assert!(
        matches!(error, PostEntriesError::Entry { index: 1, source } if source.code() == Some(Code::AccountNotFound))
    );
}
