//! A stage for savepoints, and what their resolvers share.

use std::sync::Arc;

use async_graphql::{Context, EmptySubscription, Request, Response, Result, Schema};
use daybook_test_harness::TestDatabase;
use sea_orm::DbErr;
use tokio::{sync::Notify, time::timeout};
use unit_of_work::{DatabaseOptions, Report, UnitError, UnitOfWork, UnitOfWorkExtension};

use crate::stage::{Cue, PATIENCE, Stage, insert_mark, lock, report};

use super::schema::{Mutation, Query};

/// A stage with a schema of its own, whose resolvers use savepoints.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) schema: Schema<Query, Mutation, EmptySubscription>,
}

impl Scene {
    pub(super) async fn new(test: TestDatabase) -> Self {
        let url = test.url().to_owned();
        Self::at(test, &url, DatabaseOptions::default()).await
    }

    pub(super) async fn at(test: TestDatabase, url: &str, options: DatabaseOptions) -> Self {
        let stage = Stage::at(test, url, options, |extension| extension).await;
        let extension =
            UnitOfWorkExtension::new(stage.database.clone()).report(Report::InExtensions);
        let schema = Schema::build(Query, Mutation, EmptySubscription)
            .extension(extension)
            .data(Arc::clone(&stage.cue))
            .data(Meeting::default())
            .finish();
        Self { stage, schema }
    }

    pub(super) async fn run(&self, query: &str) -> Response {
        timeout(PATIENCE, self.schema.execute(Request::new(query)))
            .await
            .unwrap_or_else(|_| panic!("no answer: {query}"))
    }

    /// What a mutation that must succeed answers in its only field, and the marks it leaves.
    pub(super) async fn marks_after(&self, mutation: &str) -> Vec<String> {
        let response = self.run(&format!("mutation {{ {mutation} }}")).await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(report(&response)["outcome"], "COMMITTED");
        let marks = self.stage.marks().await;
        self.stage.assert_whole().await;
        marks
    }
}

/// Where two fields of one operation meet.
#[derive(Default)]
pub(super) struct Meeting {
    pub(super) inside: Notify,
    pub(super) tried: Notify,
}

pub(super) fn meeting<'a>(ctx: &Context<'a>) -> &'a Meeting {
    ctx.data_unchecked()
}

pub(super) fn cue<'a>(ctx: &Context<'a>) -> &'a Arc<Cue> {
    ctx.data_unchecked()
}

/// An effect that leaves its name.
pub(super) fn leaves(
    ctx: &Context<'_>,
    name: &'static str,
) -> impl Future<Output = ()> + Send + 'static {
    let cue = Arc::clone(cue(ctx));
    async move { lock(&cue.effects).push(name.to_owned()) }
}

/// The body's own error: not one of the database.
pub(super) fn refused() -> DbErr {
    DbErr::Custom("refused".to_owned())
}

pub(super) fn refusal<T: std::fmt::Debug>(result: Result<T, DbErr>) -> UnitError {
    let error = result.expect_err("is refused");
    UnitError::in_db_err(&error)
        .unwrap_or_else(|| panic!("{error}"))
        .clone()
}

/// Runs a savepoint until it is half way, and drops it.
pub(super) async fn drop_half_way(unit: &UnitOfWork) {
    let inside = Notify::new();
    let endless = unit.savepoint(async |tx| -> Result<(), DbErr> {
        insert_mark(tx, "half way").await?;
        inside.notify_one();
        std::future::pending().await
    });
    tokio::select! {
        ended = endless => panic!("{ended:?}"),
        () = inside.notified() => {}
    }
}
