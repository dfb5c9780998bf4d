//! What is accepted.

use serde_json::json;

use super::{data, engine, prepared};

/// Accepted by the engine, and to be refused.
async fn accepts(documents: &[&str]) {
    for document in documents {
        assert!(engine().is_valid(document).await, "{document}");
        assert!(!prepared().is_valid(document).await, "{document}");
    }
}

/// Refused by the engine, and valid.
async fn refuses(documents: &[&str]) {
    for document in documents {
        assert!(!engine().is_valid(document).await, "{document}");
        assert!(prepared().is_valid(document).await, "{document}");
    }
}

#[tokio::test]
async fn fields_are_compared_only_within_one_type_condition() {
    accepts(&[
        "mutation { add(by: 1) { one } ... on Mutation { add(by: 2) { one } } }",
        "{ a: pets { x: id } a: pets { x: name } }",
    ])
    .await;
}

#[tokio::test]
async fn a_key_may_be_there_twice() {
    accepts(&["mutation { post(line: { amount: 1, amount: 777 }) }"]).await;
    let engine = engine();
    let response = engine
        .run("mutation { post(line: { amount: 1, amount: 777 }) }")
        .await;
    assert_eq!(response["data"]["post"], 777);
}

#[tokio::test]
async fn a_text_is_taken_for_an_enum() {
    accepts(&["{ side(side: \"LEFT\") }"]).await;
}

#[tokio::test]
async fn variables_may_be_null_where_null_may_not_stand() {
    accepts(&[
        "query ($a: ID) { ids(ids: [$a]) }",
        "query ($a: [ID]!) { ids(ids: $a) }",
        "query ($a: ID) { by(ref: { id: $a }) }",
    ])
    .await;
}

#[tokio::test]
async fn variables_may_be_of_another_type() {
    accepts(&[
        "query ($a: ID) { echo(text: $a) }",
        "query ($a: [Int!]) { list(ids: $a) }",
    ])
    .await;
    let document = "query ($a: ID) { echo(text: $a) }";
    let response = engine().with(document, json!({ "a": "x" })).await;
    data(&response, &json!({ "echo": "x" }));
}

#[tokio::test]
async fn a_list_of_an_unknown_type_with_a_default_panics() {
    let document = "query ($a: [Missing] = [1]) { list(ids: $a) }";
    assert_eq!(engine().run(document).await, "it panicked");
    assert!(!prepared().is_valid(document).await);
}

#[tokio::test]
async fn an_input_object_with_an_absent_variable_is_not_looked_at() {
    accepts(&["query ($a: ID) { by(ref: { nothing: $a }) }"]).await;
}

#[tokio::test]
async fn typename_is_passed_over() {
    refuses(&["query ($i: Boolean!) { __typename @include(if: $i) }"]).await;
    accepts(&[
        "{ __typename(x: 1) }",
        "{ __typename @nothing }",
        "{ __typename { x } }",
        "{ __typename @include(if: $undefined) }",
        "{ __typename @include(if: true) @include(if: true) }",
    ])
    .await;
}

#[tokio::test]
async fn a_subscription_may_have_two_fields_and_conditions() {
    accepts(&[
        "subscription { a: added { one } b: added { one } }",
        "subscription { added { one } ... @skip(if: false) { added { one } } }",
    ])
    .await;
}
