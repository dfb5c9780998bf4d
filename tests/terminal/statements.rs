//! `statement`: what is in it, and what it promises.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value as Json, json};

use super::{
    Ledger, ask,
    between::{Answer, Between},
};
use crate::ledger::book::{Book, at, effective, line, new_entry, new_hold};

const ALL: &str = "\
customers:zoë  “customers:zoë”
EUR, positive on the credit side

DATE        DESCRIPTION      ACCOUNT      CHANGE  BALANCE
            opening balance                          0.00
2026-11-23  post             assets:cash  100.00   100.00
            closing balance                        100.00

pending -30.00, available 70.00
";

const WITH_HOLDS: &str = "\
customers:zoë  “customers:zoë”
EUR, positive on the credit side

DATE        DESCRIPTION      ACCOUNT      SET ASIDE  CHANGE  BALANCE
            opening balance                                     0.00
2026-11-23  post             assets:cash             100.00   100.00
2026-11-23  hold             assets:cash      30.00    0.00   100.00
            closing balance                                   100.00

pending -30.00, available 70.00
";

/// A cash account with lines that count from days in another order than that in which they were posted, of which some undo others.
async fn long(book: &Book) {
    for code in ["cash", "sales"] {
        book.account(code).await;
    }
    for number in 0..210 {
        let mut entry = new_entry(vec![line("sales", "cash", 100 + number)]);
        entry.notes = effective(at(86_400 * (number * 37 % 50) - 86_400 * 25));
        entry.notes.description = Some(format!("no. {number}"));
        let posted = book.post(entry).await.unwrap();
        if number % 20 == 0 {
            book.reverse(posted.entry.id).await.unwrap();
        }
    }
}

/// The changes of lines, and the balances after them, in minor units.
fn amounts(statement: &Json) -> Vec<(i64, i64)> {
    let amount = |json: &Json| json["amount"].as_str().unwrap().parse::<i64>().unwrap();
    let lines = statement["lines"].as_array().unwrap().iter();
    lines
        .map(|line| (amount(&line["change"]), amount(&line["balance"])))
        .collect()
}

/// The lines lead from the opening balance to the closing one.
#[track_caller]
fn adds_up(statement: &Json) {
    let amount = |name: &str| {
        statement[name]["amount"]
            .as_str()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    let mut balance = amount("opening");
    for (change, after) in amounts(statement) {
        balance += change;
        assert_eq!(after, balance);
    }
    assert_eq!(balance, amount("closing"));
}

on_every_engine! {
    async fn a_table_begins_and_ends_with_a_balance(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        assert_eq!(ledger.both(&["statement", "customers:zoë"]).await.printed(), ALL);
        assert_eq!(ledger.both(&["statement", "customers:zoë", "--holds"]).await.printed(), WITH_HOLDS);
        let id = daybook::ledger::Id::Account(ledger.book.find("customers:zoë").await.id).to_string();
        assert_eq!(ledger.both(&["statement", &id]).await.printed(), ALL);
        let nobody = ledger.both(&["statement", "nobody"]).await.refused(3);
        assert_eq!(nobody, "daybook: ACCOUNT_NOT_FOUND: there is no account `nobody`: `daybook accounts` lists those that there are\n");
    }

    /// The lines are those that the tables have, over several pages, whatever the period is.
    async fn a_period_has_its_lines_and_adds_up(test: TestDatabase) {
        let ledger = Ledger::of(test, long).await;
        let observer = ledger.observer().await;
        let micros = match ledger.book.engine {
            daybook_test_harness::Engine::MariaDb | daybook_test_harness::Engine::Sqlite => "effective_at",
            daybook_test_harness::Engine::Postgres => "to_char(effective_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        };
        let rows = observer.texts(&format!(
            "SELECT substr(CAST({micros} AS text), 1, 10) || ' ' || CAST(CASE WHEN credit.code = 'cash' THEN amount ELSE -amount END AS text)
             FROM entry_line JOIN entry ON entry.id = entry_id JOIN account credit ON credit.id = credit_account_id
             ORDER BY CASE WHEN credit.code = 'cash' THEN credit_version ELSE debit_version END"
        )).await;
        let rows: Vec<(String, i64)> = rows.into_iter().map(|row| {
            let row = row.unwrap();
            let (day, amount) = row.split_once(' ').unwrap();
            (day.to_owned(), amount.parse().unwrap())
        }).collect();
        assert_eq!(rows.len(), 221);
        let all = "0001-01-01".."9999-12-31";
        for (period, args) in [
            (all.clone(), &[][..]),
            ("2026-11-10".."9999-12-31", &["--from", "2026-11-10"]),
            ("0001-01-01".."2026-11-15", &["--until", "2026-11-15"]),
            ("2026-11-10".."2026-11-20", &["--from", "2026-11-10", "--until", "2026-11-20"]),
            // An instant ends a period that does not have it, and each line counts from noon.
            ("2026-11-11".."2026-11-19", &["--from", "2026-11-10T12:00:00.000001Z", "--until", "2026-11-20T12:00:00Z"]),
            ("2026-11-10".."2026-11-19", &["--from", "2026-11-10T12:00:00Z", "--until", "2026-11-19T12:00:00.000001Z"]),
            ("2020-01-01".."2020-12-31", &["--from", "2020-01-01", "--until", "2020-12-31"]),
            (all, &["--from", "0001-01-01"]),
        ] {
            let statement = ledger.both(&[&["statement", "cash", "--json"], args].concat()).await.json();
            adds_up(&statement);
            let posted = ask(&[&["statement", "cash", "--json", "--posted-order"], args, &ledger.places()[0]].concat()).await.json();
            adds_up(&posted);
            let changes: Vec<i64> = amounts(&statement).into_iter().map(|(change, _)| change).collect();
            let is_in = |day: &&(String, i64)| period.start <= day.0.as_str() && day.0.as_str() <= period.end;
            let mut expected: Vec<&(String, i64)> = rows.iter().filter(is_in).collect();
            let in_posted_order: Vec<i64> = amounts(&posted).into_iter().map(|(change, _)| change).collect();
            assert_eq!(in_posted_order, expected.iter().map(|(_, amount)| *amount).collect::<Vec<_>>(), "{args:?}");
            // All of a day are of one instant, and stay in their order.
            expected.sort_by_key(|(day, _)| day);
            let expected: Vec<i64> = expected.iter().map(|(_, amount)| *amount).collect();
            assert_eq!(changes, expected, "{args:?}");
            let before: i64 = rows.iter().filter(|(day, _)| day.as_str() < period.start).map(|(_, amount)| *amount).sum();
            assert_eq!(statement["opening"]["amount"], before.to_string(), "{args:?}");

            // The last of them are the end of the same statement.
            for last in [1, 90, 9_999] {
                let place = ledger.places()[last % 2];
                let some = ask(&[&["statement", "cash", "--json", "--last", &last.to_string()], args, &place].concat()).await.json();
                adds_up(&some);
                let from = expected.len().saturating_sub(last);
                assert_eq!(amounts(&some), amounts(&statement)[from..], "{args:?}");
                assert_eq!(some["closing"], statement["closing"]);
            }
        }
    }

    /// What is posted while the pages are read is not in the statement, also where it counts from before everything else.
    async fn it_is_that_of_one_moment(test: TestDatabase) {
        let ledger = Arc::new(Ledger::of(test, long).await);
        let place = ["--server", ledger.server.base()];
        let before = ask(&[&["statement", "cash", "--json"], &place[..]].concat()).await;
        for args in [
            &[][..], &["--posted-order"], &["--last", "200"], &["--last", "200", "--posted-order"], &["--from", "2026-11-01"],
        ] {
            let expected = ask(&[&["statement", "cash", "--json", "--server", ledger.server.base()], args].concat()).await;
            let (posts, pages) = (Arc::clone(&ledger), Arc::new(AtomicUsize::new(0)));
            let seen = Arc::clone(&pages);
            let between = Between::start(ledger.server.base(), move |request| {
                let (ledger, pages) = (Arc::clone(&posts), Arc::clone(&seen));
                Box::pin(async move {
                    if request.contains("query StatementPage") {
                        pages.fetch_add(1, Ordering::SeqCst);
                        for day in [-100, 0, 100] {
                            let mut entry = new_entry(vec![line("sales", "cash", 5)]);
                            entry.notes = effective(at(86_400 * day));
                            ledger.book.post(entry).await.unwrap();
                        }
                    }
                    Answer::Passed
                })
            })
            .await;
            let statement = ask(&[&["statement", "cash", "--json", "--server", &between.url], args].concat()).await;
            assert!(pages.load(Ordering::SeqCst) >= 2, "{args:?}");
            assert_eq!(statement, expected, "{args:?}");
            adds_up(&statement.json());
        }
        let now = ask(&[&["statement", "cash", "--json"], &place[..]].concat()).await;
        assert_ne!(now, before);
    }

    /// A day is one of the time zone that is given, in what is chosen and in what is shown.
    async fn its_days_are_those_of_a_time_zone(test: TestDatabase) {
        let ledger = Ledger::of(test, async |book| {
            for code in ["a", "b"] {
                book.account(code).await;
            }
            for (amount, instant) in [(1, "2026-01-31T22:59:59Z"), (2, "2026-01-31T23:00:00Z"), (3, "2026-02-28T23:00:00Z")] {
                let mut entry = new_entry(vec![line("a", "b", amount)]);
                entry.notes.effective_at = Some(instant.parse().unwrap());
                book.post(entry).await.unwrap();
            }
        }).await;
        let february = ["statement", "b", "--from", "2026-02-01", "--until", "2026-02-28", "--time-zone", "Europe/Berlin"];
        let table = ledger.both(&february).await.printed();
        assert_eq!(table, "\
b  Account b
EUR, positive on the credit side, from 2026-02-01 until 2026-02-28 by days of Europe/Berlin

DATE        DESCRIPTION      ACCOUNT  CHANGE  BALANCE
            opening balance                      0.01
2026-02-01  post             a          0.02     0.03
            closing balance                      0.03
");
        // In UTC, the first two are of January.
        let statement = ledger.both(&["statement", "b", "--json", "--from", "2026-02-01"]).await.json();
        assert_eq!(amounts(&statement), [(3, 6)]);
    }

    /// A hold is in it with `--holds` alone, and what it was captured for in any case.
    async fn holds_are_set_aside_and_captured(test: TestDatabase) {
        let ledger = Ledger::of(test, async |book| {
            for code in ["a", "b"] {
                book.account(code).await;
            }
            let hold = book.hold(new_hold(vec![line("a", "b", 100)])).await.unwrap();
            book.capture(hold.entry.id, Some(vec![60]), at(1)).await.unwrap();
            let hold = book.hold(new_hold(vec![line("a", "b", 5)])).await.unwrap();
            book.release(hold.entry.id, at(2)).await.unwrap();
        }).await;
        let moved = ledger.both(&["statement", "b", "--json"]).await.json();
        assert_eq!(amounts(&moved), [(60, 60)]);
        assert_eq!(moved["lines"][0]["line"]["effect"], json!("CAPTURE"));
        let all = ledger.both(&["statement", "b", "--holds"]).await.printed();
        let mut cells = all.lines().skip(3).filter(|line| !line.is_empty()).map(|line| line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(cells.next().unwrap(), ["DATE", "DESCRIPTION", "ACCOUNT", "SET", "ASIDE", "CHANGE", "BALANCE"]);
        let rows: Vec<Vec<&str>> = cells.map(|row| row.into_iter().skip_while(|cell| cell.starts_with("2026")).collect()).collect();
        assert_eq!(rows, [
            &["opening", "balance", "0.00"][..],
            &["hold", "a", "1.00", "0.00", "0.00"],
            // It counts from noon, too.
            &["hold", "a", "0.05", "0.00", "0.00"],
            &["capture", "a", "-0.60", "0.60", "0.60"],
            &["capture", "a", "-0.40", "0.00", "0.60"],
            &["release", "a", "-0.05", "0.00", "0.60"],
            &["closing", "balance", "0.60"],
        ]);
    }
}
