//! What is executed, and what is answered.

use serde_json::{Value as Json, json};

use super::{data, engine, fails, fast_engine, prepared};

#[tokio::test]
async fn fields_with_one_response_key_are_executed_each() {
    for document in [
        "mutation { add(by: 1) { one } add(by: 1) { two } }",
        "mutation { ...A ...B } fragment A on Mutation { add(by: 1) { one } } fragment B on Mutation { add(by: 1) { two } }",
    ] {
        let (engine, prepared) = (engine(), prepared());
        let expected = json!({ "add": { "one": 1, "two": 1 } });
        data(&engine.run(document).await, &expected);
        assert_eq!(engine.calls.take(), ["add", "add"]);
        data(&prepared.run(document).await, &expected);
        assert_eq!(prepared.calls.take(), ["add"]);
    }
}

#[tokio::test]
async fn an_argument_has_no_default_where_a_variable_has_no_value() {
    let document = "query ($n: Int) { number(n: $n) }";
    fails(&engine().run(document).await);
    data(&prepared().run(document).await, &json!({ "number": 7 }));
}

#[tokio::test]
async fn a_condition_does_not_see_the_default_of_its_variable() {
    let document = "query ($no: Boolean = true) { number @skip(if: $no) }";
    data(&engine().run(document).await, &json!({ "number": 7 }));
    data(&prepared().run(document).await, &json!({}));
}

#[tokio::test]
async fn a_subscription_through_a_fragment_has_no_events() {
    let document = "subscription { ...F } fragment F on Events { added { one } }";
    assert_eq!(engine().events(document).await, Vec::<Json>::new());
    let events = [json!({ "data": { "added": { "one": 1 } } })];
    assert_eq!(prepared().events(document).await, events);
}

#[tokio::test]
async fn a_field_of_a_subscription_twice_is_two_streams() {
    let document = "subscription { added { one } added { two } }";
    let half = |field: &str, value: i32| json!({ "data": { "added": { field: value } } });
    let mut events = engine().events(document).await;
    events.sort_by_key(ToString::to_string);
    assert_eq!(events, [half("one", 1), half("two", 2)]);
    let events = [json!({ "data": { "added": { "one": 1, "two": 2 } } })];
    assert_eq!(prepared().events(document).await, events);
}

#[tokio::test]
async fn a_fragment_on_a_union_is_passed_over_inside_an_interface() {
    let document = "{ pets { ... on Beast { __typename } } }";
    data(&engine().run(document).await, &json!({ "pets": [{}, {}] }));
    let pets = json!({ "pets": [{ "__typename": "Dog" }, { "__typename": "Cat" }] });
    data(&prepared().run(document).await, &pets);
    let document =
        "{ pets { ...E } } fragment E on Beast { ...F } fragment F on Pet { __typename }";
    data(&engine().run(document).await, &json!({ "pets": [{}, {}] }));
    data(&prepared().run(document).await, &pets);
}

/// The engine's validation finds the null, unless that is made fast.
#[tokio::test]
async fn null_is_read_as_a_list_of_it() {
    let document = "query ($ids: [ID] = []) { holes(ids: $ids) }";
    let variables = json!({ "ids": null });
    fails(&engine().with(document, variables.clone()).await);
    let fast = fast_engine().with(document, variables.clone()).await;
    data(&fast, &json!({ "holes": 1 }));
    let refused = prepared().with(document, variables).await;
    assert_eq!(fails(&refused)["extensions"]["code"], "BAD_USER_INPUT");
}

#[tokio::test]
async fn an_error_behind_an_interface_has_no_path() {
    let document = "{ pet { name } }";
    assert_eq!(fails(&engine().failing(document).await).get("path"), None);
    let path = json!(["pet", "name"]);
    assert_eq!(fails(&prepared().failing(document).await)["path"], path);
}

#[tokio::test]
async fn an_error_below_an_item_of_a_list_has_the_path_of_the_item() {
    for list in ["dogs", "pets"] {
        let document = format!("{{ inner {{ {list} {{ name }} }} }}");
        let response = engine().failing(&document).await;
        assert_eq!(fails(&response)["path"], json!(["inner", list, 0]));
        let response = prepared().failing(&document).await;
        assert_eq!(fails(&response)["path"], json!(["inner", list, 0, "name"]));
    }
}

#[tokio::test]
async fn an_error_of_a_nullable_field_nulls_what_is_around_it() {
    let document = "{ number maybe }";
    assert_eq!(engine().failing(document).await["data"], Json::Null);
    let data = json!({ "number": 7, "maybe": null });
    assert_eq!(prepared().failing(document).await["data"], data);
}

/// By the specification, `add` is executed. Prepared operations leave that to whoever undoes what a mutation with errors has done.
#[tokio::test]
async fn an_error_of_a_nullable_field_ends_a_mutation() {
    let document = "mutation { maybe add(by: 1) { one } }";
    for server in [engine(), prepared()] {
        assert_eq!(server.failing(document).await["data"], Json::Null);
        assert_eq!(server.calls.take(), ["maybe"]);
    }
}

#[tokio::test]
async fn a_scalar_of_the_schemas_own_is_read_at_its_field() {
    let document = "query ($m: Money!) { number pay(money: $m) }";
    let variables = json!({ "m": "much" });
    let engine = engine();
    let late = engine.with(document, variables.clone()).await;
    assert_eq!(fails(&late).get("extensions"), None);
    assert_eq!(engine.calls.take(), ["number"]);
    let prepared = prepared();
    let refused = prepared.with(document, variables).await;
    assert_eq!(fails(&refused)["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(prepared.calls.take(), Vec::<&str>::new());
}
