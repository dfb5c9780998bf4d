//! `post`: what is posted, once, and what is refused.

use daybook::ledger::Id;
use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value as Json, json};

use super::{Ledger, ask};

/// Debits, credits, amounts and currencies of all lines, by entry.
async fn lines(ledger: &Ledger) -> Vec<String> {
    let observer = ledger.observer().await;
    let rows = observer
        .texts(
            "SELECT debit.code || ' ' || credit.code || ' ' || CAST(amount AS text) || ' ' || entry_line.currency
             FROM entry_line JOIN account debit ON debit.id = debit_account_id JOIN account credit ON credit.id = credit_account_id
             ORDER BY entry_id, line_no",
        )
        .await;
    rows.into_iter().flatten().collect()
}

const POST: [&str; 7] = [
    "post",
    "--debit",
    "assets:cash",
    "--credit",
    "income:sales",
    "--amount",
    "1.5",
];

on_every_engine! {
    /// An entry has what was asked for, and people see it with the balances after it.
    async fn an_entry_is_posted_and_shown(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        let before = ledger.counts().await;
        for (number, place) in ledger.places().into_iter().enumerate() {
            let reference = format!("order {number}");
            let args = [
                &POST[..], &["--credit", "customers:zoë", "--amount", "0.07", "--description", "Sale of\nthe day"],
                &["--reference", &reference, "--date", "2026-01-31", "--metadata", "order=17", "--metadata", "by=a=b"], &place,
            ].concat();
            let shown = ask(&args).await.printed();
            let (first, rest) = shown.split_once('\n').unwrap();
            let id = first.strip_suffix(" posted.").unwrap();
            let (cash, sales, zoë) = if number == 0 { ("113.91", "13.84", "100.07") } else { ("115.48", "15.34", "100.14") };
            let (free_cash, free_zoë) = if number == 0 { (" 83.91", " 70.07") } else { (" 85.48", " 70.14") };
            assert_eq!(rest, format!("\
counts from  2026-01-31T00:00:00.000000Z
description  Sale of the day
reference    {reference}

DEBIT        CREDIT         AMOUNT  CURRENCY
assets:cash  income:sales     1.50  EUR
assets:cash  customers:zoë    0.07  EUR

ACCOUNT        POSTED  AVAILABLE  CURRENCY
assets:cash    {cash}     {free_cash}  EUR
customers:zoë  {zoë}     {free_zoë}  EUR
income:sales    {sales}      {sales}  EUR
"));
            let Ok(Id::Entry(_)) = id.parse() else { panic!("{id} is no entry") };
        }
        let observer = ledger.observer().await;
        assert_eq!(ledger.counts().await, (before.0 + 2, before.1 + 4));
        assert_eq!(lines(&ledger).await[4..], [
            "assets:cash income:sales 150 EUR", "assets:cash customers:zoë 7 EUR",
            "assets:cash income:sales 150 EUR", "assets:cash customers:zoë 7 EUR",
        ]);
        let notes = observer.texts("SELECT description || CAST(metadata AS text) FROM entry WHERE reference IS NOT NULL ORDER BY reference").await;
        for note in notes {
            let note = note.unwrap();
            let metadata: Json = serde_json::from_str(note.strip_prefix("Sale of\nthe day").unwrap()).unwrap();
            assert_eq!(metadata, json!({ "order": "17", "by": "a=b" }));
        }
        ledger.book.is_sound().await;
    }

    /// Several currencies, accounts by their ids, and amounts by the places of their currency.
    async fn every_line_is_its_own(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        let id = Id::Account(ledger.book.find("assets:現金").await.id).to_string();
        let args = [
            "post", "--amount", "12.3", "--debit", "assets:cash", "--credit", "income:sales",
            "--amount", "7", "--debit", &id, "--credit", "equity", "--json",
        ];
        let posted = ask(&[&args[..], &ledger.places()[1]].concat()).await.json();
        assert_eq!((&posted["dryRun"], &posted["alreadyPosted"]), (&json!(false), &json!(false)));
        let amounts: Vec<&Json> = posted["entry"]["lines"].as_array().unwrap().iter().map(|line| &line["amount"]).collect();
        assert_eq!(amounts, [
            &json!({ "amount": "1230", "decimal": "12.30", "currency": "EUR" }), &json!({ "amount": "7", "decimal": "7", "currency": "JPY" }),
        ]);
        assert_eq!(lines(&ledger).await[4..], ["assets:cash income:sales 1230 EUR", "assets:現金 equity 7 JPY"]);
        let args = ["post", "--debit", "assets:cash", "--credit", "income:sales", "--amount", "92233720368547633.43", "--currency", "EUR"];
        ask(&[&args[..], &ledger.places()[0]].concat()).await.printed();
        assert_eq!(ledger.book.find("assets:cash").await.debits_posted, i64::MAX);
        ledger.book.is_sound().await;
    }

    /// With a reference, or with a key, a command can be repeated, on either way.
    async fn a_repeated_command_posts_once(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        let (before, _) = ledger.counts().await;
        for (number, more) in [(1, ["--reference", "order-17"]), (2, ["--idempotency-key", "key \"1\"".split(' ').next().unwrap()])] {
            let mut seen = Vec::new();
            for place in [ledger.places()[0], ledger.places()[1], ledger.places()[0]] {
                let args = [&POST[..], &more, &place].concat();
                let posted = ask(&[&args[..], &["--json"]].concat()).await.json();
                assert_eq!(posted["alreadyPosted"], !seen.is_empty());
                seen.push(posted["entry"]["id"].clone());
                let shown = ask(&args).await.printed();
                assert!(shown.contains(" was posted before: nothing was posted now.\n"), "{shown}");
            }
            assert!(seen.iter().all(|id| *id == seen[0]), "{seen:?}");
            assert_eq!(ledger.counts().await.0, before + number);
            // Another entry under the same name is none.
            let other = [&["post", "--debit", "assets:cash", "--credit", "income:sales", "--amount", "1.51"], &more[..], &ledger.places()[1]].concat();
            let said = ask(&other).await.refused(3);
            let code = ["REFERENCE_TAKEN", "IDEMPOTENCY_KEY_REUSED"][number as usize - 1];
            assert!(said.starts_with(&format!("daybook: {code}: ")) && said.ends_with("; nothing was posted\n"), "{said}");
            assert_eq!(ledger.counts().await.0, before + number);
        }
        // Without either, each command is another entry.
        for place in ledger.places() {
            ask(&[&POST[..], &place].concat()).await.printed();
        }
        assert_eq!(ledger.counts().await.0, before + 4);
    }

    /// Two at once, one by the server and one beside it.
    async fn two_at_once_post_one(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        let (before, _) = ledger.counts().await;
        let [database, server] = ledger.places().map(|place| [&POST[..], &["--reference", "r", "--json"], &place].concat());
        let (one, other) = tokio::join!(ask(&database), ask(&server));
        let (one, other) = (one.json(), other.json());
        assert_eq!(one["entry"]["id"], other["entry"]["id"]);
        assert_ne!(one["alreadyPosted"], other["alreadyPosted"]);
        assert_eq!(ledger.counts().await.0, before + 1);
    }

    async fn a_dry_run_posts_nothing(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        let before = ledger.counts().await;
        for place in ledger.places() {
            let args = [&POST[..], &["--dry-run", "--reference", "r", "--idempotency-key", "k"], &place].concat();
            let shown = ask(&args).await.printed();
            assert!(shown.starts_with("The entry would be posted: this was a dry run.\ncounts from  20"), "{shown}");
            assert!(shown.contains("\nassets:cash   113.84      83.84  EUR\n"), "{shown}");
            let json = ask(&[&args[..], &["--json"]].concat()).await.json();
            assert_eq!((&json["dryRun"], &json["alreadyPosted"]), (&json!(true), &json!(false)));
            let args = ["post", "--debit", "customers:zoë", "--credit", "assets:cash", "--amount", "70.01", "--dry-run"];
            let said = ask(&[&args[..], &place].concat()).await.refused(3);
            assert!(said.starts_with("daybook: INSUFFICIENT_FUNDS: "), "{said}");
        }
        assert_eq!(ledger.counts().await, before);
        // Neither the reference nor the key has been used up.
        let args = [&POST[..], &["--reference", "r", "--idempotency-key", "k", "--json"], &ledger.places()[1]].concat();
        assert_eq!(ask(&args).await.json()["alreadyPosted"], false);
    }

    /// What is refused says its code and what to do, and nothing is posted.
    async fn a_refusal_says_what_to_do(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        let before = ledger.counts().await;
        for (args, code, text) in [
            (&["--debit", "customers:zoë", "--credit", "assets:cash", "--amount", "70.01"][..], "INSUFFICIENT_FUNDS", "fund the account first"),
            (&["--debit", "assets:cash", "--credit", "assets:現金", "--amount", "1"], "CURRENCY_MISMATCH", "`assets:現金` is in JPY"),
            (&["--debit", "assets:cash", "--credit", "nobody", "--amount", "1"], "ACCOUNT_NOT_FOUND", "`nobody`"),
            (&["--debit", "nobody", "--credit", "assets:cash", "--amount", "1"], "ACCOUNT_NOT_FOUND", "`nobody`"),
            (&["--debit", "assets:cash", "--credit", "assets:cash", "--amount", "1"], "BAD_USER_INPUT", ""),
            (&["--debit", "assets:cash", "--credit", "income:sales", "--amount", "0.001"], "BAD_USER_INPUT", "EUR has only 2 decimal places"),
            (&["--debit", "assets:現金", "--credit", "equity", "--amount", "1.5"], "BAD_USER_INPUT", "JPY has only 0 decimal places"),
            (&["--debit", "assets:cash", "--credit", "income:sales", "--amount", "1", "--currency", "EURO"], "BAD_USER_INPUT", "no currency EURO; there are EGP, ERN, ETB, EUR"),
            (&["--debit", "assets:cash", "--credit", "income:sales", "--amount", "999999999999999999999"], "BAD_USER_INPUT", "EUR has no amount as large as this"),
            (&["--debit", "assets:cash", "--credit", "income:sales", "--amount", "92233720368547758"], "AMOUNT_OUT_OF_RANGE", ""),
        ] {
            let said = ledger.both(&[&["post"], args].concat()).await.refused(3);
            assert!(said.starts_with(&format!("daybook: {code}: ")), "{args:?}: {said}");
            let first = said.lines().next().unwrap();
            assert!(first.contains(text) && first.ends_with("; nothing was posted"), "{args:?}: {said}");
            assert_eq!(said.lines().count(), if said.contains("(and 1 more problem)") { 2 } else { 1 }, "{said}");
            let told = ledger.both(&[&["post", "--json"], args].concat()).await.refused(3);
            let told: Json = serde_json::from_str(&told).unwrap();
            assert_eq!((&told["outcome"], &told["code"]), (&json!("REFUSED"), &json!(code)), "{told}");
        }
        let args = ["--debit", "customers:zoë", "--credit", "assets:cash", "--amount", "70.01", "--json"];
        let told: Json = serde_json::from_str(&ledger.both(&[&["post"], &args[..]].concat()).await.refused(3)).unwrap();
        assert_eq!((&told["details"]["available"], &told["details"]["requested"]), (&json!("7000"), &json!("7001")));
        // Several things at once are listed.
        let args = ["--debit", "assets:cash", "--credit", "nobody", "--credit", "assets:cash", "--amount", "1", "--amount", "2"];
        let said = ledger.both(&[&["post"], &args[..]].concat()).await.refused(3);
        assert_eq!(said.lines().count(), 2, "{said}");
        assert_eq!(ledger.counts().await, before);
        ledger.book.is_sound().await;
    }
}
