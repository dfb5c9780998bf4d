//! The files that `daybook export` writes, and what other programs make of them.

use super::command::{daybook, export, imported, start, stderr};
use crate::ledger::book::{Book, by, new_account, noon};
use daybook::ledger::{EntryNotes, NewLine, OpenAccount, PostEntry, new_entry_id, random};
use daybook_entity::{LimitPolicy, Side};
use daybook_test_harness::{TestDatabase, on_every_engine};
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// Accounts whose names say what they are, and two whose names do not: with one entry from each to each, dated `date`.
async fn book(test: TestDatabase, date: &str) -> Book {
    let book = Book::new(test).await;
    let accounts = [
        ("assets:bank", Side::Debit),
        ("alice", Side::Credit),
        ("liabilities:loan", Side::Credit),
        ("revenues:fees", Side::Credit),
        ("till", Side::Debit),
    ];
    for (code, normal_side) in accounts {
        let account = OpenAccount {
            normal_side,
            limit_policy: LimitPolicy::None,
            ..new_account(code)
        };
        book.open(account).await.unwrap();
    }
    for (from, to, amount) in [
        ("assets:bank", "alice", 100),
        ("alice", "revenues:fees", 7),
        ("till", "liabilities:loan", 20),
    ] {
        let line = NewLine {
            debit: by(from),
            credit: by(to),
            amount,
            currency: "EUR".to_owned(),
        };
        let entry = PostEntry {
            id: new_entry_id(noon(), random()),
            lines: vec![line],
            notes: EntryNotes {
                effective_at: Some(date.parse().unwrap()),
                ..EntryNotes::default()
            },
            expect: Vec::new(),
            conditions: Vec::new(),
        };
        book.post(entry).await.unwrap();
    }
    book
}

fn report(journal: &str, name: &str) -> String {
    let args = ["-f", "-", name, "--no-total", "--output-format", "csv"];
    let output = start("hledger", &args, journal).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

on_every_engine! {
    /// A normal side is no class: what the ledger does not know, it does not say, and hledger goes by names.
    async fn no_account_is_put_into_a_class_that_it_may_not_have(test: TestDatabase) {
        let (engine, url) = (test.engine(), test.url().to_owned());
        let _book = book(test, "2026-11-23T12:00:00Z").await;
        let journal = export(&url, "hledger");
        let income = report(&journal, "incomestatement");
        assert!(income.contains("\"revenues:fees\",\"0.07 EUR\""), "{income}");
        let sheet = report(&journal, "balancesheet");
        assert!(sheet.contains("\"liabilities:loan\",\"0.20 EUR\"") && sheet.contains("\"assets:bank\",\"1.00 EUR\""), "{sheet}");
        assert!(!sheet.contains("alice") && !sheet.contains("till"), "{sheet}");
        // Sides come back all the same.
        let other = TestDatabase::create(engine).await;
        let observer = other.observer().await;
        imported(other.url(), "hledger", &journal);
        let sides = observer.texts("SELECT code || ' ' || normal_side FROM account ORDER BY code").await;
        assert_eq!(
            sides.into_iter().flatten().collect::<Vec<_>>(),
            ["alice CREDIT", "assets:bank DEBIT", "liabilities:loan CREDIT", "revenues:fees CREDIT", "till DEBIT"]
        );
    }

    /// Boost's calendar begins in 1400.
    async fn a_date_that_ledger_cannot_read_is_refused(test: TestDatabase) {
        let url = test.url().to_owned();
        let _book = book(test, "0001-11-23T12:00:00Z").await;
        let output = daybook(&["export", "--format", "ledger", "--database", &url], "");
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(said.contains("counts from 0001-11-23T12:00:00Z, and ledger reads dates from the year 1400 to 9999"), "{said}");
        assert!(report(&export(&url, "hledger"), "balance").contains("alice"));
    }

    async fn a_file_is_its_owner_s_and_no_link_is_followed(test: TestDatabase) {
        let url = test.url().to_owned();
        let _book = book(test, "2026-11-23T12:00:00Z").await;
        let folder = tempfile::tempdir().unwrap();
        let (file, victim) = (folder.path().join("out.csv"), folder.path().join("victim"));
        std::fs::write(&victim, "mine").unwrap();
        // The name that it would have had, and the one that it gets.
        symlink(&victim, folder.path().join("out.csv.part")).unwrap();
        symlink(&victim, &file).unwrap();
        let path = file.to_str().unwrap();
        let output = daybook(&["export", "--format", "csv", "--output", path, "--database", &url], "");
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        let metadata = file.symlink_metadata().unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read_to_string(&file).unwrap().contains("assets:bank"));
        // Nothing is left beside it.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
