//! What the engine does with prepared operations.

use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};

use async_graphql::{
    BatchRequest, BatchResponse, Context, Enum, Error, Executor, ID, InputObject, Interface,
    Object, Request, Response, Schema, SimpleObject, Subscription, Union, Variables,
    futures_util::{Stream, StreamExt, stream},
};
use graphql_operation::{Options, PreparedOperation, PreparedOperations, Preparer, Preparing};
use serde_json::{Value as Json, json};

#[derive(SimpleObject)]
struct Dog {
    id: ID,
    name: String,
    barks: bool,
}

#[derive(SimpleObject)]
struct Cat {
    id: ID,
    name: String,
    meows: bool,
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"), field(name = "name", ty = "&String"))]
enum Pet {
    Dog(Dog),
    Cat(Cat),
}

#[derive(Union)]
enum Beast {
    Dog(Dog),
    Cat(Cat),
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

#[derive(InputObject)]
struct Line {
    amount: i32,
    #[graphql(default_with = "Side::Left")]
    side: Side,
}

fn dog() -> Dog {
    Dog {
        id: "d".into(),
        name: "Rex".to_owned(),
        barks: true,
    }
}

fn cat() -> Cat {
    Cat {
        id: "c".into(),
        name: "Tom".to_owned(),
        meows: false,
    }
}

struct Query;

#[Object]
impl Query {
    async fn ids(&self, ids: Vec<ID>) -> usize {
        ids.len()
    }

    async fn pets(&self) -> Vec<Pet> {
        vec![dog().into(), cat().into()]
    }

    async fn beasts(&self) -> Vec<Beast> {
        vec![dog().into(), cat().into()]
    }

    async fn echo(&self, text: String) -> String {
        text
    }

    async fn ratio(&self, of: f64) -> String {
        of.to_string()
    }

    async fn number(&self, #[graphql(default = 7)] n: i32) -> i32 {
        n
    }

    async fn optional(&self, #[graphql(default = 7)] n: Option<i32>) -> Option<i32> {
        n
    }

    async fn fails(&self) -> Option<Result<i32, Error>> {
        Some(Err(Error::new("it fails")))
    }

    async fn inner(&self) -> Query {
        Query
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn add(&self, ctx: &Context<'_>, by: i32) -> Added {
        ctx.data_unchecked::<Arc<AtomicI32>>()
            .fetch_add(by, Ordering::SeqCst);
        Added { one: 1, two: 2 }
    }

    async fn post(&self, ctx: &Context<'_>, line: Line) -> i32 {
        let sign = if line.side == Side::Left { 1 } else { -1 };
        let sum = ctx.data_unchecked::<Arc<AtomicI32>>();
        sum.fetch_add(sign * line.amount, Ordering::SeqCst) + sign * line.amount
    }
}

#[derive(SimpleObject)]
struct Added {
    one: i32,
    two: i32,
}

struct Events;

#[Subscription]
impl Events {
    async fn added(&self) -> impl Stream<Item = Added> {
        stream::iter([Added { one: 1, two: 2 }])
    }
}

struct Server {
    schema: Schema<Query, Mutation, Events>,
    sum: Arc<AtomicI32>,
}

impl Server {
    fn new() -> Self {
        let sum = Arc::new(AtomicI32::new(0));
        let schema = Schema::build(Query, Mutation, Events)
            .data(Arc::clone(&sum))
            .extension(PreparedOperations::new(Options::default()))
            .finish();
        Self { schema, sum }
    }

    async fn run(&self, document: &str, variables: Json) -> Json {
        let request = Request::new(document).variables(Variables::from_json(variables));
        serde_json::to_value(self.schema.execute(request).await).unwrap()
    }

    /// The data as it is written.
    async fn text(&self, document: &str) -> String {
        let response = self.schema.execute(document).await;
        assert!(response.is_ok(), "{document}: {:?}", response.errors);
        serde_json::to_string(&response.data).unwrap()
    }

    async fn data(&self, document: &str, variables: Json) -> Json {
        let response = self.run(document, variables).await;
        assert_eq!(response.get("errors"), None, "{document}: {response}");
        response["data"].clone()
    }
}

#[tokio::test]
async fn a_mutation_field_runs_once() {
    let server = Server::new();
    for document in [
        "mutation { add(by: 1) { one } add(by: 1) { two } }",
        "mutation { ...A ...B } fragment A on Mutation { add(by: 1) { one } } fragment B on Mutation { add(by: 1) { two } }",
    ] {
        let data = server.text(document).await;
        assert_eq!(data, r#"{"add":{"one":1,"two":2}}"#);
    }
    assert_eq!(server.sum.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_condition_sees_the_default_of_its_variable() {
    let server = Server::new();
    let document = "mutation ($dry: Boolean = true) { add(by: 5) @skip(if: $dry) { one } }";
    assert_eq!(server.data(document, Json::Null).await, json!({}));
    assert_eq!(server.sum.load(Ordering::SeqCst), 0);
    let data = server.data(document, json!({ "dry": false })).await;
    assert_eq!(data, json!({ "add": { "one": 1 } }));
    let document = "query ($i: Boolean!) { __typename @include(if: $i) number }";
    let data = server.data(document, json!({ "i": true })).await;
    assert_eq!(data, json!({ "__typename": "Query", "number": 7 }));
}

#[tokio::test]
async fn an_argument_without_a_value_has_its_default() {
    let server = Server::new();
    let document = "query ($n: Int) { number(n: $n) optional(n: $n) }";
    let data = server.data(document, json!({})).await;
    assert_eq!(data, json!({ "number": 7, "optional": 7 }));
    let data = server.data(document, json!({ "n": 1.0 })).await;
    assert_eq!(data, json!({ "number": 1, "optional": 1 }));
}

/// The engine would add 5 before it finds the null.
#[tokio::test]
async fn nothing_runs_where_null_stands_in_place_of_a_number() {
    let server = Server::new();
    let document = "mutation ($n: Int = 1) { add(by: 5) { one } null: add(by: $n) { one } }";
    let response = server.run(document, json!({ "n": null })).await;
    assert_eq!(response["data"], Json::Null);
    let extensions = &response["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "BAD_USER_INPUT", "{response}");
    assert_eq!(server.sum.load(Ordering::SeqCst), 0);
    let lists = "query ($ids: [ID!] = []) { ids(ids: $ids) }";
    let response = server.run(lists, json!({ "ids": null })).await;
    assert_eq!(response["data"], Json::Null, "{response}");
    assert_eq!(server.data(lists, json!({})).await, json!({ "ids": 0 }));
}

#[tokio::test]
async fn texts_are_read_by_the_specification() {
    let server = Server::new();
    let cases = [
        (r#"{ echo(text: "\uD83D\uDE00\u{1F600}") }"#, "😀😀"),
        (
            r#""What for." query { echo(text: """a \""" b""") }"#,
            "a \"\"\" b",
        ),
    ];
    for (document, text) in cases {
        assert_eq!(
            server.data(document, Json::Null).await,
            json!({ "echo": text })
        );
    }
    assert_eq!(
        server.data("{ number(n: -0) }", Json::Null).await,
        json!({ "number": 0 })
    );
}

/// Of two doubles, the nearer one is meant.
#[tokio::test]
async fn numbers_with_a_fraction_are_read_to_the_last_digit() {
    let server = Server::new();
    for text in ["663.51482225939316", "930.2802167311013", "0.1", "5e-324"] {
        let number: f64 = text.parse().unwrap();
        let expected = json!({ "ratio": number.to_string() });
        let literal = format!("{{ ratio(of: {text}) }}");
        assert_eq!(server.data(&literal, Json::Null).await, expected);
        let variables = serde_json::from_str(&format!(r#"{{"of":{text}}}"#)).unwrap();
        let document = "query ($of: Float!) { ratio(of: $of) }";
        assert_eq!(server.data(document, variables).await, expected);
    }
}

#[tokio::test]
async fn what_is_not_valid_does_not_run() {
    let server = Server::new();
    for (document, variables, code) in [
        (
            "mutation { post(line: { amount: 1, amount: 777 }) }",
            Json::Null,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation { post(line: { amount: 1, side: \"LEFT\" }) }",
            Json::Null,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation { add(by: 1) { one } ... on Mutation { add(by: 2) { one } } }",
            Json::Null,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation ($l: Line!) { post(line: $l) }",
            json!({ "l": { "amount": "1" } }),
            "BAD_USER_INPUT",
        ),
        (
            "mutation { add(by: 1) { one }",
            Json::Null,
            "GRAPHQL_PARSE_FAILED",
        ),
        (
            "mutation A { add(by: 1) { one } } mutation B { add(by: 1) { one } }",
            Json::Null,
            "OPERATION_RESOLUTION_FAILURE",
        ),
    ] {
        let response = server.run(document, variables).await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"], code,
            "{response}"
        );
        assert_eq!(response["data"], Json::Null);
    }
    assert_eq!(server.sum.load(Ordering::SeqCst), 0);
    // All that is wrong is told.
    let response = server.run("{ nothing1 nothing2 }", Json::Null).await;
    assert_eq!(
        response["errors"].as_array().unwrap().len(),
        2,
        "{response}"
    );
}

#[tokio::test]
async fn defaults_of_input_objects_are_applied() {
    let server = Server::new();
    let data = server
        .data(
            "mutation ($l: Line!) { post(line: $l) }",
            json!({ "l": { "amount": 3 } }),
        )
        .await;
    assert_eq!(data, json!({ "post": 3 }));
    let data = server
        .data(
            "mutation ($l: Line! = { amount: 2, side: RIGHT }) { post(line: $l) }",
            Json::Null,
        )
        .await;
    assert_eq!(data, json!({ "post": 1 }));
}

#[tokio::test]
async fn objects_of_abstract_types_have_their_fields_in_order() {
    let server = Server::new();
    let document = "{ pets { ... on Dog { barks } id ... on Pet { name } ...C } beasts { __typename ... on Pet { name } ...C } }
        fragment C on Cat { meows name }";
    assert_eq!(
        server.text(document).await,
        r#"{"pets":[{"barks":true,"id":"d","name":"Rex"},{"id":"c","name":"Tom","meows":false}],"beasts":[{"__typename":"Dog","name":"Rex"},{"__typename":"Cat","name":"Tom","meows":false}]}"#
    );
    let document = "{ inner { pets { ... on Beast { __typename ... on Cat { meows } } } } }";
    assert_eq!(
        server.text(document).await,
        r#"{"inner":{"pets":[{"__typename":"Dog"},{"__typename":"Cat","meows":false}]}}"#
    );
}

#[tokio::test]
async fn errors_stand_where_their_field_stood() {
    let server = Server::new();
    let document =
        "{\n  ...F\n}\nfragment F on Query {\n  inner { x: fails } inner { x: fails number } }";
    let response = server.run(document, Json::Null).await;
    assert_eq!(
        response["data"],
        json!({ "inner": { "x": null, "number": 7 } })
    );
    let errors = json!([{ "message": "it fails", "locations": [{ "line": 5, "column": 11 }], "path": ["inner", "x"] }]);
    assert_eq!(response["errors"], errors);
}

#[tokio::test]
async fn a_subscription_is_one_stream() {
    let server = Server::new();
    for document in [
        "subscription { added { one two } }",
        "subscription { ...F } fragment F on Events { added { one two } }",
        "subscription { added { one } ... { added { two } } }",
    ] {
        let events: Vec<Response> = server.schema.execute_stream(document).collect().await;
        let events = serde_json::to_value(&events).unwrap();
        assert_eq!(
            events,
            json!([{ "data": { "added": { "one": 1, "two": 2 } } }]),
            "{document}"
        );
    }
    let events: Vec<Response> = server
        .schema
        .execute_stream("subscription { a: added { one } added { one } }")
        .collect()
        .await;
    assert!(events.len() == 1 && events[0].is_err());
}

/// An executor that looks at what it is given, and runs it twice.
#[derive(Clone)]
struct Twice(Schema<Query, Mutation, Events>);

impl Executor for Twice {
    async fn execute(&self, mut request: Request) -> Response {
        let prepared = request
            .data
            .get(&std::any::TypeId::of::<Arc<PreparedOperation>>())
            .and_then(|prepared| prepared.downcast_ref::<Arc<PreparedOperation>>());
        assert!(prepared.is_some() || request.query.is_empty());
        let data = Arc::new(std::mem::take(&mut request.data));
        let mut again = Request::new(request.query.clone()).variables(request.variables.clone());
        again.operation_name.clone_from(&request.operation_name);
        let mut last = Response::default();
        for request in [request, again] {
            let mut responses = self
                .0
                .execute_stream_with_session_data(request, Arc::clone(&data));
            last = responses.next().await.unwrap();
        }
        last
    }

    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<async_graphql::Data>>,
    ) -> stream::BoxStream<'static, Response> {
        self.0
            .execute_stream_with_session_data(request, session.unwrap_or_default())
            .boxed()
    }
}

#[tokio::test]
async fn what_runs_again_is_what_was_prepared() {
    let Server { schema, sum } = Server::new();
    let preparer = Preparer::new(
        graphql_operation::Schema::parse(&schema.sdl()).unwrap(),
        Options::default(),
    );
    let executor = Preparing::new(preparer, Twice(schema));
    let document = "mutation M($by: Int = 3, $no: Boolean = true) { add(by: $by) { one } add(by: $by) { two } x: add(by: 100) @skip(if: $no) { one } }";
    let response = executor.execute(Request::new(document)).await;
    assert_eq!(
        response.data.to_string(),
        "{add: {one: 1, two: 2}}",
        "{:?}",
        response.errors
    );
    assert_eq!(sum.load(Ordering::SeqCst), 6);

    // A batch is handed on as a whole; what is refused in it does not run.
    let requests = [
        "mutation { add(by: 1) { one } }",
        "mutation { add(by: 1, by: 2) { one } }",
        "{ number }",
    ];
    let batch = BatchRequest::Batch(requests.map(Request::new).into());
    let BatchResponse::Batch(responses) = executor.execute_batch(batch).await else {
        panic!("one response");
    };
    let codes: Vec<_> = responses
        .iter()
        .map(|response| {
            serde_json::to_value(response).unwrap()["errors"][0]["extensions"]["code"].clone()
        })
        .collect();
    assert_eq!(
        codes,
        [Json::Null, json!("GRAPHQL_VALIDATION_FAILED"), Json::Null]
    );
    assert_eq!(sum.load(Ordering::SeqCst), 8);

    let events = executor.execute_stream(
        Request::new("subscription { ...F } fragment F on Events { added { one } }"),
        Some(Arc::default()),
    );
    assert_eq!(events.collect::<Vec<_>>().await.len(), 1);
    let events = executor.execute_stream(Request::new("subscription { added }"), None);
    let events: Vec<_> = events.collect().await;
    assert!(events.len() == 1 && events[0].is_err());
}

/// A session of many operations may carry what was prepared for another one.
#[tokio::test]
async fn what_was_prepared_for_another_request_is_not_taken() {
    let Server { schema, sum } = Server::new();
    let mut other = Request::new("mutation { add(by: 100) { one } }");
    let sdl = graphql_operation::Schema::parse(&schema.sdl()).unwrap();
    Preparer::new(sdl, Options::default())
        .admit(&mut other)
        .unwrap();
    let session = Arc::new(std::mem::take(&mut other.data));
    let request = Request::new("mutation { add(by: 1) { one } }");
    let mut responses = schema.execute_stream_with_session_data(request, session);
    assert!(responses.next().await.unwrap().is_ok());
    assert_eq!(sum.load(Ordering::SeqCst), 1);
}
