//! Part of a unit, undone by itself.

use std::{sync::Arc, time::Duration};

use async_graphql::{
    Context, EmptySubscription, Error, Object, Request, Response, Result, Schema, value,
};
use daybook_test_harness::{Engine, TestDatabase, WireProxy, eventually, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr, IsolationLevel};
use tokio::{sync::Notify, time::timeout};
use unit_of_work::{
    ContextExt, Database, DatabaseOptions, FailureKind, Report, UnitError, UnitOfWork,
    UnitOfWorkExtension,
};

use crate::stage::{
    Cue, MarkCounts, PATIENCE, Stage, codes, count_marks, data, insert_mark, lock, report,
};
use crate::wire::BEGIN;

/// A stage with a schema of its own, whose resolvers use savepoints.
struct Scene {
    stage: Stage,
    schema: Schema<Query, Mutation, EmptySubscription>,
}

impl Scene {
    async fn new(test: TestDatabase) -> Self {
        let url = test.url().to_owned();
        Self::at(test, &url, DatabaseOptions::default()).await
    }

    async fn at(test: TestDatabase, url: &str, options: DatabaseOptions) -> Self {
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

    async fn run(&self, query: &str) -> Response {
        timeout(PATIENCE, self.schema.execute(Request::new(query)))
            .await
            .unwrap_or_else(|_| panic!("no answer: {query}"))
    }

    /// What a mutation that must succeed answers in its only field, and the marks it leaves.
    async fn marks_after(&self, mutation: &str) -> Vec<String> {
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
struct Meeting {
    inside: Notify,
    tried: Notify,
}

fn meeting<'a>(ctx: &Context<'a>) -> &'a Meeting {
    ctx.data_unchecked()
}

fn cue<'a>(ctx: &Context<'a>) -> &'a Arc<Cue> {
    ctx.data_unchecked()
}

/// An effect that leaves its name.
fn leaves(ctx: &Context<'_>, name: &'static str) -> impl Future<Output = ()> + Send + 'static {
    let cue = Arc::clone(cue(ctx));
    async move { lock(&cue.effects).push(name.to_owned()) }
}

/// The body's own error: not one of the database.
fn refused() -> DbErr {
    DbErr::Custom("refused".to_owned())
}

fn refusal<T: std::fmt::Debug>(result: Result<T, DbErr>) -> UnitError {
    let error = result.expect_err("is refused");
    UnitError::in_db_err(&error)
        .unwrap_or_else(|| panic!("{error}"))
        .clone()
}

/// Runs a savepoint until it is half way, and drops it.
async fn drop_half_way(unit: &UnitOfWork) {
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

struct Query;

#[Object]
impl Query {
    async fn marks_in_a_savepoint(&self, ctx: &Context<'_>) -> Result<i64> {
        let count = ctx.unit().savepoint(async |tx| count_marks(tx).await);
        Ok(count.await?)
    }

    /// Tries to write, and reads on.
    async fn marks_after_a_refused_write(&self, ctx: &Context<'_>) -> Result<i64> {
        let written = ctx.unit().savepoint(async |tx| insert_mark(tx, "a").await);
        let error = written.await.expect_err("is refused");
        assert_eq!(FailureKind::of(&error), FailureKind::ReadOnly);
        Ok(count_marks(ctx.unit()).await?)
    }

    async fn marks_after_a_dropped_savepoint(&self, ctx: &Context<'_>) -> Result<i64> {
        let inside = Notify::new();
        let endless = ctx.unit().savepoint(async |tx| -> Result<(), DbErr> {
            count_marks(tx).await?;
            inside.notify_one();
            std::future::pending().await
        });
        tokio::select! {
            ended = endless => panic!("{ended:?}"),
            () = inside.notified() => {}
        }
        Ok(count_marks(ctx.unit()).await?)
    }
}

struct Mutation;

#[Object]
impl Mutation {
    /// Inserts `a`, tries to insert it again, and goes on with `b`.
    async fn handles(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        insert_mark(unit, "a").await?;
        let name = String::from("a");
        let again = unit.savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            insert_mark(tx, &name).await
        });
        let error = again.await.expect_err("is there already");
        assert_eq!(FailureKind::of(&error), FailureKind::Constraint);
        insert_mark(unit, "b").await?;
        Ok(true)
    }

    async fn keeps(&self, ctx: &Context<'_>, name: String) -> Result<String> {
        let unit = ctx.unit();
        unit.savepoint(async |tx| -> Result<String> {
            insert_mark(tx, &name).await?;
            Ok(name)
        })
        .await
    }

    /// The body refuses, with no statement that failed.
    async fn undoes(&self, ctx: &Context<'_>) -> Result<bool> {
        let undone = ctx.unit().savepoint(async |tx| -> Result<()> {
            insert_mark(tx, "undone").await?;
            Err(Error::new("refused"))
        });
        assert_eq!(undone.await.expect_err("is refused").message, "refused");
        Ok(true)
    }

    async fn inner_undone(&self, ctx: &Context<'_>) -> Result<bool> {
        let outer = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "outer").await?;
            for again in ["outer", "inner"] {
                let inner = tx.savepoint(async |tx| {
                    insert_mark(tx, "inner").await?;
                    insert_mark(tx, again).await
                });
                inner.await.expect_err("is there already");
            }
            tx.savepoint(async |tx| insert_mark(tx, "second").await)
                .await?;
            insert_mark(tx, "third").await
        });
        outer.await?;
        Ok(true)
    }

    async fn outer_undone(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let outer = unit.savepoint(async |tx| {
            insert_mark(tx, "outer").await?;
            tx.savepoint(async |tx| insert_mark(tx, "inner").await)
                .await?;
            Err::<(), _>(refused())
        });
        outer.await.expect_err("is refused");
        insert_mark(unit, "a").await?;
        Ok(true)
    }

    async fn pair(&self) -> Pair {
        Pair
    }

    /// Uses what is held by the savepoint, in every way there is, and looks away.
    async fn uses_what_it_holds(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let inside = UnitError::InsideSavepoint;
        let swallowed = unit.savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            assert_eq!(refusal(insert_mark(unit, "lost").await), inside);
            Ok::<_, DbErr>(())
        });
        assert_eq!(refusal(swallowed.await), UnitError::SavepointFailed);

        let twice = unit.savepoint(async |_| {
            unit.savepoint(async |tx| insert_mark(tx, "lost").await)
                .await
        });
        assert_eq!(refusal(twice.await), inside);

        let outer = unit.savepoint(async |outer| {
            let inner = outer.savepoint(async |_| insert_mark(outer, "lost").await);
            assert_eq!(refusal(inner.await), inside);
            let inner = outer.savepoint(async |_| count_marks(unit).await);
            assert_eq!(refusal(inner.await), inside);
            insert_mark(outer, "outer").await
        });
        outer.await?;

        let loader = ctx.loader::<MarkCounts>();
        let loaded = unit.savepoint(async |_| match loader.load_one(0).await {
            Err(error) => {
                assert_eq!(UnitError::in_db_err(&error), Some(&inside));
                Err(refused())
            }
            Ok(count) => panic!("{count:?}"),
        });
        loaded
            .await
            .map(|()| true)
            .expect_err("the body has refused");

        insert_mark(unit, "a").await?;
        Ok(true)
    }

    /// Another database's unit is no business of this unit's savepoint.
    async fn another_unit(&self, ctx: &Context<'_>) -> Result<i64> {
        let other: &Database = ctx.data_unchecked();
        let count = ctx
            .unit()
            .savepoint(async |_| other.read(async |other| count_marks(&other).await).await);
        Ok(count.await?)
    }

    async fn effects(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.after_commit(leaves(ctx, "first"));
        let undone = unit.savepoint(async |tx| {
            tx.after_commit(leaves(ctx, "undone"));
            unit.after_commit(leaves(ctx, "undone through the unit"));
            tx.savepoint(async |tx| {
                tx.after_commit(leaves(ctx, "undone with the outer one"));
                count_marks(tx).await
            })
            .await?;
            Err::<(), _>(refused())
        });
        undone.await.expect_err("is refused");
        unit.after_commit(leaves(ctx, "second"));
        let kept = unit.savepoint(async |outer| {
            outer.after_commit(leaves(ctx, "third"));
            let undone = outer.savepoint(async |tx| {
                tx.after_commit(leaves(ctx, "undone inside"));
                // The handle that belongs outside says where it belongs.
                outer.after_commit(leaves(ctx, "fourth"));
                Err::<(), _>(refused())
            });
            undone.await.expect_err("is refused");
            unit.after_commit(leaves(ctx, "fifth"));
            Ok::<_, DbErr>(())
        });
        kept.await?;
        unit.after_commit(leaves(ctx, "last"));
        Ok(true)
    }

    /// The body's statement fails, and the body answers as if nothing were.
    async fn swallows(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let swallowed = unit.savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            let _ = insert_mark(tx, "undone").await;
            assert_eq!(refusal(count_marks(tx).await), UnitError::SavepointFailed);
            let inner = tx.savepoint(async |tx| count_marks(tx).await).await;
            assert_eq!(refusal(inner), UnitError::SavepointFailed);
            Ok::<_, DbErr>(())
        });
        assert_eq!(refusal(swallowed.await), UnitError::SavepointFailed);
        insert_mark(unit, "a").await?;
        Ok(true)
    }

    /// The savepoint's failure is passed on.
    async fn passes_on(&self, ctx: &Context<'_>) -> Result<bool> {
        let swallowed = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            let _ = insert_mark(tx, "undone").await;
            Ok::<_, DbErr>(true)
        });
        Ok(swallowed.await?)
    }

    async fn drops(&self, ctx: &Context<'_>) -> Result<bool> {
        drop_half_way(ctx.unit()).await;
        assert_eq!(refusal(count_marks(ctx.unit()).await), UnitError::Doomed);
        Ok(true)
    }

    /// A savepoint that is dropped inside another one makes that one fail, and no more.
    async fn drops_inside(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let outer = unit.savepoint(async |outer| {
            let inside = Notify::new();
            let endless = outer.savepoint(async |tx| -> Result<(), DbErr> {
                insert_mark(tx, "undone").await?;
                inside.notify_one();
                std::future::pending().await
            });
            tokio::select! {
                ended = endless => panic!("{ended:?}"),
                () = inside.notified() => {}
            }
            Ok::<_, DbErr>(())
        });
        assert_eq!(refusal(outer.await), UnitError::SavepointFailed);
        insert_mark(unit, "a").await?;
        Ok(true)
    }

    /// A statement that is dropped half way makes its savepoint fail, and no more.
    async fn abandons(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let abandoned = unit.savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            let mut slow = Box::pin(tx.execute_unprepared(brief_sql(tx)));
            assert!(futures_util::poll!(&mut slow).is_pending());
            drop(slow);
            Ok::<_, DbErr>(())
        });
        assert_eq!(refusal(abandoned.await), UnitError::SavepointFailed);
        insert_mark(unit, "a").await?;
        Ok(true)
    }

    async fn panics(&self, ctx: &Context<'_>) -> Result<bool> {
        let panics = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            assert!(PATIENCE.is_zero(), "the body's own words");
            Ok::<_, DbErr>(true)
        });
        Ok(panics.await?)
    }

    /// Reads, waits for the test, and writes in a savepoint whose error it looks away from.
    async fn conflicts(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        count_marks(unit).await?;
        cue(ctx).meet().await;
        let update = unit.savepoint(async |tx| {
            tx.execute_unprepared("UPDATE mark SET name = 'mine' WHERE name = 'a'")
                .await
        });
        let _ = update.await.expect_err("fails");
        assert_eq!(refusal(count_marks(unit).await), UnitError::Doomed);
        Ok(true)
    }

    /// The body waits for the test, in the middle.
    async fn meets(&self, ctx: &Context<'_>) -> Result<bool> {
        let met = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            cue(ctx).meet().await;
            insert_mark(tx, "undone as well").await
        });
        let _ = met.await;
        Ok(true)
    }
}

/// A statement that outlasts a turn of the operation, and not by much.
pub fn brief_sql(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        sea_orm::DbBackend::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT COUNT(*) FROM n"
        }
        _ => "SELECT pg_sleep(0.2)",
    }
}

struct Pair;

#[Object]
impl Pair {
    /// Its savepoint is rolled back, once the sibling has tried to get in.
    async fn undone(&self, ctx: &Context<'_>) -> Result<bool> {
        let undone = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            ctx.unit().after_commit(leaves(ctx, "undone"));
            meeting(ctx).inside.notify_one();
            meeting(ctx).tried.notified().await;
            insert_mark(tx, "undone").await
        });
        undone.await.expect_err("is there already");
        Ok(true)
    }

    async fn beside(&self, ctx: &Context<'_>) -> Result<bool> {
        meeting(ctx).inside.notified().await;
        let mut insert = Box::pin(insert_mark(ctx.unit(), "beside"));
        assert!(futures_util::poll!(&mut insert).is_pending());
        ctx.unit().after_commit(leaves(ctx, "beside"));
        meeting(ctx).tried.notify_one();
        Ok(insert.await.map(|()| true)?)
    }
}

on_every_engine! {
    /// What violates a constraint is undone, and the unit goes on and commits.
    async fn constraint_violation_is_handled(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { handles }").await;
        assert!(response.is_ok(), "{response:?}");
        // SAVEPOINT and ROLLBACK TO are no statements of the resolvers.
        assert_eq!(report(&response)["statements"], 4);
        assert_eq!(scene.stage.marks().await, ["a", "b"]);
        scene.stage.assert_whole().await;
    }

    async fn savepoint_that_answers_is_kept(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("keeps(name: \"a\")").await, ["a"]);
    }

    /// An error of the body's own undoes it as one of the database does.
    async fn savepoint_that_refuses_is_undone(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("undoes keeps(name: \"a\")").await, ["a"]);
    }

    async fn inner_savepoint_is_undone_alone(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("innerUndone").await, ["outer", "second", "third"]);
    }

    async fn outer_savepoint_is_undone_with_the_inner_one(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("outerUndone").await, ["a"]);
    }

    /// A sibling field's statement and effect are not undone with a savepoint that was open when it came.
    async fn sibling_cannot_land_inside(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("pair { undone beside }").await, ["beside"]);
        assert_eq!(scene.stage.cue.effects(), ["beside"]);
    }

    /// The unit, an outer savepoint and a loader are refused inside, at once; and what was refused cannot be overlooked.
    async fn unit_inside_its_own_savepoint_is_an_error(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("usesWhatItHolds").await, ["a", "outer"]);
    }

    /// Effects go with their savepoint, whichever handle they were registered with; the others keep their order.
    async fn effects_go_with_their_savepoint(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.marks_after("effects").await;
        assert_eq!(
            scene.stage.cue.effects(),
            ["first", "second", "third", "fourth", "fifth", "last"]
        );
    }

    /// A failure that the body swallows is not kept; the savepoint refuses what comes after it, and the unit goes on.
    async fn swallowed_failure_inside_is_not_kept(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("swallows").await, ["a"]);
        let response = scene.run("mutation { passesOn }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        assert_eq!(report(&response)["reason"], "ERROR");
    }

    async fn dropped_savepoint_dooms(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { drops }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        assert_eq!(report(&response)["reason"], "DOOMED");
        assert_eq!(scene.stage.marks().await, Vec::<String>::new());
        scene.stage.assert_whole().await;
        let response = scene.run("{ marksAfterADroppedSavepoint }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        scene.stage.assert_whole().await;
    }

    /// What is dropped inside a savepoint is undone with it.
    async fn dropped_inside_a_savepoint_is_undone_with_it(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("dropsInside").await, ["a"]);
        scene.stage.observer().await.execute("DELETE FROM mark").await;
        assert_eq!(scene.marks_after("abandons").await, ["a"]);
    }

    async fn panic_inside_a_savepoint_rolls_back(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { panics }").await;
        assert_eq!(codes(&response), ["INTERNAL"]);
        assert_eq!(report(&response)["reason"], "PANIC");
        assert_eq!(scene.stage.marks().await, Vec::<String>::new());
        scene.stage.assert_whole().await;
    }

    async fn savepoint_in_a_query(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("{ marksInASavepoint marksAfterARefusedWrite }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(data(&response), serde_json::json!({ "marksInASavepoint": 0, "marksAfterARefusedWrite": 0 }));
        scene.stage.assert_whole().await;
    }

    /// The client goes while a savepoint is open.
    async fn client_gone_inside_a_savepoint(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let schema = scene.schema.clone();
        let operation = tokio::spawn(async move { schema.execute("mutation { meets }").await });
        scene.stage.cue.reached().await;
        operation.abort();
        assert!(operation.await.expect_err("is gone").is_cancelled());
        scene.stage.assert_whole().await;
        assert_eq!(scene.stage.marks().await, Vec::<String>::new());
    }

    /// A unit's savepoint is that unit's alone: others can be used inside.
    async fn another_unit_inside_a_savepoint(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let request = Request::new("mutation { anotherUnit }").data(scene.stage.database.clone());
        let response = timeout(PATIENCE, scene.schema.execute(request)).await.expect("ends");
        assert_eq!(response.data, value!({ "anotherUnit": 0 }), "{response:?}");
    }

    /// Outside an operation, in a task of its own.
    async fn savepoint_in_a_write(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let database = scene.stage.database.clone();
        let writing = tokio::spawn(async move {
            database
                .write(async |unit| {
                    insert_mark(&unit, "a").await?;
                    let again = unit.savepoint(async |tx| insert_mark(tx, "a").await);
                    again.await.expect_err("is there already");
                    Ok::<_, DbWriteError>(())
                })
                .await
        });
        writing.await.expect("no panic").expect("commits");
        assert_eq!(scene.stage.marks().await, ["a"]);
        scene.stage.assert_whole().await;
    }
}

#[derive(Debug)]
struct DbWriteError;

impl From<DbErr> for DbWriteError {
    fn from(_: DbErr) -> Self {
        Self
    }
}

impl From<UnitError> for DbWriteError {
    fn from(_: UnitError) -> Self {
        Self
    }
}

/// A serialization failure cannot be mended by a savepoint: the operation has to run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflict_inside_a_savepoint_dooms() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = test.url().to_owned();
    let mut options = DatabaseOptions::default();
    options.writer_isolation = IsolationLevel::RepeatableRead;
    let scene = Scene::at(test, &url, options).await;
    let observer = scene.stage.observer().await;
    observer.execute("INSERT INTO mark VALUES ('a')").await;
    let schema = scene.schema.clone();
    let operation = tokio::spawn(async move { schema.execute("mutation { conflicts }").await });
    scene.stage.cue.reached().await;
    observer.execute("UPDATE mark SET name = name").await;
    scene.stage.cue.proceed();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(codes(&response), ["CONFLICT_RETRIES_EXHAUSTED"]);
    assert_eq!(scene.stage.marks().await, ["a"]);
    scene.stage.assert_whole().await;
}

/// A scene behind a proxy, with its connections made and its statements prepared.
async fn behind_a_proxy() -> (Scene, WireProxy) {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let scene = Scene::at(test, proxy.url(), DatabaseOptions::default()).await;
    scene.marks_after("keeps(name: \"a\")").await;
    scene
        .stage
        .observer()
        .await
        .execute("DELETE FROM mark")
        .await;
    proxy.clear_log();
    (scene, proxy)
}

/// The connection is lost inside a savepoint, and the resolver looks away from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_lost_inside_a_savepoint_dooms() {
    let (scene, proxy) = behind_a_proxy().await;
    let schema = scene.schema.clone();
    let operation = tokio::spawn(async move { schema.execute("mutation { meets }").await });
    scene.stage.cue.reached().await;
    proxy.cut_all();
    scene.stage.cue.proceed();
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"]);
    scene.stage.assert_whole().await;
    assert_eq!(scene.stage.marks().await, Vec::<String>::new());
}

/// What a savepoint costs: one round trip to open it and one to end it, whichever way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_savepoint_sends() {
    let (scene, proxy) = behind_a_proxy().await;
    let cases = [
        ("keeps(name: \"undone\")", "RELEASE SAVEPOINT savepoint_1"),
        (
            "undoes",
            "ROLLBACK TO SAVEPOINT savepoint_1; RELEASE SAVEPOINT savepoint_1",
        ),
    ];
    for (mutation, end) in cases {
        proxy.clear_log();
        let response = scene.run(&format!("mutation {{ {mutation} }}")).await;
        assert!(response.is_ok(), "{response:?}");
        eventually("the connection is back", async || {
            proxy.log().last().is_some_and(|last| last == "COMMIT")
        })
        .await;
        let mut log = proxy.log();
        log.retain(|flight| !flight.starts_with("PREPARE"));
        let insert = "INSERT INTO mark VALUES ('undone')";
        let expected = [BEGIN, "SAVEPOINT savepoint_1", insert, end, "COMMIT"];
        assert_eq!(log, expected, "{mutation}");
        let observer = scene.stage.observer().await;
        observer.execute("DELETE FROM mark").await;
    }
}

/// A task that was spawned inside a savepoint is a sibling: it waits for its end. A body that waits for such a task
/// waits for itself, until the deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn savepoint_of_a_task_is_bounded_by_the_deadline() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = test.url().to_owned();
    let stage = Stage::at(test, &url, DatabaseOptions::default(), |extension| {
        extension.deadline(Duration::from_millis(500))
    })
    .await;
    let operation = stage.start("mutation { escape mark(name: \"a\") meet }");
    stage.cue.reached().await;
    let escaped = lock(&stage.cue.handle).take().expect("has escaped");
    let waits_for_itself = tokio::spawn(async move {
        let sibling = escaped.clone();
        escaped
            .savepoint(async move |_| {
                let task = tokio::spawn(async move { insert_mark(&sibling, "b").await });
                task.await.expect("no panic")
            })
            .await
    });
    let response = timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"]);
    waits_for_itself.abort();
    let _ = waits_for_itself.await;
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
}
