//! A file is imported once.

use super::command::{daybook, import, imported, rows, start, stderr};
use daybook_test_harness::{TestDatabase, on_every_engine};
use std::fmt::Write;

/// A journal of so many transactions.
pub(super) fn journal(count: usize) -> String {
    let mut text = String::new();
    for number in 1..=count {
        writeln!(
            text,
            "2026-11-25 no. {number}\n    assets:bank  {number}.00 EUR\n    income\n"
        )
        .unwrap();
    }
    text
}

on_every_engine! {
    async fn the_same_contents_are_imported_once(test: TestDatabase) {
        let folder = tempfile::tempdir().unwrap();
        let observer = test.observer().await;
        let mut said = Vec::new();
        for name in ["a.journal", "a.journal", "b.journal"] {
            let path = folder.path().join(name);
            std::fs::write(&path, journal(3)).unwrap();
            let output = daybook(&["import", "--format", "hledger", "--database", test.url(), path.to_str().unwrap()], "");
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            assert_eq!(stderr(&output), "");
            said.push(String::from_utf8(output.stdout).unwrap());
        }
        said.push(imported(test.url(), "hledger", &journal(3)));
        assert_eq!(said[0], "imported 3 entries of 3 lines; opened 2 accounts\n");
        for again in &said[1..] {
            assert!(again.starts_with("already imported at 20") && again.ends_with("Z: nothing was done\n"), "{again}");
        }
        assert_eq!(observer.i64("SELECT COUNT(*) FROM entry").await, 3);
        assert_eq!(observer.text("SELECT CAST(debits_posted AS text) FROM account WHERE code = 'assets:bank'").await, "600");

        let other = imported(test.url(), "hledger", &format!("{}; changed\n", journal(3)));
        assert_eq!(other, "imported 3 entries of 3 lines; opened 0 accounts\n");
        assert_eq!(observer.i64("SELECT COUNT(*) FROM import").await, 2);
        let refused = observer.try_execute("DELETE FROM import").await.unwrap_err();
        assert!(refused.to_string().contains("import_append_only"), "{refused}");
    }

    async fn two_imports_at_once_are_one(test: TestDatabase) {
        let observer = test.observer().await;
        assert!(daybook(&["migrate", "--database", test.url(), "--log", "off"], "").status.success());
        // Both have begun when the first may go on: the second finds the lock, or what the first has done.
        observer.hold_writers("import").await;
        let text = journal(700);
        let args = ["import", "--format", "hledger", "--database", test.url(), "-"];
        let children = [(); 3].map(|()| start(env!("CARGO_BIN_EXE_daybook"), &args, &text));
        observer.execute("COMMIT").await;
        let said = children.map(|child| {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            String::from_utf8(output.stdout).unwrap()
        });
        let count = |word: &str| said.iter().filter(|said| said.starts_with(word)).count();
        assert_eq!((count("imported 700 entries"), count("already imported")), (1, 2), "{said:?}");
        // Two accounts were opened, of which the feed tells, too.
        assert_eq!(rows(&observer).await[2..6], [700, 700, 702, 1]);
    }

    async fn a_file_that_was_refused_can_be_corrected(test: TestDatabase) {
        let wrong = format!("{}2026-11-25 x\n  a  1 EUR\n  b  -2 EUR\n", journal(2));
        let output = import(test.url(), "hledger", &wrong);
        assert_eq!(output.status.code(), Some(1));
        let said = imported(test.url(), "hledger", &wrong.replace("-2 EUR", "-1 EUR"));
        assert!(said.starts_with("imported 3 entries"), "{said}");
    }
}
