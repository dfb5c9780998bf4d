//! What is answered of the schema.

use serde_json::{Value as Json, json};

use super::{data, engine, fails, prepared};

#[tokio::test]
async fn an_interface_has_no_interfaces() {
    let document = "{ pet: __type(name: \"Pet\") { interfaces { name } } node: __type(name: \"Node\") { interfaces { name } } }";
    let null = json!({ "interfaces": null });
    let expected = json!({ "pet": &null, "node": &null });
    data(&engine().run(document).await, &expected);
    let node = json!([{ "name": "Node" }]);
    let expected = json!({ "pet": { "interfaces": node }, "node": { "interfaces": [] } });
    data(&prepared().run(document).await, &expected);
}

#[tokio::test]
async fn the_schema_is_null_below_the_top() {
    let document = "{ inner { __schema { queryType { name } } } }";
    data(
        &engine().run(document).await,
        &json!({ "inner": { "__schema": null } }),
    );
    fails(&prepared().run(document).await);
}

#[tokio::test]
async fn a_schema_has_a_description_that_nobody_gave_it() {
    let document = "{ __schema { description } }";
    let response = engine().run(document).await;
    assert_ne!(response["data"]["__schema"]["description"], Json::Null);
}
