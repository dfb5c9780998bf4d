//! Lists whose size is known only when they are answered.

use std::sync::Arc;

use async_graphql::{
    Context, Data, InputObject, Object, Request, Response, Result, Schema, SimpleObject,
    Subscription, Variables,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute},
    futures_util::{Stream, StreamExt, stream},
};
use graphql_operation::{AnswerCount, Limits, Options, PreparedOperations, Preparer, Size, Sizes};
use serde_json::{Value as Json, json};

#[derive(SimpleObject)]
struct Line {
    amount: usize,
    double: usize,
}

struct Entry(usize);

#[Object]
impl Entry {
    async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<Line>> {
        ctx.data::<AnswerCount>()?.list(ctx, self.0)?;
        let line = |amount| Line {
            amount,
            double: 2 * amount,
        };
        Ok((0..self.0).map(line).collect())
    }

    async fn reverses(&self) -> Entry {
        Entry(self.0)
    }
}

#[derive(InputObject)]
struct PostInput {
    lines: Vec<usize>,
}

struct Query;

#[Object]
impl Query {
    async fn entry(&self, lines: usize) -> Entry {
        Entry(lines)
    }

    async fn entries(&self, first: usize, lines: usize) -> Vec<Entry> {
        (0..first).map(|_| Entry(lines)).collect()
    }
}

#[derive(SimpleObject)]
struct Payload {
    entry: Entry,
    accounts: Vec<Line>,
}

struct Mutation;

#[Object]
impl Mutation {
    async fn post(&self, input: PostInput) -> Payload {
        Payload {
            entry: Entry(input.lines.len()),
            accounts: Vec::new(),
        }
    }
}

struct Events;

#[Subscription]
impl Events {
    async fn posted(&self, lines: usize) -> impl Stream<Item = Entry> {
        stream::iter((0..5).map(move |_| Entry(lines)))
    }
}

/// Gives each execution a count of its own.
struct Counts;

impl ExtensionFactory for Counts {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for Counts {
    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let mut data = Data::default();
        data.insert(AnswerCount::default());
        next.run_with_data(ctx, operation_name, data).await
    }
}

fn sizes() -> Sizes {
    Sizes::default()
        .list("Entry.lines", Size::Usually(10))
        .list("Mutation.post.entry.lines", Size::Argument("input.lines"))
        .list(
            "Mutation.post.accounts",
            Size::EachOf {
                argument: "input.lines",
                items: 2,
            },
        )
}

fn options(complexity: usize) -> Options {
    let mut limits = Limits::none();
    limits.complexity = complexity;
    Options::default().limits(limits).sizes(sizes())
}

fn schema(complexity: usize) -> Schema<Query, Mutation, Events> {
    Schema::build(Query, Mutation, Events)
        .extension(Counts)
        .extension(PreparedOperations::new(options(complexity)))
        .finish()
}

async fn run(complexity: usize, document: &str, variables: Json) -> Json {
    let request = Request::new(document).variables(Variables::from_json(variables));
    serde_json::to_value(schema(complexity).execute(request).await).unwrap()
}

/// How many fields a value has.
fn fields(value: &Json) -> usize {
    match value {
        Json::Array(items) => items.iter().map(fields).sum(),
        Json::Object(members) => members.values().map(|value| 1 + fields(value)).sum(),
        _ => 0,
    }
}

#[tokio::test]
async fn a_list_that_is_longer_than_usual_counts() {
    let documents = [
        "{ entry(lines: 40) { lines { amount double } } }",
        "query ($n: Int! = 40) { e: entry(lines: $n) { ...F } } fragment F on Entry { l: lines { amount } }",
        "{ entries(first: 5, lines: 20) { lines { amount } } }",
        "{ entries(first: 5, lines: 20) { lines { amount } reverses { lines { amount } reverses { a: lines { double } b: lines { amount } } } } }",
        "{ a: entry(lines: 30) { lines { amount } } b: entry(lines: 31) { lines { amount } } c: entry(lines: 3) { lines { amount } } }",
    ];
    for document in documents {
        let whole = run(usize::MAX, document, json!({})).await;
        let answered = fields(&whole["data"]);
        let uncounted = run(answered / 2 + 10, document, json!({})).await;
        assert!(
            fields(&uncounted["data"]) <= answered / 2 + 10,
            "{uncounted}"
        );
        // What is counted may be more than is there, but not much.
        let enough = run(2 * answered, document, json!({})).await;
        assert_eq!(enough, whole, "{document}");
        let refused = run(answered - 1, document, json!({})).await;
        let extensions = &refused["errors"][0]["extensions"];
        assert_eq!(extensions["limit"], "complexity", "{document}: {refused}");
        assert_eq!(extensions["max"], answered - 1, "{document}: {refused}");
        assert_eq!(refused["data"], Json::Null, "{document}: {refused}");
    }
    // To the field.
    let document = documents[0];
    assert_eq!(run(82, document, json!({})).await["errors"], Json::Null);
    let refused = run(81, document, json!({})).await;
    let extensions =
        json!({ "code": "ANSWER_TOO_LARGE", "limit": "complexity", "max": 81, "value": 82 });
    assert_eq!(refused["errors"][0]["extensions"], extensions);
    assert_eq!(refused["errors"][0]["path"], json!(["entry", "lines"]));
}

/// Each event is an answer of its own.
#[tokio::test]
async fn events_are_counted_alone() {
    let responses = |complexity| async move {
        let document = "subscription { posted(lines: 40) { lines { amount } } }";
        let stream = schema(complexity).execute_stream(document);
        stream.collect::<Vec<_>>().await
    };
    let answered = responses(42).await;
    assert_eq!(answered.len(), 5);
    assert!(answered.iter().all(Response::is_ok));
    let refused = responses(41).await;
    assert!(refused.iter().all(Response::is_err));
}

/// What the input says is counted, before anything runs, however it says it.
#[test]
fn the_input_says_how_long_a_list_is() {
    let schema = graphql_operation::Schema::parse(&schema(1).sdl()).unwrap();
    let preparer = Preparer::new(schema, options(usize::MAX));
    let complexity = |document: &str, variables: Json| {
        let mut request = Request::new(document).variables(Variables::from_json(variables));
        preparer.prepare(&mut request).unwrap().measure().complexity
    };
    let lines = json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let of = |n: usize| 3 + n + 1 + 2 * n;
    let payload = "{ entry { lines { amount } } accounts { amount } }";
    for (document, variables, expected) in [
        (
            format!("mutation {{ post(input: {{ lines: [1, 2] }}) {payload} }}"),
            json!({}),
            of(2),
        ),
        (
            format!("mutation {{ post(input: {{ lines: 1 }}) {payload} }}"),
            json!({}),
            of(1),
        ),
        (
            format!("mutation ($l: [Int!]!) {{ post(input: {{ lines: $l }}) {payload} }}"),
            json!({ "l": lines }),
            of(12),
        ),
        (
            format!(
                "mutation ($l: [Int!]! = [1, 2, 3]) {{ post(input: {{ lines: $l }}) {payload} }}"
            ),
            json!({}),
            of(3),
        ),
        (
            format!("mutation ($i: PostInput!) {{ post(input: $i) {payload} }}"),
            json!({ "i": { "lines": lines } }),
            of(12),
        ),
        (
            format!("mutation ($i: PostInput!) {{ post(input: $i) {payload} }}"),
            json!({ "i": { "lines": 7 } }),
            of(1),
        ),
        // One fragment, of two entries of different lengths. Each spread costs one.
        (
            format!(
                "mutation {{ a: post(input: {{ lines: [1] }}) {{ ...F }} b: post(input: {{ lines: [1, 2, 3] }}) {{ ... on Payload {{ ...F }} }} }} fragment F on Payload {payload}"
            ),
            json!({}),
            of(1) + of(3) + 2,
        ),
        // Another entry's lines are not those of the input.
        (
            "mutation { post(input: { lines: [1] }) { entry { reverses { lines { amount } } } } }"
                .to_owned(),
            json!({}),
            4 + 10,
        ),
    ] {
        assert_eq!(complexity(&document, variables), expected, "{document}");
    }
}

/// What the input has said already is not counted twice.
#[tokio::test]
async fn what_was_counted_before_is_not_counted_again() {
    let document =
        "mutation ($l: [Int!]!) { post(input: { lines: $l }) { entry { lines { amount } } } }";
    let lines: Vec<_> = (0..50).collect();
    let answered = run(53, document, json!({ "l": lines })).await;
    assert_eq!(fields(&answered["data"]), 53, "{answered}");
    let refused = run(52, document, json!({ "l": lines })).await;
    let extensions = &refused["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "GRAPHQL_VALIDATION_FAILED", "{refused}");
}
