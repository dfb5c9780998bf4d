//! The documents of the commands.

use super::{accounts, balance, post, statement};
use crate::graphql;
use graphql_operation::Preparer;

/// Operations beyond this count as heavy, and a server runs few of those at once (`--heavy-complexity`).
const HEAVY: usize = 2_000;

#[test]
fn no_page_is_a_heavy_operation() {
    let schema = graphql::operation_schema().unwrap();
    let preparer = Preparer::new(schema, graphql::operations());
    let none = serde_json::json!({});
    let _ = (
        preparer,
        none,
        accounts::DOCUMENT,
        balance::ACCOUNTS,
        post::POST,
        statement::FIRST,
        statement::NEXT,
        HEAVY,
    );
}
