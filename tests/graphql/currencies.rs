//! Currencies beside those of ISO 4217: who creates them, what is in the way, and that they count at once.

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::recorded_by::sent_by;
use super::server::{Ledger, line};

const CREATE: &str = "mutation ($input: CreateCurrencyInput!) { createCurrency(input: $input) { currency { code exponent symbol recordedAt recordedBy } } }";
const SYMBOL: &str = "mutation ($input: SetCurrencySymbolInput!) { setCurrencySymbol(input: $input) { currency { code exponent symbol } } }";

fn currency(code: &str, exponent: i64, symbol: &Value) -> Value {
    json!({ "input": { "code": code, "exponent": exponent, "symbol": symbol } })
}

async fn named(ledger: &Ledger, code: &str) -> Value {
    let all = ledger
        .data(
            "{ currencies { code exponent symbol recordedAt recordedBy } }",
            json!({}),
        )
        .await;
    let all = all["currencies"].as_array().unwrap().clone();
    all.into_iter()
        .find(|it| it["code"] == code)
        .unwrap_or_default()
}

on_every_engine! {
    /// In one operation: a currency, accounts in it, and an entry, with amounts that have its decimal places.
    async fn a_currency_counts_as_soon_as_it_is_created(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let lines = json!([line("hours", "work", 15, "HOUR")]);
        let query = "mutation ($lines: [LineInput!]!) {
            createCurrency(input: { code: \"HOUR\", exponent: 1, symbol: \" h \" }) { currency { code symbol } }
            a: openAccount(input: { code: \"hours\", name: \"Hours\", currency: \"HOUR\", normalSide: DEBIT }) { account { currency } }
            b: openAccount(input: { code: \"work\", name: \"Work\", currency: \"HOUR\", normalSide: CREDIT }) { account { currency } }
            postEntry(input: { lines: $lines }) { accounts { code balances { posted { decimal } } } } }";
        let data = ledger.data(query, json!({ "lines": lines })).await;
        assert_eq!(data["createCurrency"]["currency"], json!({ "code": "HOUR", "symbol": "h" }));
        assert_eq!(data["postEntry"]["accounts"][0]["balances"]["posted"]["decimal"], "1.5", "{data}");
        let created = named(&ledger, "HOUR").await;
        assert_eq!((&created["exponent"], &created["symbol"], &created["recordedBy"]), (&json!(1), &json!("h"), &Value::Null));
        assert!(created["recordedAt"].is_string(), "{created}");
        // Those of ISO 4217 have been there from the beginning.
        assert_eq!(named(&ledger, "EUR").await, json!({ "code": "EUR", "exponent": 2, "symbol": null, "recordedAt": null, "recordedBy": null }));
    }

    /// What fails leaves no currency behind, and a dry run leaves none either.
    async fn a_currency_is_created_with_its_operation_or_not_at_all(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let before = ledger.count("currency").await;
        let query = "mutation { createCurrency(input: { code: \"HOUR\", exponent: 0 }) { currency { code } }
            openAccount(input: { code: \"alice\", name: \"n\", currency: \"HOUR\", normalSide: DEBIT }) { account { id } } }";
        assert_eq!(ledger.error(query, json!({})).await["extensions"]["code"], "ACCOUNT_CODE_TAKEN");
        let dry = json!({ "query": CREATE, "variables": currency("HOUR", 0, &Value::Null), "extensions": { "dryRun": true } });
        let answer: Value = ledger.request(&dry).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["data"]["createCurrency"]["currency"]["code"], "HOUR", "{answer}");
        assert_eq!(ledger.count("currency").await, before);
    }

    async fn what_cannot_be_a_currency_is_refused_with_all_that_is_wrong(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let before = ledger.count("currency").await;
        let error = ledger.error(CREATE, currency("HOUR", 19, &json!("\u{7}"))).await;
        assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("BAD_USER_INPUT"), &json!("exponent")), "{error}");
        let problems: Vec<_> = error["extensions"]["problems"].as_array().unwrap().iter().map(|it| it["field"].clone()).collect();
        assert_eq!(problems, ["exponent", "symbol"], "{error}");
        for (code, exponent, symbol) in [
            ("HOUR", -1, Value::Null), ("HOUR", 0, json!("")), ("HOUR", 0, json!("  ")), ("HOUR", 0, json!("x".repeat(13))),
            ("HOUR", 0, json!("\u{202e}h")), ("hour", 0, Value::Null), ("HO", 0, Value::Null), ("HOURSHOURSHOU", 0, Value::Null), ("HO UR", 0, Value::Null),
        ] {
            let error = ledger.error(CREATE, currency(code, exponent, &symbol)).await;
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
        }
        let error = ledger.error(CREATE, currency("EUR", 3, &Value::Null)).await;
        let told = (&error["extensions"]["code"], &error["extensions"]["currency"], &error["extensions"]["exponent"]);
        assert_eq!(told, (&json!("CURRENCY_TAKEN"), &json!("EUR"), &json!(2)), "{error}");
        let error = ledger.error(SYMBOL, json!({ "input": { "code": "HOUR", "symbol": "h" } })).await;
        assert_eq!((&error["extensions"]["code"], &error["extensions"]["currency"]), (&json!("CURRENCY_NOT_FOUND"), &json!("HOUR")), "{error}");
        // What is left out is not taken for null.
        let error = ledger.error(SYMBOL, json!({ "input": { "code": "EUR" } })).await;
        assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("BAD_USER_INPUT"), &json!("symbol")), "{error}");
        assert_eq!(ledger.count("currency").await, before);
    }

    /// Of several that create the same code at once, one does, and the others are told what is there.
    async fn one_of_several_at_once_creates_it(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let answers = join_all((0..6).map(|exponent| ledger.run(CREATE, currency("HOUR", exponent, &Value::Null)))).await;
        let (created, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|it| it.get("errors").is_none());
        assert_eq!((created.len(), refused.len()), (1, 5));
        let exponent = &created[0]["data"]["createCurrency"]["currency"]["exponent"];
        assert_eq!(named(&ledger, "HOUR").await["exponent"], *exponent);
        for answer in refused {
            let told = &answer["errors"][0]["extensions"];
            assert_eq!((&told["code"], &told["exponent"]), (&json!("CURRENCY_TAKEN"), exponent), "{answer}");
        }
    }

    async fn a_symbol_changes_and_nothing_else_does(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        let create = "mutation { createCurrency(input: { code: \"POINT\", exponent: 0 }) { currency { recordedBy } } }";
        let answer = sent_by(&ledger, "ann", create).await;
        assert_eq!(answer["data"]["createCurrency"]["currency"]["recordedBy"], "ann", "{answer}");
        let observer = ledger.observer().await;
        for (symbol, stored) in [("\"★\"", Some("★")), ("\"★\"", Some("★")), ("null", None)] {
            let set = format!("mutation {{ setCurrencySymbol(input: {{ code: \"POINT\", symbol: {symbol} }}) {{ currency {{ symbol recordedBy }} }} }}");
            let answer = sent_by(&ledger, "bob", &set).await;
            assert_eq!(answer["data"]["setCurrencySymbol"]["currency"], json!({ "symbol": stored, "recordedBy": "ann" }), "{answer}");
            assert_eq!(observer.optional_text("SELECT symbol FROM currency WHERE code = 'POINT'").await.as_deref(), stored);
        }
        // Nobody gives amounts another meaning, not even past this server.
        for change in ["exponent = 1", "code = 'POINTS'", "recorded_by = 'bob'", "recorded_at = NULL"] {
            let refused = observer.try_execute(&format!("UPDATE currency SET {change} WHERE code = 'POINT'")).await.unwrap_err();
            assert!(refused.to_string().contains("currency_fixed"), "{change}: {refused}");
        }
    }
}
