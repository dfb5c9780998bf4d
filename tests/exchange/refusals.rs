//! What is refused: with its line, and nothing of the file is there.

use super::command::{daybook, import, imported, rows, stderr};
use super::once::journal;
use crate::ledger::book::{Book, new_account, noon};
use daybook::ledger::{Clock, CloseBooks, OpenAccount, close_books, random};
use daybook_entity::{AccountStatus, LimitPolicy};
use daybook_test_harness::{TestDatabase, on_every_engine};

on_every_engine! {
    /// The last transaction of several batches is refused by the ledger itself.
    async fn a_refusal_at_the_end_leaves_nothing(test: TestDatabase) {
        let (url, observer) = (test.url().to_owned(), test.observer().await);
        let book = Book::new(test).await;
        book.account("bank").await;
        book.wallet("wallet").await;
        book.transfer("bank", "wallet", 100).await.unwrap();
        let before = rows(&observer).await;
        let text = format!("{}2026-11-24 late\n  bank  1 EUR\n  income\n\n2026-11-26 too much\n  bank  -1.01 EUR\n  wallet\n", journal(1200));
        let output = import(&url, "hledger", &text);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            stderr(&output),
            "daybook: cannot import -: line 4805: the account `wallet` has 100 minor units of EUR available, and 101 are asked for: \
             post less, or fund the account first; nothing was imported\n"
        );
        assert_eq!(rows(&observer).await, before);
        book.is_sound().await;
        // The limit is the ledger's at that place of the file: with money on it, the same is posted.
        let funded = text.replace("2026-11-24 late\n  bank  1 EUR\n  income", "2026-11-24 late\n  bank  0.01 EUR\n  wallet");
        assert!(imported(&url, "hledger", &funded).starts_with("imported 1202 entries of 1202 lines"));
        book.is_sound().await;
    }

    /// In the ledger, and twice in the file. A file that has them once is imported.
    async fn a_reference_is_imported_once(test: TestDatabase) {
        let (url, observer) = (test.url().to_owned(), test.observer().await);
        let book = Book::new(test).await;
        let header = "date,debit,credit,amount,currency,reference\n";
        let first = format!("{header}2026-11-25,a,b,1,EUR,one\n2026-11-25,a,b,2,EUR,\n2026-11-25,a,b,3,EUR,\n");
        assert!(imported(&url, "csv", &first).starts_with("imported 3 entries"));
        let before = rows(&observer).await;
        let of_first = observer.text("SELECT CAST(amount AS text) FROM entry_line JOIN entry ON id = entry_id WHERE reference = 'one'").await;
        assert_eq!(of_first, "100");
        for (rows_of_file, refusal) in [
            ("2026-11-25,a,b,1,EUR,two\n2026-11-25,a,b,1,EUR,one\n", "line 3: the reference `one` is that of the entry entry_"),
            ("2026-11-25,a,b,1,EUR,two\n2026-11-25,a,b,1,EUR, two \n", "line 3: the reference `two` is that of the entry entry_"),
            ("2026-11-25,a,b,1,EUR,tw\u{200b}o\n", "line 2: `reference` has the invisible character U+200B"),
        ] {
            let output = import(&url, "csv", &format!("{header}{rows_of_file}"));
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains(refusal), "{}", stderr(&output));
            assert_eq!(rows(&observer).await, before);
        }
        let good = format!("{header}2026-11-25,a,b,1,EUR,two\n2026-11-25,a,b,1,EUR,three\n");
        assert!(imported(&url, "csv", &good).starts_with("imported 2 entries"));
        book.is_sound().await;
    }

    async fn nothing_is_imported_into_a_closed_period(test: TestDatabase) {
        let (url, observer) = (test.url().to_owned(), test.observer().await);
        let book = Book::new(test).await;
        let closing = CloseBooks {
            random: random(),
            code_prefix: "shut:".to_owned(),
            closed_until: Some("2026-11-23T00:00:00Z".parse().unwrap()),
            reason: None,
            recorded_by: None,
        };
        book.write(async |tx| close_books(tx, closing, &Clock::at(noon())).await).await.unwrap();
        let before = rows(&observer).await;
        let header = "date,debit,credit,amount,currency\n";
        // Of an account that the file itself opens, too.
        let output = import(&url, "csv", &format!("{header}2026-11-22,a,b,1,EUR\n2026-11-22,a,shut:b,1,EUR\n"));
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(said.contains("line 3: the books are closed until 2026-11-23T00:00:00Z for the accounts whose codes begin with `shut:`"), "{said}");
        assert_eq!(rows(&observer).await, before);
        imported(&url, "csv", &format!("{header}2026-11-22,a,b,1,EUR\n2026-11-23,a,shut:b,1,EUR\n"));
        book.is_sound().await;
    }

    async fn each_refusal_names_its_line(test: TestDatabase) {
        let (url, observer) = (test.url().to_owned(), test.observer().await);
        let book = Book::new(test).await;
        for (code, currency) in [("frozen", "EUR"), ("taken", "USD"), ("taken [EUR]", "JPY")] {
            let account = OpenAccount { currency: currency.to_owned(), limit_policy: LimitPolicy::None, ..new_account(code) };
            book.open(account).await.unwrap();
        }
        book.set_status("frozen", AccountStatus::Frozen).await.unwrap();
        let before = rows(&observer).await;
        let long = "x".repeat(65);
        let description = "x".repeat(1001);
        // An account with a limit that it is not within at the end of the file.
        let limited = |limits: &str| {
            let note = format!(r#"{{"name":"L","currency":"EUR","normalSide":"DEBIT","limitPolicy":"NONE",{limits}}}"#);
            format!("account limited\n    ; daybook: {note}\n\n2026-11-25 x\n  limited  1 EUR\n  b\n")
        };
        for (format, text, refusal) in [
            ("hledger", &*limited(r#""minBalance":"x""#), "line 1: what Daybook wrote of the account was changed: `x` is unknown"),
            ("hledger", &*limited(r#""maxBalance":"99""#), "line 1: its limits cannot be set after what the file posts: the account `limited` is beyond this limit by 1 minor units of EUR"),
            ("hledger", &*limited(r#""minBalance":"101""#), "line 1: its limits cannot be set after what the file posts: the account `limited` is beyond this limit by 1 minor units of EUR"),
            ("hledger", "2026-11-25 x\n  frozen  1 EUR\n  b\n", "line 1: the account `frozen` is frozen: set its status"),
            ("hledger", "2026-11-25 x\n  a  1 EUR\n  taken\n", "line 3: the ledger has an account `taken [EUR]`, and it is not in EUR"),
            ("hledger", "2026-11-25 x\n  a  1.234 EUR\n  b\n", "line 2: 1.234 has more decimal places than EUR has in this ledger, which is 2"),
            ("hledger", "2026-11-25 x\n  a  92233720368547758.08 EUR\n  b\n", "line 2: 92233720368547758.08 EUR is more than the ledger can keep"),
            ("hledger", "2026-11-25 x\n  a  92233720368547758.07 EUR\n  b\n\n2026-11-25 y\n  a  0.01 EUR\n  b\n", "line 5: the amounts on the account `"),
            ("hledger", &format!("2026-11-25 x\n  {long}  1 EUR\n  b\n"), &format!("line 2: the account `{long}` cannot be opened: `code` has 65 characters")),
            ("hledger", &format!("2026-11-25 {description}\n  a  1 EUR\n  b\n"), "line 1: `description` has 1001 characters"),
            ("hledger", "2026-11-25 x\n  a  1 h\n  b\n", "line 2: `h` is no currency's code, which is 3 to 12 capital letters and digits: say what it is with `--currency 'h=CODE'`"),
            ("hledger", "2026-11-25 x\n  a  1\n  b\n", "line 2: the amount has no currency: write one, or say which it is with `--currency '=CODE'`"),
            ("hledger", "2026-11-25 x\n  a  1 EUR\n  b\n  c  1 €\n", "line 3: `€` would be EUR, and so is `EUR` in this file"),
            (
                "hledger",
                "2026-11-25 x\n  p:q  1 EUR\n  p:q  1 USD\n  p:q [USD]  1 USD\n  b\n",
                "line 4: `p:q [USD]` in USD would be the same account of the ledger as `p:q`, which this file has too",
            ),
            (
                "csv",
                "date,debit,credit,amount,currency\n2026-11-25,p,b,1,EUR\n2026-11-25,p [USD],c,1,USD\n2026-11-25,p,c,1,USD\n",
                "line 4: `p` in USD would be the same account of the ledger as `p [USD]`, which this file has too",
            ),
            ("hledger", "~ monthly\n  a  1 EUR\n", "line 1: a periodic transaction is a rule"),
            ("hledger", "2026-11-25 x\n  a  1 EUR @ 2 USD\n  b\n", "line 2, column 12: a price makes two currencies one"),
            ("csv", "date,debit,credit,amount,currency\n2026-11-25,a,b,1,EUR\n2026-11-25,a,b,x,EUR\n", "line 3: the amount `x` is no positive number"),
            ("csv", "date,debit,credit,amount,currency\n2026-11-25,a,b,1,EUR\n2026-11-25,a,frozen,1,EUR\n", "line 3: the account `frozen` is frozen"),
        ] {
            let output = import(&url, format, text);
            assert_eq!(output.status.code(), Some(1), "{text}");
            let said = stderr(&output);
            let expected = format!("daybook: cannot import -: {refusal}");
            assert!(said.starts_with(&expected) && said.ends_with("; nothing was imported\n"), "{text}\nexpected {expected}\nand not  {said}");
            assert_eq!(rows(&observer).await, before, "{text}");
        }
        imported(&url, "hledger", &limited(r#""minBalance":"100","maxBalance":"100""#));
        assert_eq!(observer.i64("SELECT min_balance + max_balance FROM account WHERE code = 'limited'").await, 200);
    }

    async fn currencies_and_accounts_that_are_missing_are_made(test: TestDatabase) {
        let observer = test.observer().await;
        let text = "\
commodity 1.0000 FINE
account pot  ; type:L
2026-11-25 x
  assets:a  1.5 FINE
  pot:b  -1.5 FINE
  income  -1 JPY
  what  1 JPY
  assets:a  2,25 h
  what
";
        let output = daybook(&["import", "--format", "hledger", "--database", test.url(), "--currency", "h=HOUR", "-"], text);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "imported 1 entries of 3 lines; opened 6 accounts; 2 currencies registered\n", "{output:?}");
        let currencies = observer.texts("SELECT code || CAST(exponent AS text) FROM currency WHERE code IN ('FINE', 'HOUR') ORDER BY code").await;
        assert_eq!(currencies.into_iter().flatten().collect::<Vec<_>>(), ["FINE4", "HOUR2"]);
        let accounts = observer.texts("SELECT code || ' ' || normal_side FROM account ORDER BY code").await;
        assert_eq!(
            accounts.into_iter().flatten().collect::<Vec<_>>(),
            ["assets:a DEBIT", "assets:a [HOUR] DEBIT", "income CREDIT", "pot:b CREDIT", "what DEBIT", "what [HOUR] DEBIT"]
        );
    }
}
