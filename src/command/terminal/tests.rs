//! The documents of the commands.

use async_graphql::{Request, Variables};
use graphql_operation::Preparer;
use serde_json::json;

use super::{accounts, balance, statement};
use crate::graphql;

/// Operations beyond this count as heavy, and a server runs few of those at once (`--heavy-complexity`).
const HEAVY: usize = 2_000;

#[test]
fn no_page_is_a_heavy_operation() {
    let schema = graphql::operation_schema().unwrap();
    let preparer = Preparer::new(schema, graphql::operations());
    let first = json!({ "account": { "code": "a" }, "first": statement::PAGE, "order": "EFFECTIVE_AT", "direction": "ASC", "hasOpening": true });
    let next = json!({ "account": { "code": "a" }, "first": statement::PAGE, "order": "EFFECTIVE_AT", "direction": "ASC" });
    for (document, variables) in [
        (accounts::DOCUMENT, json!({})),
        (balance::ACCOUNTS, json!({})),
        (statement::FIRST, first),
        (statement::NEXT, next),
    ] {
        let mut request = Request::new(document).variables(Variables::from_json(variables));
        let measure = preparer.prepare(&mut request).unwrap().measure();
        assert!(
            measure.complexity > HEAVY / 2,
            "{measure:?}: the page is small"
        );
        assert!(measure.complexity <= HEAVY, "{measure:?}: {document}");
        assert_eq!(measure.weight, 0, "{document}");
    }
}
