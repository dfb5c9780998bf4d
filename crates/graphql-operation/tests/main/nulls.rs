//! Where errors of fields end.

use async_graphql::{EmptySubscription, Error, Interface, Object, Result, Schema};
use graphql_operation::{Options, PreparedOperations};
use serde_json::{Value as Json, json};

struct Dog;

#[Object]
impl Dog {
    async fn name(&self) -> Result<String> {
        Err(Error::new("no name"))
    }

    async fn nick(&self) -> Result<Option<String>> {
        Err(Error::new("no nick"))
    }
}

#[derive(Interface)]
#[graphql(
    field(name = "name", ty = "String"),
    field(name = "nick", ty = "Option<String>")
)]
enum Pet {
    Dog(Dog),
}

struct Query;

#[Object]
impl Query {
    async fn one(&self) -> i32 {
        1
    }

    async fn none(&self) -> Result<Option<i32>> {
        Err(Error::new("none"))
    }

    async fn pet(&self) -> Option<Pet> {
        Some(Dog.into())
    }

    async fn pets(&self) -> Vec<Option<Pet>> {
        vec![None, Some(Dog.into())]
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn one(&self) -> i32 {
        1
    }

    async fn none(&self) -> Result<Option<i32>> {
        Err(Error::new("none"))
    }

    async fn pet(&self) -> Option<Pet> {
        Some(Dog.into())
    }
}

async fn answers(document: &str, data: Json, paths: Json) {
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(PreparedOperations::new(Options::default()))
        .finish();
    let response = schema.execute(document).await;
    let mut found: Vec<_> = response
        .errors
        .iter()
        .map(|error| json!(error.path))
        .collect();
    found.sort_by_key(Json::to_string);
    assert_eq!(json!(response.data), data, "{document}");
    assert_eq!(json!(found), paths, "{document}");
}

#[tokio::test]
async fn an_error_makes_its_field_null_where_that_can_be() {
    answers(
        "{ one none }",
        json!({ "one": 1, "none": null }),
        json!([["none"]]),
    )
    .await;
    answers(
        "{ a: none b: none }",
        json!({ "a": null, "b": null }),
        json!([["a"], ["b"]]),
    )
    .await;
    let data = json!({ "pet": { "nick": null } });
    answers("mutation { pet { nick } }", data, json!([["pet", "nick"]])).await;
}

#[tokio::test]
async fn an_error_behind_an_interface_has_a_path() {
    answers(
        "{ pet { name } one }",
        json!({ "pet": null, "one": 1 }),
        json!([["pet", "name"]]),
    )
    .await;
    let data = json!({ "pets": [null, { "nick": null }] });
    answers("{ pets { nick } }", data, json!([["pets", 1, "nick"]])).await;
    let data = json!({ "pets": [null, null] });
    answers("{ pets { name } }", data, json!([["pets", 1, "name"]])).await;
}

/// Who undoes what a root field of a mutation has done has to see its error.
#[tokio::test]
async fn an_error_of_a_mutation_ends_it() {
    answers("mutation { none one }", json!(null), json!([["none"]])).await;
}
