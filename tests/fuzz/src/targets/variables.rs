//! The values that operations are given.

use daybook_test_harness::Engine;
use serde_json::Value as Json;

use crate::stand;

/// Operations that are given all that there is to give.
const OPERATIONS: [&str; 16] = [
    "mutation ($i: OpenAccountInput!) { openAccount(input: $i) { account { id code name metadata createdAt } } }",
    "mutation ($i: PostEntryInput!) { postEntry(input: $i) { entry { id effectiveAt metadata description lines { amount { decimal } } } accounts { code balances { posted { decimal } } } } }",
    "mutation ($i: PlaceHoldInput!) { placeHold(input: $i) { entry { id hold { status } } } }",
    "mutation ($i: CaptureHoldInput!) { captureHold(input: $i) { entry { id } } }",
    "mutation ($i: ReleaseHoldInput!) { releaseHold(input: $i) { entry { id } } }",
    "mutation ($i: ReverseEntryInput!) { reverseEntry(input: $i) { entry { id } } }",
    "mutation ($i: SetAccountStatusInput!) { setAccountStatus(input: $i) { account { status } } }",
    "query ($i: AccountRef!) { account(by: $i) { id code balances { posted { decimal } } } }",
    "query ($i: ID!) { entry(id: $i) { id lines { id } } node(id: $i) { id } nodes(ids: [$i, $i]) { id } }",
    "query ($f: Int, $l: Int, $a: String, $b: String, $i: AccountFilter, $o: AccountOrder! = { field: CODE }) { accounts(first: $f, last: $l, after: $a, before: $b, filter: $i, orderBy: $o) { totalCount edges { cursor node { code } } pageInfo { endCursor } } }",
    "query ($f: Int, $l: Int, $a: String, $b: String, $i: EntryFilter, $o: EntryOrder! = { field: RECORDED_AT }) { entries(first: $f, last: $l, after: $a, before: $b, filter: $i, orderBy: $o) { totalCount edges { cursor node { id effectiveAt } } pageInfo { endCursor } } }",
    "query ($i: PointInTime) { account(by: { code: \"cash\" }) { balances(at: $i) { posted { decimal } version } } }",
    "query ($f: Int, $l: Int, $a: String, $b: String, $i: StatementFilter, $o: OrderDirection! = ASC) { account(by: { code: \"cash\" }) { statement(first: $f, last: $l, after: $a, before: $b, filter: $i, direction: $o) { edges { cursor node { entry { id } } } } } }",
    "query ($i: CurrencyCode) { currencies { code } accounts(first: 1, filter: { currency: $i }) { totalCount } }",
    "query ($i: [ID!]!) { nodes(ids: $i) { id ... on Account { code } ... on Entry { kind } } }",
    "mutation ($i: PostEntryInput!, $n: PostEntryInput!) { a: postEntry(input: $i) { entry { id } } b: postEntry(input: $n) { entry { id } } }",
];

/// The first letter names an operation, the rest is its variables.
fn run(engine: Engine, input: &[u8]) {
    let Some((name, variables)) = input.split_first() else {
        return;
    };
    let operation = OPERATIONS.get(usize::from(name.wrapping_sub(b'a')));
    let (Some(operation), Ok(variables)) = (operation, std::str::from_utf8(variables)) else {
        return;
    };
    if serde_json::from_str::<Json>(variables).is_err() {
        return;
    }
    // As it was written: two members of one name stay two.
    let query = Json::from(*operation);
    let body = format!(r#"{{"query": {query}, "variables": {variables}}}"#);
    stand::on(engine, |stand| {
        let answer: Json = serde_json::from_str(&stand.graphql(&body)).unwrap();
        // The operation itself is good, so that only a limit refuses it before its variables are looked at.
        let extensions = &answer["errors"][0]["extensions"];
        let is_invalid = extensions["code"] == "GRAPHQL_VALIDATION_FAILED";
        assert!(!is_invalid || extensions["limit"].is_string(), "{answer}");
    });
}

pub(super) fn on_sqlite(input: &[u8]) {
    run(Engine::Sqlite, input);
}

pub(super) fn on_postgres(input: &[u8]) {
    run(Engine::Postgres, input);
}
