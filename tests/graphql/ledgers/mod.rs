//! Several ledgers in one database, and tokens that are for some of them.

mod confined;
mod documents;
mod feed;
mod rules;

use serde_json::{Value, json};

use super::server::{Ledger, line};
use crate::http::{access::sign, jwt::claims};

/// A token for everything.
const ALL: &str =
    "ledger:read ledger:write ledger:verify ledger:close ledger:reopen ledger:webhooks";
/// A token for the ledger `acme` alone, with every other scope that there is.
const ACME: &str =
    "ledger:read:acme ledger:write:acme ledger:verify ledger:close ledger:reopen ledger:webhooks";

/// What an operation of somebody with these scopes is answered.
async fn ask(ledger: &Ledger, scopes: &str, query: &str, variables: Value) -> Value {
    let request = ledger
        .request(&json!({ "query": query, "variables": variables }))
        .bearer_auth(sign(&claims(scopes)));
    request.send().await.unwrap().json().await.unwrap()
}

/// As [`ask`], which must succeed: its data.
async fn data(ledger: &Ledger, scopes: &str, query: &str, variables: Value) -> Value {
    let mut answer = ask(ledger, scopes, query, variables).await;
    assert_eq!(answer.get("errors"), None, "{query}: {answer}");
    answer["data"].take()
}

/// As [`ask`], which must be refused: the code.
async fn refused(ledger: &Ledger, scopes: &str, query: &str, variables: Value) -> String {
    let answer = ask(ledger, scopes, query, variables).await;
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    code.unwrap_or_else(|| panic!("{query}: {answer}"))
        .to_owned()
}

const CREATE: &str = "mutation ($code: String!) { createLedger(input: { code: $code, name: $code }) { ledger { code name recordedBy } } }";
const OPEN: &str = "mutation ($code: String!, $side: Side!) {
  openAccount(input: { code: $code, name: $code, currency: \"EUR\", normalSide: $side, metadata: { of: $code } }) { account { id ledger { code } } }
}";
const POST: &str = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { alreadyPosted entry { id ledger { code } } } }";

async fn open(ledger: &Ledger, scopes: &str, code: &str, side: &str) -> Value {
    let opened = data(ledger, scopes, OPEN, json!({ "code": code, "side": side })).await;
    opened["openAccount"]["account"].clone()
}

/// An entry of `amount` from `{prefix}cash` to `{prefix}sales`, with a reference.
fn sale(prefix: &str, amount: i64, reference: &str) -> Value {
    let lines = [line(
        &format!("{prefix}cash"),
        &format!("{prefix}sales"),
        amount,
        "EUR",
    )];
    json!({ "input": { "lines": lines, "reference": reference, "description": format!("sale of {prefix}"),
        "metadata": { "of": prefix } } })
}

/// The ledgers `acme` and `beta`, each with an account for cash and one for sales, and as many beside them.
async fn two_ledgers(ledger: &Ledger) {
    for code in ["acme", "beta"] {
        data(ledger, ALL, CREATE, json!({ "code": code })).await;
    }
    for prefix in ["acme:", "beta:", ""] {
        open(ledger, ALL, &format!("{prefix}cash"), "DEBIT").await;
        open(ledger, ALL, &format!("{prefix}sales"), "CREDIT").await;
    }
}
