//! `accounts` and `balance`.

use chrono::TimeDelta;
use daybook::ledger::OpenAccount;
use daybook_entity::{AccountStatus, LimitPolicy};
use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::json;

use super::{Ledger, ask, serve, texts};
use crate::{
    exchange::{
        command::export,
        reports::{Sums, by_hledger, filled},
    },
    ledger::book::{line, new_account, new_entry, noon},
};

const ACCOUNTS: &str = "\
ACCOUNT        NAME             CLASS   CURRENCY  SIDE    LIMIT               STATUS
assets:cash    “assets:cash”    asset   EUR       debit   none                open
assets:現金    “assets:現金”    asset   JPY       debit   none                frozen
customers:zoë  “customers:zoë”          EUR       credit  no debit overdraft  open
equity         “equity”         equity  JPY       credit  none                open
income:sales   “income:sales”   income  EUR       credit  none                open
";

const LIMITS: &str = "\
ACCOUNT        NAME             CLASS   CURRENCY  SIDE    LIMIT                                 STATUS
assets:cash    “assets:cash”    asset   EUR       debit   at least -100.00, at most 500.00      open
assets:現金    “assets:現金”    asset   JPY       debit   at least -5                           open
customers:zoë  “customers:zoë”          EUR       credit  no debit overdraft, at most 10000.00  open
equity         “equity”         equity  JPY       credit  none                                  open
income:sales   “income:sales”   income  EUR       credit  none                                  open
";

const BALANCES: &str = "\
ACCOUNT        POSTED  PENDING  AVAILABLE  CURRENCY  SIDE
assets:cash    112.34   -30.00      82.34  EUR       debit
assets:現金      1500        0       1500  JPY       debit
customers:zoë  100.00   -30.00      70.00  EUR       credit
equity           1500        0       1500  JPY       credit
income:sales    12.34     0.00      12.34  EUR       credit
";

const GROUPS: &str = "\
GROUP      ACCOUNTS   DEBIT  CREDIT  CURRENCY
assets            1  112.34          EUR
customers         1          100.00  EUR
income            1           12.34  EUR
assets            1    1500          JPY
equity            1            1500  JPY
total             3  112.34  112.34  EUR
total             2    1500    1500  JPY
";

on_every_engine! {
    /// People get a table, aligned by the columns of a terminal, and it is the same from the server and from the database.
    async fn tables_are_aligned(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        ledger.book.set_status("assets:現金", AccountStatus::Frozen).await.unwrap();
        assert_eq!(ledger.both(&["accounts"]).await.printed(), ACCOUNTS);
        assert_eq!(ledger.both(&["balance"]).await.printed(), BALANCES);
        assert_eq!(ledger.both(&["balance", "--depth", "1"]).await.printed(), GROUPS);
        let one = ledger.both(&["balance", "customers:"]).await.printed();
        assert_eq!(one.lines().skip(1).collect::<Vec<_>>(), ["customers:zoë  100.00   -30.00      70.00  EUR       credit"]);
        // An empty table could be mistaken for a command that has not worked.
        for args in [&["accounts", "nobody"][..], &["balance", "nobody"], &["balance", "nobody", "--depth", "1"]] {
            let none = ledger.both(args).await;
            assert_eq!((none.code, none.out.as_str()), (Some(0), ""));
            assert!(none.err.contains("there is no such account"), "{none:?}");
            let none = ledger.both(&[args, &["--json"]].concat()).await;
            assert_eq!(none.json(), json!([]));
        }
    }

    /// The table has every limit of an account, and so has JSON.
    async fn limits_are_listed(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        for (code, policy, min, max) in [
            ("assets:cash", LimitPolicy::None, Some(-10_000), Some(50_000)),
            ("assets:現金", LimitPolicy::None, Some(-5), None),
            ("customers:zoë", LimitPolicy::NoDebitOverdraft, None, Some(1_000_000)),
        ] {
            ledger.book.limit(code, policy, min, max).await.unwrap();
        }
        let table = ledger.both(&["accounts"]).await.printed();
        assert_eq!(table, LIMITS);
        let accounts = ledger.both(&["accounts", "assets:cash", "--json"]).await.json();
        let limits = [&accounts[0]["minBalance"], &accounts[0]["maxBalance"]];
        assert_eq!(limits, [&json!({ "amount": "-10000", "decimal": "-100.00" }), &json!({ "amount": "50000", "decimal": "500.00" })]);
    }

    async fn accounts_are_chosen(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        ledger.book.set_status("equity", AccountStatus::Frozen).await.unwrap();
        for (args, codes) in [
            (&["assets:"][..], &["assets:cash", "assets:現金"][..]),
            (&["--class", "income"], &["income:sales"]),
            (&["--currency", "JPY"], &["assets:現金", "equity"]),
            (&["--status", "Frozen"], &["equity"]),
            (&["assets:", "--currency", "EUR", "--class", "ASSET", "--status", "open"], &["assets:cash"]),
        ] {
            let accounts = ledger.both(&[&["accounts", "--json"], args].concat()).await.json();
            assert_eq!(texts(&accounts, "code"), codes, "{args:?}");
        }
        let accounts = ledger.both(&["accounts", "customers", "--json"]).await.json();
        let id = ledger.book.find("customers:zoë").await.id;
        assert_eq!(accounts[0]["id"], daybook::ledger::Id::Account(id).to_string());
        for (member, value) in [
            ("name", json!("“customers:zoë”")), ("class", json!(null)), ("normalSide", json!("CREDIT")),
            ("limitPolicy", json!("NO_DEBIT_OVERDRAFT")), ("metadata", json!({})),
        ] {
            assert_eq!(accounts[0][member], value, "{accounts}");
        }
    }

    /// More accounts than a page has.
    async fn every_page_is_read(test: TestDatabase) {
        let ledger = Ledger::of(test, async |book| {
            for number in 0..230 {
                let account = OpenAccount { name: format!("{number}"), ..new_account(&format!("a:{number:03}")) };
                book.open(account).await.unwrap();
            }
            book.transfer("a:001", "a:229", 5).await.unwrap();
        }).await;
        let expected: Vec<String> = (0..230).map(|number| format!("a:{number:03}")).collect();
        for command in ["accounts", "balance"] {
            let all = ledger.both(&[command, "--json"]).await.json();
            assert_eq!(texts(&all, "code"), expected);
            let table = ledger.both(&[command]).await.printed();
            let codes: Vec<&str> = table.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
            assert_eq!(codes, expected);
        }
        let some = ledger.both(&["balance", "--nonzero"]).await.printed();
        let rows: Vec<&str> = some.lines().skip(1).collect();
        assert_eq!(rows, [
            "a:001     -0.05     0.00      -0.05  EUR       credit",
            "a:229      0.05     0.00       0.05  EUR       credit",
        ]);
    }

    /// hledger adds up what was exported.
    async fn balances_are_those_of_hledger(test: TestDatabase) {
        let url = test.url().to_owned();
        let book = filled(test).await;
        let server = serve(&url, &[]);
        let journal = export(&url, "hledger");
        let place = ["--server", server.base()];
        for day in [None, Some(-20), Some(-5), Some(0), Some(3)] {
            let date = day.map(|day| (noon().date_naive() + TimeDelta::days(day)).to_string());
            // hledger's end is the first day that is not in it.
            let end = day.map(|day| (noon().date_naive() + TimeDelta::days(day + 1)).to_string());
            let of_hledger: Vec<&str> = end.iter().flat_map(|end| ["-e", end]).collect();
            let at: Vec<&str> = date.iter().flat_map(|date| ["--at", date]).collect();

            let balances = ask(&[&["balance", "--json", "--nonzero"], &place[..], &at].concat()).await.json();
            let mut sums = Sums::new();
            for account in balances.as_array().unwrap() {
                let posted = account["balances"]["posted"]["decimal"].as_str().unwrap();
                let debits = match account["normalSide"].as_str().unwrap() {
                    "DEBIT" => posted.to_owned(),
                    _ => negated(posted),
                };
                if account["balances"]["posted"]["amount"] != "0" {
                    let of_code = sums.entry(account["code"].as_str().unwrap().to_owned()).or_default();
                    of_code.insert(account["currency"].as_str().unwrap().to_owned(), debits);
                }
            }
            assert!(sums.len() > 5 || day == Some(-20), "{sums:?}");
            assert_eq!(sums, by_hledger(&journal, &of_hledger), "{date:?}");

            let groups = ask(&[&["balance", "--json", "--depth", "1", "--nonzero"], &place[..], &at].concat()).await.json();
            let mut sums = Sums::new();
            for group in groups.as_array().unwrap() {
                let of_code = sums.entry(group["code"].as_str().unwrap().to_owned()).or_default();
                of_code.insert(group["currency"].as_str().unwrap().to_owned(), group["closing"]["decimal"].as_str().unwrap().to_owned());
            }
            assert_eq!(sums, by_hledger(&journal, &[&of_hledger[..], &["--depth", "1"]].concat()), "{date:?}");
        }
        drop(book);
    }

    /// A day is one of the time zone that is given, in the list as in the groups, and an instant is in what is as of it.
    async fn a_day_is_one_of_a_time_zone(test: TestDatabase) {
        let ledger = Ledger::of(test, async |book| {
            for code in ["a", "b"] {
                book.account(code).await;
            }
            let mut entry = new_entry(vec![line("a", "b", 7)]);
            // 23:30 of 31 January in Los Angeles.
            entry.notes.effective_at = Some("2026-02-01T07:30:00Z".parse().unwrap());
            book.post(entry).await.unwrap();
        }).await;
        for (at, posted) in [
            (&["--at", "2026-01-31"][..], "0.00"),
            (&["--at", "2026-01-31", "--time-zone", "America/Los_Angeles"], "0.07"),
            (&["--at", "2026-02-01"], "0.07"),
            (&["--at", "2026-02-01T07:30:00Z"], "0.07"),
            (&["--at", "2026-02-01T08:29:59.999999+01:00", "--time-zone", "Asia/Tokyo"], "0.00"),
        ] {
            let balances = ledger.both(&[&["balance", "b", "--json"], at].concat()).await.json();
            assert_eq!(balances[0]["balances"]["posted"]["decimal"], posted, "{at:?}");
            if at[1].len() == 10 {
                let groups = ledger.both(&[&["balance", "b", "--json", "--depth", "3"], at].concat()).await.json();
                assert_eq!(groups[0]["closing"]["decimal"], if posted == "0.00" { "0.00" } else { "-0.07" }, "{at:?}");
            }
        }
    }
}

fn negated(decimal: &str) -> String {
    match decimal.strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None => format!("-{decimal}"),
    }
}
