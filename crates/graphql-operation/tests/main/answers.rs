//! How many bytes an answer may have.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_graphql::{
    Context, EmptySubscription, Error, Interface, Object, Request, Response, Result, Schema,
};
use graphql_operation::{ANSWER_TOO_LARGE, AnswerPart, Options, PreparedOperations};
use serde_json::json;

/// How many texts were resolved.
#[derive(Clone, Default)]
struct Resolved(Arc<AtomicUsize>);

struct Item;

#[Object]
impl Item {
    async fn number(&self) -> i32 {
        -12
    }

    async fn text(&self, ctx: &Context<'_>, bytes: Option<usize>) -> String {
        if let Some(resolved) = ctx.data_opt::<Resolved>() {
            resolved.0.fetch_add(1, SeqCst);
        }
        // One that is escaped, and one that is not ASCII.
        bytes.map_or("a\"\n\u{1}ä".to_owned(), |bytes| "x".repeat(bytes))
    }

    async fn texts(&self) -> Vec<Vec<Option<String>>> {
        vec![vec![], vec![Some("x".to_owned()), None]]
    }

    async fn anything(&self) -> async_graphql::Json<serde_json::Value> {
        async_graphql::Json(json!({ "list": [1, {}, []], "text": "\"" }))
    }

    async fn item(&self) -> Option<Item> {
        Some(Item)
    }

    async fn nothing(&self) -> Option<Item> {
        None
    }

    async fn fails(&self) -> Result<Option<i32>> {
        Err(Error::new("x".repeat(1000)))
    }
}

#[derive(Interface)]
#[graphql(
    field(name = "number", ty = "i32"),
    field(name = "item", ty = "Option<Item>")
)]
enum Node {
    Item(Item),
}

struct Root;

#[Object]
impl Root {
    async fn item(&self) -> Option<Item> {
        Some(Item)
    }

    async fn node(&self) -> Node {
        Item.into()
    }

    async fn items(&self, count: usize) -> Vec<Option<Item>> {
        (0..count).map(|_| Some(Item)).collect()
    }
}

async fn execute(most: usize, request: impl Into<Request>) -> Response {
    let schema = Schema::build(Root, Root, EmptySubscription)
        .extension(PreparedOperations::new(Options::default()).answer_bytes(most))
        .finish();
    schema.execute(request).await
}

#[track_caller]
fn assert_too_large(response: &Response) {
    assert_eq!(response.data, async_graphql::Value::Null, "{response:?}");
    let [error] = response.errors.as_slice() else {
        panic!("{response:?}");
    };
    let extensions = error.extensions.as_ref().unwrap();
    assert_eq!(extensions.get("code"), Some(&ANSWER_TOO_LARGE.into()));
}

const DOCUMENTS: [&str; 10] = [
    "{ __typename }",
    "{ a: __typename item { number } }",
    "{ item { __typename alias: __typename text texts anything nothing { number } item { text } } }",
    "{ node { __typename number ... on Item { t: __typename text } ... on Node { item { number } } } }",
    "{ items(count: 3) { number text item { item { texts } } } }",
    "{ items(count: 0) { number } x: items(count: 1) { __typename } }",
    "{ __schema { queryType { name fields { name args { name type { kind ofType { name } } } } } } }",
    "{ __type(name: \"Node\") { __typename possibleTypes { name } } }",
    "mutation { item { text } b: items(count: 2) { number } __typename }",
    "query ($no: Boolean = false) { item { number text @include(if: $no) } ...F } fragment F on Root { node { number } }",
];

/// An answer is refused where it is written with one byte more than it may have, and never before.
#[tokio::test]
async fn bytes_are_those_that_are_written() {
    for document in DOCUMENTS {
        let whole = execute(usize::MAX, document).await;
        assert!(whole.is_ok(), "{whole:?}");
        let written = serde_json::to_string(&whole.data).unwrap();
        let fits = execute(written.len(), document).await;
        assert_eq!(json!(fits), json!(whole), "{document}");
        for less in [written.len() - 1, written.len() / 2, 1, 0] {
            assert_too_large(&execute(less, document).await);
        }
    }
}

#[tokio::test]
async fn what_is_beyond_the_bound_is_not_made() {
    let resolved = Resolved::default();
    for document in [
        "{ items(count: 1000) { text(bytes: 1000) } }",
        "{ items(count: 1000) { item { item { text(bytes: 1000) } } } }",
        "mutation { a: items(count: 500) { text(bytes: 1000) } b: items(count: 500) { text(bytes: 1000) } }",
    ] {
        resolved.0.store(0, SeqCst);
        let request = Request::new(document).data(resolved.clone());
        assert_too_large(&execute(20_000, request).await);
        // Those of the field that was too much, and its siblings that had begun.
        assert!(
            resolved.0.load(SeqCst) < 40,
            "{document}: {resolved:?}",
            resolved = resolved.0
        );
    }
}

/// Errors of fields that become null are a part of the answer.
#[tokio::test]
async fn errors_count() {
    let document = "{ items(count: 100) { fails } }";
    assert_eq!(execute(200_000, document).await.errors.len(), 100);
    assert_too_large(&execute(100_000, document).await);
}

/// Operations of a batch have what those before them have left, also where the batch is run again.
#[tokio::test]
async fn a_batch_has_one_bound() {
    let document = "{ items(count: 10) { text(bytes: 90) } }";
    let parts: Vec<_> = AnswerPart::of_batch(4).collect();
    for _ in 0..2 {
        for (part, fits) in parts.iter().zip([true, true, false, false]) {
            let request = Request::new(document).data(part.clone());
            let response = execute(2_500, request).await;
            if fits {
                assert!(response.is_ok(), "{response:?}");
            } else {
                assert_too_large(&response);
            }
        }
    }
    let small = Request::new("{ item { number } }").data(parts[3].clone());
    assert!(execute(2_500, small).await.is_ok());
}
