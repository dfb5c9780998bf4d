//! Documents that are executed.

use daybook_test_harness::Engine;
use serde_json::json;

use super::document;
use crate::stand;

pub(super) fn run(input: &[u8]) {
    let Some((document, variables)) = document::split(input) else {
        return;
    };
    let body = json!({ "query": document, "variables": variables }).to_string();
    stand::on(Engine::Sqlite, |stand| drop(stand.graphql(&body)));
}
