//! An operation of which nobody can tell whether it may write does nothing.

use std::sync::Arc;

use async_graphql::{
    Executor, Request, Response, Schema, ServerResult, Variables,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery},
    parser::{parse_query, types::ExecutableDocument},
};
use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::StreamExt;
use tokio::time::timeout;
use unit_of_work::{Retrying, UnitOfWorkExtension};

use crate::stage::{Mutation, PATIENCE, Query, Stage, Subscriptions, TestSchema, codes, lock};

/// An extension that supplies each document itself, and asks no other extension.
struct Supplies;

impl ExtensionFactory for Supplies {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for Supplies {
    async fn parse_query(
        &self,
        _: &ExtensionContext<'_>,
        query: &str,
        _: &Variables,
        _: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        Ok(parse_query(query)?)
    }
}

fn schema(stage: &Stage, outermost: bool) -> TestSchema {
    let units = UnitOfWorkExtension::new(stage.database.clone());
    let builder = Schema::build(Query, Mutation, Subscriptions)
        .data(Arc::clone(&stage.cue))
        .data(stage.database.clone());
    if outermost {
        builder.extension(units).extension(Supplies)
    } else {
        builder.extension(Supplies).extension(units)
    }
    .finish()
}

async fn answers(schema: &TestSchema, text: &str) -> Vec<Response> {
    let retrying = Retrying::new(schema.clone());
    let mut answers = vec![
        schema.execute(text).await,
        retrying.execute(Request::new(text)).await,
    ];
    for stream in [
        schema.execute_stream(text),
        retrying.execute_stream(Request::new(text), None),
    ] {
        let responses: Vec<_> = timeout(PATIENCE, stream.collect()).await.expect("ends");
        answers.extend(responses);
    }
    answers
}

on_every_engine! {
    /// The unit of work was not shown the document: whatever it is, nothing of it runs.
    async fn operation_of_unknown_kind_does_nothing(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let hidden = schema(&stage, false);
        for text in ["mutation { mark(name: \"a\") }", "{ marks }", "subscription { ticks { marks } }"] {
            let answers = answers(&hidden, text).await;
            assert_eq!(answers.len(), 4, "{text}: {answers:?}");
            for answer in answers {
                assert_eq!(codes(&answer), ["OPERATION_KIND_UNKNOWN"], "{text}");
                assert_eq!(answer.data, async_graphql::Value::Null);
            }
        }
        assert_eq!(stage.marks().await, Vec::<String>::new());
        assert_eq!(*lock(&stage.cue.streams), 0);
        // The other way round it is asked, and knows.
        let shown = schema(&stage, true);
        assert!(shown.execute("mutation { mark(name: \"a\") }").await.is_ok());
        assert_eq!(stage.marks().await, ["a"]);
        stage.assert_whole().await;
    }

    /// A document with several operations, of which none is named, says nothing: the engine refuses it, on every road.
    async fn operation_that_is_not_named_does_nothing(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for (text, name) in [
            ("mutation A { mark(name: \"a\") } mutation B { mark(name: \"b\") }", None),
            ("mutation A { mark(name: \"a\") } query B { marks }", Some("C")),
            ("mutation { mark(name: \"a\") }", Some("A")),
        ] {
            let request = || {
                let request = Request::new(text);
                match name {
                    Some(name) => request.operation_name(name),
                    None => request,
                }
            };
            let retrying = stage.retrying(2);
            assert!(stage.schema.execute(request()).await.is_err(), "{text}");
            assert!(retrying.execute(request()).await.is_err(), "{text}");
            let responses: Vec<_> = retrying.execute_stream(request(), None).collect().await;
            assert!(responses.len() == 1 && responses[0].is_err(), "{text}: {responses:?}");
        }
        assert_eq!(stage.marks().await, Vec::<String>::new());
    }
}
