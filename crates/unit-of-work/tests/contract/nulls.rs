//! Null propagation as <https://spec.graphql.org/October2021/#sec-Handling-Field-Errors> has it. A nullable field that
//! can fail is written `Option<Result<T>>`: with `Result<Option<T>>` the error goes past the field to its parent.

use daybook_test_harness::{Engine, TestDatabase};
use serde_json::{Value, json};

use crate::stage::{Stage, data};

#[tokio::test]
async fn null_propagation() {
    let stage = Stage::new(TestDatabase::create(Engine::Sqlite).await).await;
    let cases: [(&str, Value, &[Value]); 11] = [
        // A nullable field that fails is null, and its siblings stay.
        (
            "{ maybe(fail: true) ping }",
            json!({ "maybe": null, "ping": 1 }),
            &[json!(["maybe"])],
        ),
        (
            "{ maybe(fail: false) ping }",
            json!({ "maybe": 1, "ping": 1 }),
            &[],
        ),
        (
            "{ kid { maybe ping } ping }",
            json!({ "kid": { "maybe": null, "ping": 1 }, "ping": 1 }),
            &[json!(["kid", "maybe"])],
        ),
        // A non-null one takes its nearest nullable parent with it.
        (
            "{ kid { must ping } ping }",
            json!({ "kid": null, "ping": 1 }),
            &[json!(["kid", "must"])],
        ),
        (
            "{ kid { kid { kid { must } } } ping }",
            json!({ "kid": null, "ping": 1 }),
            &[json!(["kid", "kid", "kid", "must"])],
        ),
        ("{ must ping }", Value::Null, &[json!(["must"])]),
        (
            "{ mustHaveKid { must } ping }",
            Value::Null,
            &[json!(["mustHaveKid", "must"])],
        ),
        // In lists: a nullable element, elements of a nullable list, elements that are results themselves.
        (
            "{ kids { must } ping }",
            json!({ "kids": [null, null, null], "ping": 1 }),
            &[json!(["kids", 0, "must"]), json!(["kids", 2, "must"])],
        ),
        (
            "{ mustBeKids { must } ping }",
            json!({ "mustBeKids": null, "ping": 1 }),
            &[json!(["mustBeKids", 0, "must"])],
        ),
        (
            "{ someFail ping }",
            json!({ "someFail": [1, null, null], "ping": 1 }),
            &[json!(["someFail", 1])],
        ),
        (
            "{ first: maybe(fail: true) second: maybe(fail: true) }",
            json!({ "first": null, "second": null }),
            &[json!(["first"]), json!(["second"])],
        ),
    ];
    for (query, expected, paths) in cases {
        let response = stage.run(query).await;
        assert_eq!(data(&response), expected, "{query}");
        let mut found: Vec<_> = response
            .errors
            .iter()
            .map(|error| json!(error.path))
            .collect();
        found.sort_by_key(Value::to_string);
        assert_eq!(found, paths, "{query}");
        for error in &response.errors {
            assert_eq!(error.locations.len(), 1, "{query}: an error says where");
        }
    }
}
