//! Documents that requests name by their hash.

use async_graphql::{
    EmptyMutation, EmptySubscription, Executor, Object, Request, Response, Schema, Value,
};
use graphql_operation::{Options, PreparedOperations, Preparer, Preparing};
use serde_json::json;
use sha2::{Digest, Sha256};

struct Query;

#[Object]
impl Query {
    async fn number(&self, of: Option<i32>) -> i32 {
        of.unwrap_or(7)
    }
}

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request with this hash, and with the text if there is one.
fn request(hash: &str, text: &str) -> Request {
    let persisted = json!({ "version": 1, "sha256Hash": hash });
    let mut request = Request::new(text);
    let value = Value::from_json(persisted).unwrap();
    request
        .extensions
        .insert("persistedQuery".to_owned(), value);
    request
}

fn code(response: &Response) -> String {
    let extensions = response.errors[0].extensions.as_ref().unwrap();
    extensions.get("code").unwrap().to_string()
}

/// The executors that prepare operations: the schema itself, and one around it.
fn executors() -> [Box<dyn Fn(Request) -> futures_util::future::BoxFuture<'static, Response>>; 2] {
    let prepared = || {
        Schema::build(Query, EmptyMutation, EmptySubscription)
            .extension(PreparedOperations::new(Options::default()))
            .finish()
    };
    let schema = prepared();
    let definition = graphql_operation::Schema::parse(&schema.sdl()).unwrap();
    let preparing = Preparing::new(Preparer::new(definition, Options::default()), prepared());
    [
        Box::new(move |request| {
            let schema = schema.clone();
            Box::pin(async move { schema.execute(request).await })
        }),
        Box::new(move |request| {
            let preparing = preparing.clone();
            Box::pin(async move { Executor::execute(&preparing, request).await })
        }),
    ]
}

#[tokio::test]
async fn a_text_that_was_sent_with_its_hash_is_found_by_it() {
    for execute in executors() {
        let text = "query ($of: Int = 3) { number(of: $of) }";
        let unknown = execute(request(&hash(text), "")).await;
        assert_eq!(unknown.errors[0].message, "PersistedQueryNotFound");
        assert_eq!(code(&unknown), "\"PERSISTED_QUERY_NOT_FOUND\"");
        let first = execute(request(&hash(text), text)).await;
        assert_eq!(first.data.to_string(), "{number: 3}", "{first:?}");
        // What the engine does not know of it: the default of the variable.
        let found = execute(request(&hash(text), "")).await;
        assert_eq!(found.data.to_string(), "{number: 3}", "{found:?}");
        let upper = execute(request(&hash(text).to_uppercase(), "")).await;
        assert!(upper.is_ok(), "{upper:?}");
    }
}

#[tokio::test]
async fn the_hash_of_another_text_is_refused() {
    for execute in executors() {
        for wrong in [hash("{ number }"), String::new(), "no hash".to_owned()] {
            let refused = execute(request(&wrong, "{ more: number }")).await;
            assert_eq!(
                refused.errors[0].message,
                "provided sha does not match query"
            );
            assert_eq!(
                code(&execute(request(&wrong, "")).await),
                "\"PERSISTED_QUERY_NOT_FOUND\""
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_valid_is_not_kept() {
    for execute in executors() {
        let text = "{ nothing }";
        assert_eq!(
            code(&execute(request(&hash(text), text)).await),
            "\"GRAPHQL_VALIDATION_FAILED\""
        );
        assert_eq!(
            code(&execute(request(&hash(text), "")).await),
            "\"PERSISTED_QUERY_NOT_FOUND\""
        );
    }
}
