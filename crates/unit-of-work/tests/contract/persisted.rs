//! Requests that only name their document, which an extension of the schema finds: async-graphql's own automatic
//! persisted queries, and graphql-operation's.

use std::sync::Arc;

use async_graphql::{
    Executor, Request, Response, Schema, Value,
    extensions::apollo_persisted_queries::{ApolloPersistedQueries, LruCacheStorage},
};
use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::StreamExt;
#[cfg(not(feature = "async-graphql-7"))]
use graphql_operation::{Options, PreparedOperations};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use unit_of_work::{
    AllOrNothing, IdempotencySettings, Report, Retrying, UnitOfWorkExtension,
    idempotency::create_table,
};

use crate::{
    retries::{contended, ended},
    stage::{Mutation, PATIENCE, Query, Stage, Subscriptions, TestSchema, codes, data, report},
};

/// The extensions that find documents, and where.
#[derive(Clone, Copy, Debug)]
enum Finder {
    /// async-graphql's, inside of the unit's.
    Apollo,
    /// async-graphql's, outside of the unit's.
    OuterApollo,
    /// graphql-operation's, inside of the unit's.
    #[cfg(not(feature = "async-graphql-7"))]
    Prepared,
    /// Both, graphql-operation's outside of async-graphql's.
    #[cfg(not(feature = "async-graphql-7"))]
    PreparedAndApollo,
}

const FINDERS: &[Finder] = &[
    Finder::Apollo,
    Finder::OuterApollo,
    #[cfg(not(feature = "async-graphql-7"))]
    Finder::Prepared,
    #[cfg(not(feature = "async-graphql-7"))]
    Finder::PreparedAndApollo,
];

/// Makes the stage's schema one that finds documents by their hash, and shows it these.
async fn knows(stage: &mut Stage, finder: Finder, documents: &[&str]) {
    let units = UnitOfWorkExtension::new(stage.database.clone())
        .report(Report::InExtensions)
        .idempotency(IdempotencySettings::default());
    let persisted = ApolloPersistedQueries::new(LruCacheStorage::new(100));
    let builder = Schema::build(Query, Mutation, Subscriptions)
        .data(Arc::clone(&stage.cue))
        .data(stage.database.clone());
    #[cfg(not(feature = "async-graphql-7"))]
    let prepared = PreparedOperations::new(Options::default());
    stage.schema = match finder {
        Finder::Apollo => builder.extension(units).extension(persisted),
        Finder::OuterApollo => builder.extension(persisted).extension(units),
        #[cfg(not(feature = "async-graphql-7"))]
        Finder::Prepared => builder.extension(units).extension(prepared),
        #[cfg(not(feature = "async-graphql-7"))]
        Finder::PreparedAndApollo => builder
            .extension(units)
            .extension(prepared)
            .extension(persisted),
    }
    .finish();
    for document in documents {
        // The document is registered before the operation's name is found not to be there: nothing runs.
        let mut request = named(document).operation_name("Nobody");
        request.query = (*document).to_owned();
        let response = stage.schema.execute(request).await;
        assert!(
            response.errors[0].message.contains("Nobody"),
            "{response:?}"
        );
    }
}

/// A request with the hash of a document, and nothing else.
pub fn named(document: &str) -> Request {
    let hash = Sha256::digest(document)
        .iter()
        .fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
    let mut request = Request::new("");
    let persisted =
        Value::from_json(json!({ "version": 1, "sha256Hash": hash })).expect("is a value");
    request
        .extensions
        .insert("persistedQuery".to_owned(), persisted);
    request
}

fn with_key(mut request: Request, key: &str) -> Request {
    request
        .extensions
        .insert("idempotencyKey".to_owned(), Value::from(key));
    request
}

async fn execute(retrying: &Retrying<TestSchema>, request: Request) -> Response {
    timeout(PATIENCE, retrying.execute(request))
        .await
        .expect("answers")
}

async fn events(retrying: &Retrying<TestSchema>, request: Request) -> Vec<Response> {
    let events = retrying.execute_stream(request, None).collect();
    timeout(PATIENCE, events).await.expect("ends")
}

on_every_engine! {
    /// A mutation that is only named is run again as one with a text is.
    async fn hash_only_mutation_is_run_again_after_a_conflict(test: TestDatabase) {
        for &finder in FINDERS {
            let mut stage = contended(TestDatabase::create(test.engine()).await).await;
            let mutation = "mutation { increment(meet: MEET) mark(name: \"a\") effects }";
            let documents = ["true", "false"].map(|meet| mutation.replace("MEET", meet));
            knows(&mut stage, finder, &documents.each_ref().map(String::as_str)).await;
            let retrying = stage.retrying(1000);
            let operation = stage.loses_once_as(&retrying, mutation, |text| named(&text)).await;
            let response = ended(operation).await;
            assert!(response.is_ok(), "{finder:?}: {response:?}");
            assert_eq!(data(&response)["increment"], 11);
            assert!(report(&response)["attempts"].as_u64() > Some(1), "{finder:?}: {response:?}");
            assert_eq!(stage.cue.effects(), ["first", "last"]);
            assert_eq!((stage.counter().await, stage.marks().await), (11, vec!["a".to_owned()]));
            stage.assert_whole().await;
        }
    }

    /// Two queries that are only named are not taken for one: what is learned of the first (that it makes two statements)
    /// is not said of the second.
    async fn hash_only_queries_are_told_apart(test: TestDatabase) {
        for &finder in FINDERS {
            let mut stage = Stage::new(TestDatabase::create(test.engine()).await).await;
            let (two, one) = ("{ marks items(n: 1) { marks } }", "{ marks }");
            knows(&mut stage, finder, &[two, one]).await;
            let retrying = stage.retrying(1);
            for _ in 0..2 {
                let response = execute(&retrying, named(two)).await;
                assert_eq!(data(&response), json!({ "marks": 0, "items": [{ "marks": 0 }] }), "{response:?}");
                assert_eq!(report(&response)["statements"], 2);
                let response = execute(&retrying, named(one)).await;
                assert_eq!(data(&response), json!({ "marks": 0 }));
            }
            stage.assert_whole().await;
        }
    }

    /// A subscription that is only named is begun once, as a stream; where there can be no stream it is refused, and
    /// nothing of it has run.
    async fn hash_only_subscription_is_begun_once(test: TestDatabase) {
        for &finder in FINDERS {
            let mut stage = Stage::new(TestDatabase::create(test.engine()).await).await;
            let subscription = "subscription { ticks { marks } }";
            knows(&mut stage, finder, &[subscription]).await;
            let retrying = stage.retrying(3);
            stage.cue.proceed();
            let ticks = events(&retrying, named(subscription)).await;
            assert_eq!(ticks.len(), 2, "{ticks:?}");
            assert!(ticks.iter().all(|tick| data(tick) == json!({ "ticks": { "marks": 0 } })), "{ticks:?}");
            assert_eq!(*crate::stage::lock(&stage.cue.streams), 1);
            let refused = execute(&retrying, named(subscription)).await;
            assert_eq!(refused.errors[0].message, "Subscriptions are not supported on this transport.");
            let batch = [named(subscription).data(AllOrNothing)];
            let refused = retrying.execute_batch(async_graphql::BatchRequest::Batch(batch.into())).await;
            assert!(!refused.is_ok());
            assert_eq!(*crate::stage::lock(&stage.cue.streams), 1);
            stage.assert_whole().await;
        }
    }

    /// The key belongs to the document that was named, not to the empty text that all of them have.
    async fn key_of_a_hash_only_mutation_is_that_documents(test: TestDatabase) {
        for &finder in FINDERS {
            let mut stage = Stage::new(TestDatabase::create(test.engine()).await).await;
            let (a, b) = ("mutation { mark(name: \"a\") }", "mutation { mark(name: \"b\") }");
            knows(&mut stage, finder, &[a, b]).await;
            stage.observer().await.execute(&create_table(stage.database.backend())).await;
            let retrying = stage.retrying(3);
            let first = execute(&retrying, with_key(named(a), "1")).await;
            assert_eq!(data(&first), json!({ "mark": "a" }), "{first:?}");
            let replayed = execute(&retrying, with_key(named(a), "1")).await;
            assert_eq!((report(&replayed)["outcome"].clone(), data(&replayed)), (json!("REPLAYED"), json!({ "mark": "a" })));
            let other = execute(&retrying, with_key(named(b), "1")).await;
            assert_eq!(codes(&other), ["IDEMPOTENCY_KEY_REUSED"], "{finder:?}");
            assert_eq!(stage.marks().await, ["a"]);
            // The text and the hash together, as a client sends a document that the server has forgotten.
            let mut again = with_key(named(a), "1");
            again.query = a.to_owned();
            assert_eq!(report(&execute(&retrying, again).await)["outcome"], "REPLAYED", "{finder:?}");
            stage.assert_whole().await;
        }
    }

    /// What nobody has is refused once, by the extension that looks for it, and so is a text with the hash of another one.
    async fn unknown_hash_is_refused(test: TestDatabase) {
        for &finder in FINDERS {
            let mut stage = Stage::new(TestDatabase::create(test.engine()).await).await;
            knows(&mut stage, finder, &[]).await;
            let retrying = stage.retrying(3);
            let response = execute(&retrying, named("{ marks }")).await;
            assert_eq!(response.errors[0].message, "PersistedQueryNotFound", "{finder:?}");
            let responses = events(&retrying, named("{ marks }")).await;
            assert_eq!(responses.len(), 1);
            assert_eq!(responses[0].errors[0].message, "PersistedQueryNotFound", "{finder:?}");
            let mut other = named("{ marks }");
            other.query = "mutation { mark(name: \"a\") }".to_owned();
            let response = execute(&retrying, other).await;
            assert_eq!(response.errors[0].message, "provided sha does not match query", "{finder:?}");
            assert_eq!(stage.marks().await, [""; 0]);
        }
    }
}

/// An extension that takes a document's text away before it can be prepared is refused, with what to do.
#[cfg(not(feature = "async-graphql-7"))]
#[tokio::test]
async fn prepared_operations_inside_of_apollos_are_refused() {
    let test = TestDatabase::create(daybook_test_harness::Engine::Sqlite).await;
    let mut stage = Stage::new(test).await;
    stage.schema = Schema::build(Query, Mutation, Subscriptions)
        .data(Arc::clone(&stage.cue))
        .data(stage.database.clone())
        .extension(UnitOfWorkExtension::new(stage.database.clone()))
        .extension(ApolloPersistedQueries::new(LruCacheStorage::new(100)))
        .extension(PreparedOperations::new(Options::default()))
        .finish();
    let mut request = named("mutation { mark(name: \"a\") }");
    request.query = "mutation { mark(name: \"a\") }".to_owned();
    let response = execute(&stage.retrying(3), request).await;
    let message = &response.errors[0].message;
    assert!(
        message.contains("Register that extension inside"),
        "{message}"
    );
    assert_eq!(stage.marks().await, [""; 0]);
}
