//! What people type wrongly, and what they are told.

use super::ask;

#[tokio::test]
async fn every_wrong_value_is_told_at_once() {
    let said = ask(&[
        "statement",
        "a",
        "--from",
        "yesterday",
        "--until",
        "2026-02-30",
        "--time-zone",
        "Berlin",
        "--last",
        "0",
        "--format",
        "pdf",
        "--color",
        "blue",
        "--timeout",
        "soon",
        "--server",
        "ledger.example",
    ])
    .await
    .refused(1);
    for line in [
        "daybook: 8 settings are wrong",
        "  --from is \"yesterday\"; expected a date such as 2026-01-31, or an instant such as 2026-01-31T12:00:00+01:00",
        "  --until is \"2026-02-30\"; expected a date such as 2026-01-31, or an instant such as 2026-01-31T12:00:00+01:00",
        "  --time-zone is \"Berlin\"; expected the name of a time zone, such as Europe/Berlin or UTC",
        "  --last is \"0\"; expected a number from 1 to 10000",
        "  --format is \"pdf\"; expected table, json, csv or html",
        "  --color is \"blue\"; expected auto, always or never",
        "  --timeout is \"soon\"; expected a time of at most a day, such as 30s, 500ms or 2m",
        "  --server is wrong; expected a URL that begins with https:// or http:// and names no user, such as https://ledger.example",
    ] {
        assert!(
            said.lines().any(|said| said == line),
            "{line:?} is not in:\n{said}"
        );
    }
}

#[tokio::test]
async fn what_makes_no_entry_is_refused_before_anything_is_asked() {
    let (two, line) = (["--debit", "a", "--credit", "b"], ["--amount", "1"]);
    for (args, expected) in [
        (
            &["--amount", "1,50"][..],
            "--amount is \"1,50\"; expected an amount such as 12.34",
        ),
        (
            &["--amount", "12.34 EUR"],
            "--amount is \"12.34 EUR\"; expected an amount such as 12.34",
        ),
        (
            &["--amount", "-5"],
            "--amount is \"-5\"; expected a positive amount: to move it the other way, exchange --debit and --credit",
        ),
        (&["--amount", "0.00"], "expected a positive amount"),
        (
            &["--amount", "1", "--currency", "eur"],
            "--currency is \"eur\"; expected the code of a currency (3 to 12 capital letters and digits), such as EUR",
        ),
        (
            &["--amount", "1", "--metadata", "order"],
            "--metadata is \"order\"; expected a key and its text, such as order=17",
        ),
        (
            &["--amount", "1", "--metadata", "a=1", "--metadata", "a=2"],
            "--metadata is \"a=2\"; expected each key once",
        ),
        (
            &["--amount", "1", "--idempotency-key", "a b"],
            "--idempotency-key is \"a b\"; expected 1 to 255 visible ASCII characters",
        ),
        (
            &["--amount", "1", "--date", "31.1.2026"],
            "--date is \"31.1.2026\"; expected a date",
        ),
        // Two accounts, and one amount or three: which is which?
        (
            &["--amount", "1", "--debit", "c"],
            "--debit is wrong; expected to be there once for each of the 1 lines, or once for all: there are 2",
        ),
        (
            &[
                "--amount", "1", "--amount", "2", "--amount", "3", "--credit", "c",
            ],
            "--credit is wrong; expected to be there once for each of the 3 lines",
        ),
        (
            &["--amount", "1", "--currency", "EUR", "--currency", "USD"],
            "--currency is wrong; expected to be there once for each of the 1 lines",
        ),
    ] {
        let said = ask(&[&["post"], &two[..], args].concat()).await.refused(1);
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    // What is missing is told by the usage.
    for args in [
        &["post"][..],
        &["post", "--debit", "a"],
        &[&["post"], &line[..], &["--debit", "a"]].concat(),
        &["statement"],
    ] {
        let said = ask(args).await.refused(2);
        assert!(
            said.contains("required") && said.contains("Usage: daybook "),
            "{said}"
        );
    }
    // The flag of a value that is missing is not taken for the value.
    let said = ask(&["post", "--debit", "--credit", "b", "--amount", "1"])
        .await
        .refused(2);
    assert!(
        said.contains("a value is required for '--debit <ACCOUNT>'"),
        "{said}"
    );
    let said = ask(&["statement", "a", "--json", "--format", "csv"])
        .await
        .refused(1);
    assert!(
        said.contains("--json is wrong; expected to stand alone, without --format"),
        "{said}"
    );
    let said = ask(&["balance", "--depth", "1", "--at", "2026-01-31T00:00:00Z"])
        .await
        .refused(1);
    assert!(
        said.contains("--at is wrong; expected a date, if there is --depth"),
        "{said}"
    );
}

#[tokio::test]
async fn help_has_examples_and_exit_codes() {
    for command in ["accounts", "balance", "statement", "post"] {
        let help = ask(&[command, "--help"]).await.printed();
        assert!(
            help.contains(&format!("Examples:\n  daybook {command}")),
            "{help}"
        );
        for text in [
            "Exit codes: 0 done;",
            "3 refused by the ledger",
            "5 it is not known",
            "DAYBOOK_TOKEN",
            "--server <URL>",
            "--json",
        ] {
            assert!(
                help.contains(text),
                "{text} is not in the help of {command}: {help}"
            );
        }
        let page = ask(&["man", command]).await.printed();
        assert!(
            page.contains(&format!(".TH daybook-{command} 1")) && page.contains("Exit codes"),
            "{page}"
        );
    }
}
