//! What an entry does, and each reason to refuse one.

use super::book::{Book, at, by, effective, line, new_account, new_entry, noon};
use daybook::ledger::{
    AccountRef, Code, EntryNotes, ExpectedVersion, LINES_PER_ENTRY, NewLine, OpenAccount,
    PostEntry, PostEntryError, available_balance, entries_by_id, entry, lines_by_entry_id,
    new_account_id, posted_balance, random, verify,
};
use daybook_entity::{
    AccountStatus, LimitPolicy, Side, account, entry as entries_table, entry_line,
};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Nothing was left behind, and what is there adds up.
async fn nothing_posted_but(book: &Book, entries: u64) {
    assert_eq!(
        entries_table::Entity::find().count(&book.db).await.unwrap(),
        entries
    );
    let check = verify(&book.db, 10).await.unwrap();
    assert!(check.is_sound(), "{check:?}");
}

/// How many statements of an entry are counted. A text of several, as MariaDB gets one, is not: see `graphql::round_trips`.
fn counted(book: &Book) -> usize {
    match book.engine {
        Engine::MariaDb => 1,
        Engine::Sqlite | Engine::Postgres => 2,
    }
}

on_every_engine! {
    async fn an_entry_moves_money_and_is_found_as_it_was_answered(database: TestDatabase) {
        let book = Book::new(database).await;
        let cash = book.open(OpenAccount { normal_side: Side::Debit, ..new_account("cash") }).await.unwrap();
        let wallet = book.wallet("wallet").await;
        let command = PostEntry {
            notes: EntryNotes {
                description: Some(" a deposit ".to_owned()),
                metadata: Some(json!({ "ref": "x" })),
                effective_at: Some(at(-60)),
                ..EntryNotes::default()
            },
            ..new_entry(vec![line("cash", "wallet", 700)])
        };
        let posted = book.post(command).await.unwrap();

        assert_eq!(posted.entry.description.as_deref(), Some("a deposit"));
        assert_eq!((posted.entry.effective_at, posted.entry.recorded_at), (at(-60), noon()));
        let after = &posted.lines[0];
        assert_eq!((after.line_no, after.debit_account_id, after.credit_account_id), (1, cash.id, wallet.id));
        assert_eq!((after.debit_version, after.debit_balance, after.credit_version, after.credit_balance), (1, 700, 1, 700));
        let wallet = book.find("wallet").await;
        assert_eq!((wallet.credits_posted, wallet.debits_posted, wallet.version), (700, 0, 1));
        assert_eq!((posted_balance(&wallet), available_balance(&wallet)), (700, 700));
        assert!(posted.accounts.contains(&wallet) && posted.accounts.contains(&book.find("cash").await));

        let id = posted.entry.id;
        assert_eq!(entry(&book.db, id).await.unwrap().as_ref(), Some(&posted.entry));
        assert_eq!(entries_by_id(&book.db, [id]).await.unwrap()[&id], posted.entry);
        assert_eq!(lines_by_entry_id(&book.db, [id]).await.unwrap()[&id], posted.lines);
        nothing_posted_but(&book, 1).await;
    }

    /// Versions advance by one per line, and only the entry as a whole has to stay within the limits.
    async fn lines_of_one_entry_may_touch_an_account_again_and_again(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["bank", "income"] {
            book.account(code).await;
        }
        book.wallet("wallet").await;
        let lines = vec![line("wallet", "income", 30), line("bank", "wallet", 100), line("wallet", "bank", 70)];
        let posted = book.post(new_entry(lines)).await.unwrap();
        let wallet: Vec<_> = posted
            .lines
            .iter()
            .map(|line| if line.line_no == 2 { (line.credit_version, line.credit_balance) } else { (line.debit_version, line.debit_balance) })
            .collect();
        assert_eq!(wallet, [(1, -30), (2, 70), (3, 0)]);
        assert_eq!(book.find("wallet").await.version, 3);
        nothing_posted_but(&book, 1).await;
    }

    async fn an_entry_may_have_lines_of_several_currencies(database: TestDatabase) {
        let book = Book::new(database).await;
        for (code, currency) in [("a.eur", "EUR"), ("b.eur", "EUR"), ("a.jpy", "JPY"), ("b.jpy", "JPY")] {
            book.open(OpenAccount { currency: currency.to_owned(), ..new_account(code) }).await.unwrap();
        }
        let yen = NewLine { currency: "JPY".to_owned(), ..line("b.jpy", "a.jpy", 160) };
        book.post(new_entry(vec![line("a.eur", "b.eur", 100), yen])).await.unwrap();
        assert_eq!(posted_balance(&book.find("a.jpy").await), 160);

        for (debit, credit, currency) in [("a.eur", "a.jpy", "EUR"), ("a.eur", "a.jpy", "JPY"), ("a.eur", "b.eur", "USD")] {
            let crossing = NewLine { currency: currency.to_owned(), ..line(debit, credit, 1) };
            let refused = book.post(new_entry(vec![line("a.eur", "b.eur", 1), crossing])).await.unwrap_err();
            assert!(matches!(refused, PostEntryError::CurrencyMismatch { line: 1, .. }), "{refused:?}");
            assert_eq!(refused.code(), Some(Code::CurrencyMismatch));
        }
        nothing_posted_but(&book, 1).await;
    }

    async fn a_limit_is_kept_to_the_last_unit(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("bank").await;
        book.wallet("wallet").await;
        let limit_policy = LimitPolicy::NoCreditOverdraft;
        book.open(OpenAccount { limit_policy, normal_side: Side::Debit, ..new_account("till") }).await.unwrap();
        book.transfer("till", "wallet", 500).await.unwrap();

        for (debit, credit, code) in [("wallet", "bank", "wallet"), ("bank", "till", "till")] {
            match book.transfer(debit, credit, 501).await.unwrap_err() {
                PostEntryError::InsufficientFunds { account_code, available, requested, currency, .. } => {
                    assert_eq!((account_code.as_str(), available, requested, currency.as_str()), (code, 500, 501, "EUR"));
                }
                other => panic!("{other:?}"),
            }
            book.transfer(debit, credit, 500).await.unwrap();
        }
        nothing_posted_but(&book, 3).await;
    }

    async fn an_account_that_is_not_open_is_not_touched(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["a", "frozen", "closed"] {
            book.account(code).await;
        }
        for (code, status) in [("frozen", AccountStatus::Frozen), ("closed", AccountStatus::Closed)] {
            book.set_status(code, status).await.unwrap();
            for (debit, credit) in [("a", code), (code, "a")] {
                let refused = book.transfer(debit, credit, 1).await.unwrap_err();
                assert_eq!(refused.code(), Some(Code::AccountNotOpen), "{refused:?}");
                assert!(refused.to_string().contains(code));
            }
        }
        nothing_posted_but(&book, 0).await;
    }

    async fn an_expected_version_must_still_be_there(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["a", "b", "bystander"] {
            book.account(code).await;
        }
        let expecting = |code: &str, version| PostEntry {
            expect: vec![ExpectedVersion { account: by(code), version }],
            ..new_entry(vec![line("a", "b", 1)])
        };
        book.post(expecting("a", 0)).await.unwrap();
        match book.post(expecting("a", 0)).await.unwrap_err() {
            PostEntryError::VersionConflict { expected, actual, account_code, .. } => {
                assert_eq!((expected, actual, account_code.as_str()), (0, 1, "a"));
            }
            other => panic!("{other:?}"),
        }
        let posted = book.post(expecting("bystander", 0)).await.unwrap();
        assert_eq!(posted.accounts.len(), 2, "only accounts that the entry touched are answered");
        assert_eq!(book.find("bystander").await.version, 0);
        assert_eq!(book.post(expecting("bystander", 1)).await.unwrap_err().code(), Some(Code::VersionConflict));

        let mut twice = expecting("a", 2);
        twice.expect.push(ExpectedVersion { account: AccountRef::Id(book.find("a").await.id), version: 2 });
        assert_eq!(book.post(twice).await.unwrap_err().code(), Some(Code::BadUserInput));
        nothing_posted_but(&book, 2).await;
    }

    async fn sums_beyond_64_bits_are_refused(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("a").await;
        book.account("b").await;
        let refused = book.post(new_entry(vec![line("a", "b", i64::MAX), line("a", "b", 1)])).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::AmountOutOfRange), "{refused:?}");
        book.transfer("a", "b", i64::MAX).await.unwrap();
        assert_eq!(posted_balance(&book.find("a").await), -i64::MAX);
        for (debit, credit) in [("a", "b"), ("b", "a")] {
            match book.transfer(debit, credit, i64::MAX).await {
                Ok(_) => assert_eq!(debit, "b"),
                Err(refused) => assert_eq!(refused.code(), Some(Code::AmountOutOfRange), "{refused:?}"),
            }
        }
        for (debit, credit) in [("a", "b"), ("b", "a")] {
            assert_eq!(book.transfer(debit, credit, 1).await.unwrap_err().code(), Some(Code::AmountOutOfRange));
        }
        nothing_posted_but(&book, 2).await;
    }

    async fn bad_input_is_refused_before_anything_is_written(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("a").await;
        book.account("b").await;
        let noted = |notes| PostEntry { notes, ..new_entry(vec![line("a", "b", 1)]) };
        for (field, command) in [
            ("lines", new_entry(vec![])),
            ("lines", new_entry(vec![line("a", "b", 1); LINES_PER_ENTRY + 1])),
            ("lines[1].amount", new_entry(vec![line("a", "b", 1), line("a", "b", 0)])),
            ("lines[0].amount", new_entry(vec![line("a", "b", i64::MIN)])),
            ("lines[0].credit", new_entry(vec![line("a", " a ", 1)])),
            ("description", noted(EntryNotes { description: Some("\0".to_owned()), ..EntryNotes::default() })),
            ("metadata", noted(EntryNotes { metadata: Some(json!("x")), ..EntryNotes::default() })),
            ("effectiveAt", noted(effective(chrono::DateTime::<chrono::Utc>::MAX_UTC))),
        ] {
            match book.post(command).await.unwrap_err() {
                PostEntryError::Input(input) => assert_eq!(input.field, field),
                other => panic!("{other:?}"),
            }
        }
        for nobody in ["c", "", "\0"] {
            let refused = book.transfer("a", nobody, 1).await.unwrap_err();
            assert_eq!(refused.code(), Some(Code::AccountNotFound), "{refused:?}");
        }
        nothing_posted_but(&book, 0).await;
    }

    async fn the_longest_entry_fits(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("a").await;
        book.account("b").await;
        let posted = book.post(new_entry(vec![line("a", "b", 1); LINES_PER_ENTRY])).await.unwrap();
        assert_eq!(posted.lines.len(), LINES_PER_ENTRY);
        assert_eq!(entry_line::Entity::find().count(&book.db).await.unwrap(), LINES_PER_ENTRY as u64);
        nothing_posted_but(&book, 1).await;
    }

    /// BEGIN and COMMIT are the caller's, and not counted.
    async fn lines_cost_no_statements(database: TestDatabase) {
        let mut book = Book::new(database).await;
        for code in ["a", "b", "c"] {
            book.account(code).await;
        }
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&statements);
        book.db.0.set_metric_callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        book.transfer("a", "b", 1).await.unwrap();
        assert_eq!(statements.swap(0, Ordering::Relaxed), counted(&book));
        let mut lines = vec![line("a", "b", 1); 20];
        lines.push(line("b", "c", 1));
        book.post(new_entry(lines)).await.unwrap();
        assert_eq!(statements.load(Ordering::Relaxed), counted(&book));
    }

    /// By index, however many accounts there are, and once the engine has statistics of them.
    async fn an_entry_reads_no_table_whole(database: TestDatabase) {
        let mut book = Book::new(database).await;
        let first = book.account("a").await;
        let others = (0..1000).map(|n| account::Model { id: new_account_id(noon(), random()), code: n.to_string(), ..first.clone() });
        account::Entity::insert_many(others.map(IntoActiveModel::into_active_model)).exec_without_returning(&book.db).await.unwrap();
        book.transfer("a", "0", 1).await.unwrap();
        book.analyze().await;
        let statements = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&statements);
        book.db.0.set_metric_callback(move |info| seen.lock().unwrap().push(info.statement.clone()));
        book.transfer("a", "999", 1).await.unwrap();
        let statements = std::mem::take(&mut *statements.lock().unwrap());
        assert!(statements.len() >= counted(&book));
        for statement in statements {
            // What is closed is a few rows: one for each prefix.
            let plan = book.plan(statement.clone()).await.replace("Seq Scan on closed_period", "");
            let whole = ["SCAN account", "SCAN entry", "Seq Scan"];
            assert!(!whole.iter().any(|whole| plan.contains(whole)), "{statement}\n{plan}");
        }
    }
}
