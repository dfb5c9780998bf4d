//! The first ten minutes of a newcomer.

use daybook_migration::migrations;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::DbBackend;
use serde_json::json;

use super::server::{Ledger, POST, line};

on_every_engine! {
    /// Open two accounts, post between them, ask for a balance, make a mistake in the second of two aliased mutations:
    /// the first one did not happen either.
    async fn open_post_fail_see_nothing_moved(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let posted = ledger.post("cash", "alice", 1500).await;
        assert_eq!(posted["entry"]["lines"][0]["amount"], json!({ "amount": "1500", "decimal": "15.00", "currency": "EUR" }));
        assert_eq!(posted["accounts"].as_array().map(Vec::len), Some(2));
        assert_eq!(ledger.balance("alice").await, 1500);

        let twice = "mutation ($a: PostEntryInput!, $b: PostEntryInput!) {
            fine: postEntry(input: $a) { entry { id } }
            tooMuch: postEntry(input: $b) { entry { id } }
        }";
        let error = ledger.error(twice, json!({
            "a": { "lines": [line("cash", "alice", 100, "EUR")] },
            "b": { "lines": [line("alice", "cash", 1601, "EUR")] },
        })).await;
        assert_eq!(error["path"], json!(["tooMuch"]));
        assert_eq!(error["extensions"]["code"], "INSUFFICIENT_FUNDS");
        // The second mutation saw what the first had done: 1600 were available, and one more was asked for.
        assert_eq!(error["extensions"]["available"], "1600");
        assert_eq!(error["extensions"]["requested"], "1601");

        assert_eq!((ledger.balance("alice").await, ledger.balance("cash").await), (1500, 1500));
        assert_eq!((ledger.count("entry").await, ledger.count("entry_line").await), (1, 1));
        let balance = ledger.data("{ account(by: { code: \"alice\" }) { balances { available { decimal } version } } }", json!({})).await;
        assert_eq!(balance, json!({ "account": { "balances": { "available": { "decimal": "15.00" }, "version": "1" } } }));
        let check = ledger.data("{ verifyLedger { ok accounts entries lines differences { message } truncated } }", json!({})).await;
        assert_eq!(check["verifyLedger"], json!({
            "ok": true, "accounts": "2", "entries": "1", "lines": "1", "differences": [], "truncated": false,
        }));
    }

    /// One entry, several lines, several currencies: all of it, or none.
    async fn lines_of_several_currencies(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("yen", "JPY", "DEBIT", "NONE").await;
        ledger.open("bob", "JPY", "CREDIT", "NONE").await;
        let lines = json!([
            line("cash", "alice", 5, "EUR"),
            line("yen", "bob", 7, "JPY"),
            line("cash", "alice", 1, "EUR"),
        ]);
        let input = json!({ "lines": lines, "description": "both", "effectiveAt": "2020-02-29T23:59:59.5+01:00", "metadata": { "a": [1, null] } });
        let posted = ledger.data(POST, json!({ "input": input })).await;
        let entry = &posted["postEntry"]["entry"];
        assert_eq!(entry["effectiveAt"], "2020-02-29T22:59:59.500000Z");
        assert_eq!(entry["kind"], "POST");
        let decimals: Vec<_> = entry["lines"].as_array().unwrap().iter().map(|line| line["amount"]["decimal"].as_str().unwrap()).collect();
        assert_eq!(decimals, ["0.05", "7", "0.01"]);
        assert_eq!((ledger.balance("alice").await, ledger.balance("bob").await), (6, 7));

        let lines = json!([line("cash", "alice", 5, "EUR"), line("cash", "bob", 5, "EUR")]);
        let error = ledger.error(POST, json!({ "input": { "lines": lines } })).await;
        assert_eq!(error["extensions"]["code"], "CURRENCY_MISMATCH");
        assert_eq!((ledger.balance("alice").await, ledger.balance("bob").await), (6, 7));
    }

    /// Verification finds damage that was done without the server.
    async fn verification_finds_damage(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 10).await;
        ledger.observer().await.execute("UPDATE account SET debits_posted = 11 WHERE code = 'cash'").await;
        let check = ledger.data("{ verifyLedger { ok differences { kind message accountId } } }", json!({})).await;
        assert_eq!(check["verifyLedger"]["ok"], false);
        assert_eq!(check["verifyLedger"]["differences"][0]["kind"], "TOTAL");
        let message = check["verifyLedger"]["differences"][0]["message"].as_str().unwrap();
        assert!(message.contains("cash") && message.contains("11") && message.contains("10"), "{message}");
    }

    /// The currencies of ISO 4217 are there from the start.
    async fn currencies_are_there(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        let data = ledger.data("{ currencies { code exponent } }", json!({})).await;
        let currencies = data["currencies"].as_array().unwrap();
        assert!(currencies.len() > 150, "{} currencies", currencies.len());
        for (code, exponent) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)] {
            assert!(currencies.contains(&json!({ "code": code, "exponent": exponent })), "{code}");
        }
    }

    /// Ready means: the database answers, and has every migration.
    async fn readiness(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        assert_eq!(ledger.get("/readyz").await.0, 200);
        ledger.observer().await.execute("DELETE FROM seaql_migrations").await;
        let (status, reason) = ledger.get("/readyz").await;
        assert_eq!(status, 503);
        assert!(reason.contains("daybook migrate"), "{reason}");
        assert_eq!(ledger.get("/healthz").await.0, 200);
    }

    /// Servers that start at the same time on an empty database all come up, and it is migrated once.
    async fn servers_that_start_together(test: TestDatabase) {
        let engine = match test.engine() {
            Engine::MariaDb => DbBackend::MySql,
            Engine::Sqlite | Engine::Postgres => DbBackend::Sqlite,
        };
        let url = daybook::config::DatabaseUrl::parse(test.url()).unwrap();
        let starts = (0..4).map(|_| daybook::database::migrate(&url));
        for started in futures_util::future::join_all(starts).await {
            started.unwrap();
        }
        let applied = test.observer().await.i64("SELECT COUNT(*) FROM seaql_migrations").await;
        assert_eq!(usize::try_from(applied), Ok(migrations(engine).len()));
    }
}
