//! How texts and values are read, and written.

use async_graphql::Value;
use serde_json::json;

use super::{data, engine, fails, prepared};

#[tokio::test]
async fn a_block_string_keeps_a_backslash() {
    let document = r#"{ echo(text: """a \""" b""") }"#;
    data(
        &engine().run(document).await,
        &json!({ "echo": "a \\\"\"\" b" }),
    );
    data(
        &prepared().run(document).await,
        &json!({ "echo": "a \"\"\" b" }),
    );
}

#[tokio::test]
async fn characters_beyond_the_first_plane_have_no_escape() {
    for document in [
        r#"{ echo(text: "\uD83D\uDE00") }"#,
        r#"{ echo(text: "\u{1F600}") }"#,
    ] {
        fails(&engine().run(document).await);
        data(&prepared().run(document).await, &json!({ "echo": "😀" }));
    }
}

#[tokio::test]
async fn zero_has_no_sign() {
    fails(&engine().run("{ number(n: -0) }").await);
    data(
        &prepared().run("{ number(n: -0) }").await,
        &json!({ "number": 0 }),
    );
}

#[tokio::test]
async fn a_number_without_a_fraction_is_no_integer() {
    let document = "query ($n: Int!) { number(n: $n) }";
    fails(&engine().with(document, json!({ "n": 1.0 })).await);
    data(
        &prepared().with(document, json!({ "n": 1.0 })).await,
        &json!({ "number": 1 }),
    );
}

/// Not read by the engine, and GraphQL.
async fn is_not_read(documents: &[&str]) {
    for document in documents {
        fails(&engine().run(document).await);
        data(&prepared().run(document).await, &json!({ "number": 7 }));
    }
}

#[tokio::test]
async fn nothing_has_a_description() {
    is_not_read(&[
        "\"What for.\" query Q { number }",
        "query (\"What for.\" $n: Int) { number(n: $n) }",
        "{ ...F } \"What for.\" fragment F on Query { number }",
    ])
    .await;
}

#[tokio::test]
async fn a_variable_has_no_directive_behind_its_default() {
    is_not_read(&["query ($n: Int = 7 @marked) { number(n: $n) }"]).await;
}

#[tokio::test]
async fn nothing_stands_inside_a_type() {
    is_not_read(&[
        "query ($ids: [ID! ]! = []) { number ids(ids: $ids) @skip(if: true) }",
        "query ($n: Int # a number\n ! = 7) { number(n: $n) }",
    ])
    .await;
}

#[tokio::test]
async fn a_comment_may_not_follow_on() {
    is_not_read(&[
        "{ ... on# the root\n Query { number } }",
        "{ ...F } fragment F on# the root\n Query { number }",
    ])
    .await;
}

#[tokio::test]
async fn a_keyword_may_run_into_a_name() {
    let document = "queryOp0 { number }";
    data(&engine().run(document).await, &json!({ "number": 7 }));
    fails(&prepared().run(document).await);
}

#[test]
fn a_control_character_is_written_as_another_one() {
    assert_eq!(Value::String("\u{12}".into()).to_string(), "\"\\u0018\"");
}
