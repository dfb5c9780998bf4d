//! Partial success: every root field of a mutation a savepoint of its own.

use std::sync::Arc;

use async_graphql::{
    Context, EmptySubscription, Error, ErrorExtensions, Object, PathSegment, Response, Result,
    Schema,
};
use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr, IsolationLevel};
use serde_json::{Value, json};
use tokio::time::timeout;
use unit_of_work::{ContextExt, DatabaseOptions, Report, UnitOfWorkExtension};

use crate::wire::BEGIN;
use crate::{
    savepoints::brief_sql,
    stage::{Cue, PATIENCE, Query, Stage, codes, count_marks, data, insert_mark, lock, report},
};

/// A stage with a schema of its own, whose root fields are savepoints.
struct Scene {
    stage: Stage,
    schema: Schema<Query, Mutation, EmptySubscription>,
}

impl Scene {
    async fn new(test: TestDatabase) -> Self {
        let url = test.url().to_owned();
        Self::at(test, &url, DatabaseOptions::default(), true).await
    }

    async fn at(test: TestDatabase, url: &str, options: DatabaseOptions, on: bool) -> Self {
        let stage = Stage::at(test, url, options, |extension| extension).await;
        let mut extension =
            UnitOfWorkExtension::new(stage.database.clone()).report(Report::InExtensions);
        if on {
            extension = extension.field_savepoints(true);
        }
        let schema = Schema::build(Query, Mutation, EmptySubscription)
            .extension(extension)
            .data(Arc::clone(&stage.cue))
            .finish();
        Self { stage, schema }
    }

    async fn run(&self, query: &str) -> Response {
        timeout(PATIENCE, self.schema.execute(query))
            .await
            .unwrap_or_else(|_| panic!("no answer: {query}"))
    }

    /// Some fields fail, and the rest is committed.
    async fn assert_partial(&self, query: &str, shown: Value, failed: &[&str], marks: &[&str]) {
        let response = self.run(query).await;
        assert_eq!(data(&response), shown, "{query}: {response:?}");
        assert_eq!(codes(&response), failed, "{query}");
        assert_eq!(self.stage.marks().await, marks, "{query}");
        self.stage.assert_whole().await;
    }

    /// Nothing happened, and nothing is shown.
    async fn assert_nothing(&self, query: &str, failed: &[&str]) {
        self.assert_partial(query, Value::Null, failed, &[]).await;
        assert_eq!(self.stage.cue.effects(), Vec::<String>::new(), "{query}");
    }
}

fn refused() -> Error {
    Error::new("refused").extend_with(|_, extensions| extensions.set("code", "REFUSED"))
}

/// Registers an effect that leaves this name.
fn leave(ctx: &Context<'_>, name: &str) {
    let cue = Arc::clone(ctx.data_unchecked::<Arc<Cue>>());
    let name = name.to_owned();
    ctx.unit()
        .after_commit(async move { lock(&cue.effects).push(name) });
}

struct Mutation;

#[Object]
impl Mutation {
    async fn mark(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        leave(ctx, &name);
        insert_mark(ctx.unit(), &name).await?;
        Ok(Some(name))
    }

    async fn must_mark(&self, ctx: &Context<'_>, name: String) -> Result<String> {
        insert_mark(ctx.unit(), &name).await?;
        Ok(name)
    }

    async fn ping(&self) -> Option<i32> {
        Some(1)
    }

    async fn refuse(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        leave(ctx, "refused");
        Err(refused())
    }

    async fn mark_and_refuse(&self, ctx: &Context<'_>, name: String) -> Result<Option<i32>> {
        leave(ctx, "refused");
        insert_mark(ctx.unit(), &name).await?;
        Err(refused())
    }

    /// Its error is caught by async-graphql itself.
    async fn mark_and_catch(&self, ctx: &Context<'_>, name: String) -> Option<Result<i32>> {
        let inserted = insert_mark(ctx.unit(), &name).await;
        Some(inserted.map_err(Error::from).and(Err(refused())))
    }

    /// No error: nothing was to be done.
    async fn mark_and_answer_null(
        &self,
        ctx: &Context<'_>,
        name: String,
    ) -> Result<Option<String>> {
        insert_mark(ctx.unit(), &name).await?;
        Ok(None)
    }

    async fn swallow(&self, ctx: &Context<'_>, name: String) -> Option<bool> {
        let _ = insert_mark(ctx.unit(), &name).await;
        let _ = insert_mark(ctx.unit(), &name).await;
        Some(true)
    }

    /// Runs on after a failure, and reports what it is told there.
    async fn run_on(&self, ctx: &Context<'_>, name: String) -> Result<Option<i64>> {
        let _ = insert_mark(ctx.unit(), &name).await;
        let _ = insert_mark(ctx.unit(), &name).await;
        Ok(Some(count_marks(ctx.unit()).await?))
    }

    async fn abandon(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        let unit = ctx.unit();
        insert_mark(unit, "abandoned").await?;
        let mut slow = Box::pin(unit.execute_unprepared(brief_sql(unit)));
        assert!(futures_util::poll!(&mut slow).is_pending());
        drop(slow);
        Err(refused())
    }

    async fn child(&self, ctx: &Context<'_>, name: String) -> Result<Option<Child>> {
        insert_mark(ctx.unit(), &name).await?;
        Ok(Some(Child))
    }

    /// Two savepoints inside the field's own, the second of which is undone.
    async fn savepoints(&self, ctx: &Context<'_>, refuse: bool) -> Result<Option<bool>> {
        let unit = ctx.unit();
        unit.savepoint(async |tx| insert_mark(tx, "kept").await)
            .await?;
        let again = unit.savepoint(async |tx| insert_mark(tx, "kept").await);
        again.await.expect_err("is there already");
        insert_mark(unit, "after").await?;
        if refuse {
            return Err(refused());
        }
        Ok(Some(true))
    }

    async fn drop_a_savepoint(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        let inside = tokio::sync::Notify::new();
        let endless = ctx.unit().savepoint(async |tx| -> Result<(), DbErr> {
            insert_mark(tx, "half way").await?;
            inside.notify_one();
            std::future::pending().await
        });
        tokio::select! {
            ended = endless => panic!("{ended:?}"),
            () = inside.notified() => {}
        }
        Err(refused())
    }

    async fn conflict(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        count_marks(ctx.unit()).await?;
        ctx.data_unchecked::<Arc<Cue>>().meet().await;
        ctx.unit()
            .execute_unprepared("UPDATE mark SET name = 'mine'")
            .await?;
        Ok(Some(true))
    }
}

struct Child;

#[Object]
impl Child {
    async fn ping(&self) -> i32 {
        1
    }

    async fn maybe(&self) -> Option<Result<i32>> {
        Some(Err(refused()))
    }

    async fn must(&self) -> Result<i32> {
        Err(refused())
    }

    async fn children(&self) -> Vec<Child> {
        vec![Child]
    }
}

on_every_engine! {
    /// A field that violates a constraint is undone and null; those before and after it are committed.
    async fn failed_field_is_undone_alone(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let query = "mutation { a: mark(name: \"a\") again: mark(name: \"a\") b: mark(name: \"b\") }";
        let response = scene.run(query).await;
        assert_eq!(data(&response), json!({ "a": "a", "again": null, "b": "b" }));
        assert_eq!(codes(&response), ["INTERNAL"]);
        assert!(!response.errors[0].message.contains("mark"), "is not masked: {response:?}");
        assert_eq!(response.errors[0].path, [PathSegment::Field("again".to_owned())]);
        assert_eq!(report(&response)["outcome"], "COMMITTED");
        assert_eq!(report(&response)["statements"], 3);
        assert_eq!(scene.stage.marks().await, ["a", "b"]);
        assert_eq!(scene.stage.cue.effects(), ["a", "b"]);
        scene.stage.assert_whole().await;
    }

    /// Without the setting, any error rolls back everything.
    async fn field_savepoints_are_off_by_default(test: TestDatabase) {
        let url = test.url().to_owned();
        let scene = Scene::at(test, &url, DatabaseOptions::default(), false).await;
        scene.assert_nothing("mutation { mark(name: \"a\") markAndRefuse(name: \"b\") }", &["REFUSED"]).await;
    }

    /// A field's own refusal undoes what it did, effects and all, whether it did anything or not.
    async fn refusal_undoes_its_field(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.assert_partial(
            "mutation { refuse mark(name: \"a\") markAndRefuse(name: \"b\") ping }",
            json!({ "refuse": null, "mark": "a", "markAndRefuse": null, "ping": 1 }),
            &["REFUSED", "REFUSED"],
            &["a"],
        ).await;
        assert_eq!(scene.stage.cue.effects(), ["a"]);
        let response = scene.run("mutation { refuse ping }").await;
        assert_eq!(report(&response)["outcome"], "UNTOUCHED");
        assert_eq!(data(&response), json!({ "refuse": null, "ping": 1 }));
        assert_eq!(scene.stage.cue.effects(), ["a"]);
    }

    /// What a response does not show did not happen: a non-null field that fails takes everything with it.
    async fn failed_non_null_field_rolls_back_everything(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.assert_nothing("mutation { mark(name: \"a\") mustMark(name: \"a\") }", &["INTERNAL"]).await;
        scene.assert_nothing("mutation { refuse mark(name: \"a\") mustMark(name: \"a\") }", &["INTERNAL", "REFUSED"]).await;
    }

    /// An error below a root field undoes it when it makes it null; a root field that is shown in part cannot be undone.
    async fn error_below_a_root_field(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.assert_partial(
            "mutation { mark(name: \"a\") child(name: \"b\") { ping children { must } } }",
            json!({ "mark": "a", "child": null }),
            &["REFUSED"],
            &["a"],
        ).await;
        scene.stage.observer().await.execute("DELETE FROM mark").await;
        lock(&scene.stage.cue.effects).clear();
        scene.assert_nothing("mutation { mark(name: \"a\") child(name: \"b\") { ping maybe } }", &["REFUSED"]).await;
    }

    /// An error that nobody but async-graphql sees rolls back everything.
    async fn caught_error_rolls_back_everything(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.assert_nothing("mutation { mark(name: \"a\") markAndCatch(name: \"b\") }", &["REFUSED"]).await;
    }

    /// Null without an error is an answer like any other.
    async fn null_without_an_error_is_kept(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.assert_partial(
            "mutation { markAndAnswerNull(name: \"a\") refuse }",
            json!({ "markAndAnswerNull": null, "refuse": null }),
            &["REFUSED"],
            &["a"],
        ).await;
    }

    /// Two fields under one key share its errors, so that none of them can be told to be undone.
    async fn one_key_for_two_fields(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let child = "child(name: \"a\")";
        scene.assert_nothing(&format!("mutation {{ {child} {{ ping }} {child} {{ must }} }}"), &["INTERNAL"]).await;
    }

    /// A swallowed failure in a field that answers rolls back everything.
    async fn swallowed_failure_of_a_field_rolls_back_everything(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.assert_nothing("mutation { mark(name: \"a\") swallow(name: \"b\") }", &["UNIT_DOOMED"]).await;
        scene.assert_nothing("mutation { swallow(name: \"b\") refuse }", &["REFUSED"]).await;
    }

    /// After a failure its field is refused further statements, and says so; the next field is not.
    async fn field_that_runs_on_after_a_failure(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.assert_partial(
            "mutation { runOn(name: \"b\") mark(name: \"a\") }",
            json!({ "runOn": null, "mark": "a" }),
            &["UNIT_DOOMED"],
            &["a"],
        ).await;
    }

    /// What a field drops half way is undone with it.
    async fn abandoned_in_a_field_is_undone_with_it(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.assert_partial(
            "mutation { abandon dropASavepoint mark(name: \"a\") }",
            json!({ "abandon": null, "dropASavepoint": null, "mark": "a" }),
            &["REFUSED", "REFUSED"],
            &["a"],
        ).await;
    }

    async fn savepoints_inside_a_field(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.assert_partial(
            "mutation { undone: savepoints(refuse: true) kept: savepoints(refuse: false) }",
            json!({ "undone": null, "kept": true }),
            &["REFUSED"],
            &["after", "kept"],
        ).await;
    }
}

/// A conflict is the whole operation's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflict_in_a_field_rolls_back_everything() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = test.url().to_owned();
    let mut options = DatabaseOptions::default();
    options.writer_isolation = IsolationLevel::RepeatableRead;
    let scene = Scene::at(test, &url, options, true).await;
    let observer = scene.stage.observer().await;
    observer.execute("INSERT INTO mark VALUES ('there')").await;
    let schema = scene.schema.clone();
    let operation =
        tokio::spawn(async move { schema.execute("mutation { ping conflict refuse }").await });
    scene.stage.cue.reached().await;
    observer.execute("UPDATE mark SET name = name").await;
    scene.stage.cue.proceed();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(
        codes(&response),
        ["CONFLICT_RETRIES_EXHAUSTED"],
        "{response:?}"
    );
    assert_eq!(data(&response), Value::Null);
    assert_eq!(scene.stage.marks().await, ["there"]);
    scene.stage.assert_whole().await;
}

/// A field that uses the database costs two round trips more; one that does not costs none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_field_savepoints_send() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let scene = Scene::at(test, proxy.url(), DatabaseOptions::default(), true).await;
    scene.stage.assert_whole().await;
    proxy.clear_log();
    let query = "mutation { ping a: mark(name: \"a\") refuse b: markAndRefuse(name: \"b\") }";
    assert_eq!(codes(&scene.run(query).await), ["REFUSED", "REFUSED"]);
    eventually("the connection is back", async || {
        proxy.log().last().is_some_and(|last| last == "COMMIT")
    })
    .await;
    let mut log = proxy.log();
    log.retain(|flight| !flight.starts_with("PREPARE"));
    let expected = [
        BEGIN,
        "SAVEPOINT savepoint_1",
        "INSERT INTO mark VALUES ('a')",
        "RELEASE SAVEPOINT savepoint_1",
        "SAVEPOINT savepoint_1",
        "INSERT INTO mark VALUES ('b')",
        "ROLLBACK TO SAVEPOINT savepoint_1; RELEASE SAVEPOINT savepoint_1",
        "COMMIT",
    ];
    assert_eq!(log, expected);
}
