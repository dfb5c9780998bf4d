//! `interfaces` in introspection, which the engine does not answer of interfaces.

use std::borrow::Cow;

use async_graphql::{
    ContextDirective, CustomDirective, CustomDirectiveFactory, EmptySubscription, ID, Interface,
    Json as Any, Object, Schema, ServerResult, SimpleObject, Value, parser::types::Directive,
    registry::Registry,
};
use graphql_operation::{Options, PreparedOperations};
use serde_json::json;

#[derive(SimpleObject)]
struct Book {
    id: ID,
    name: String,
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"))]
enum Node {
    Book(Book),
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"), field(name = "name", ty = "&String"))]
enum Named {
    Book(Book),
}

fn book() -> Book {
    Book {
        id: "b".into(),
        name: "A book".to_owned(),
    }
}

struct Query;

#[Object]
impl Query {
    async fn named(&self) -> Named {
        book().into()
    }

    async fn node(&self) -> Node {
        book().into()
    }

    async fn any(&self) -> Any<serde_json::Value> {
        Any(json!({ "__interfaces1": 1, "__kindOf_any": 2 }))
    }

    async fn queries(&self) -> Vec<Query> {
        vec![Query, Query]
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn query(&self) -> Query {
        Query
    }
}

/// Says what `#[derive(Interface)]` has no word for: that `Named` implements `Node`.
struct Implements;

impl CustomDirective for Implements {}

impl CustomDirectiveFactory for Implements {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("implements")
    }

    fn register(&self, registry: &mut Registry) {
        registry.add_implements("Named", "Node");
    }

    fn create(
        &self,
        _: &ContextDirective<'_>,
        _: &Directive,
    ) -> ServerResult<Box<dyn CustomDirective>> {
        Ok(Box::new(Self))
    }
}

fn schema() -> Schema<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
        .directive(Implements)
        .extension(PreparedOperations::new(Options::default()))
        .finish()
}

async fn answer(document: &str) -> String {
    let response = schema().execute(document).await;
    assert!(response.is_ok(), "{document}: {:?}", response.errors);
    serde_json::to_string(&response.data).unwrap()
}

#[tokio::test]
async fn an_interface_has_the_interfaces_that_it_implements() {
    let document = "{ __type(name: \"Named\") { interfaces { name interfaces { name } } b: interfaces { kind } name } node: __type(name: \"Node\") { interfaces { name } } }";
    assert_eq!(
        answer(document).await,
        r#"{"__type":{"interfaces":[{"name":"Node","interfaces":[]}],"b":[{"kind":"INTERFACE"}],"name":"Named"},"node":{"interfaces":[]}}"#
    );
    let document = "{ __schema { types { interfaces { name } } } }";
    let types = answer(document).await;
    assert_eq!(types.matches(r#"{"name":"Node"}"#).count(), 2, "{types}");
}

/// The engine would answer null further below.
#[tokio::test]
async fn the_schema_is_asked_at_the_top_alone() {
    for document in [
        "{ queries { __schema { queryType { name } } } }",
        "{ queries { ...F } } fragment F on Query { x: __type(name: \"Node\") { name } }",
        "mutation { query { __type(name: \"Node\") { name } } }",
    ] {
        let response = schema().execute(document).await;
        let message = &response.errors[0].message;
        assert!(
            message.ends_with("at the top of a query alone."),
            "{message}"
        );
        assert_eq!(response.data, Value::Null);
    }
}

/// What is asked for beside stands under a key that the client does not use, and nothing else is taken out of the answer.
#[tokio::test]
async fn a_client_may_use_any_alias() {
    let document = "{ __interfaces1: any __interfaces: any __type(name: \"Named\") { __interfaces3: name __interfaces_1: kind __kindOf_i: name i: interfaces { name } } }";
    assert_eq!(
        answer(document).await,
        r#"{"__interfaces1":{"__interfaces1":1,"__kindOf_any":2},"__interfaces":{"__interfaces1":1,"__kindOf_any":2},"__type":{"__interfaces3":"Named","__interfaces_1":"INTERFACE","__kindOf_i":"Named","i":[{"name":"Node"}]}}"#
    );
}
