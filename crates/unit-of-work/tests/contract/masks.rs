//! What a client is shown of an error: never the words of a database, whatever a resolver has made of them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Context, EmptySubscription, Error, ErrorExtensions, Executor, Object, Request, Response,
    Result, Schema, Subscription, Value, dataloader::Loader,
};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use futures_util::{Stream, StreamExt, stream};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value as Json, json};
use tokio::time::timeout;
use tracing::Level;
use unit_of_work::{
    ContextExt, Database, DatabaseOptions, FailureKind, Retrying, Shown, UnitLoader, UnitOfWork,
    UnitOfWorkExtension,
};

use crate::{
    logs::Logs,
    stage::{PATIENCE, Stage, codes, count_marks, data, insert_mark, slow_sql},
};

/// A word that only the database's own message has.
const WORD: &str = "nowhere";

async fn fails(unit: &impl ConnectionTrait) -> Result<i32, DbErr> {
    unit.execute_unprepared("SELECT * FROM nowhere").await?;
    Ok(1)
}

#[derive(Clone, Debug, thiserror::Error)]
enum AppError {
    #[error(transparent)]
    Transparent(#[from] DbErr),
    #[error("loading failed: {0}")]
    Prefixed(#[source] DbErr),
    #[error("there is no such thing")]
    Own(#[source] Arc<DbErr>),
    #[error("boxed: {0}")]
    Wrapped(#[source] Arc<AppError>),
}

/// An error of an application that keeps no source.
#[derive(Clone, Debug)]
struct Opaque(String);

impl std::fmt::Display for Opaque {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn coded(message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", "TAKEN"))
}

/// What resolvers make of a database error.
fn made_of(error: DbErr, how: &str) -> Error {
    match how {
        "bare" => error.into(),
        "arc" => Arc::new(error).into(),
        "box" => Box::new(error).into(),
        "transparent" => AppError::from(error).into(),
        "prefixed" => AppError::Prefixed(error).into(),
        "own" => AppError::Own(Arc::new(error)).into(),
        "wrapped" => AppError::Wrapped(Arc::new(AppError::from(error))).into(),
        "dyn" => {
            let error: Box<dyn std::error::Error + Send + Sync> = Box::new(AppError::from(error));
            error.into()
        }
        "arcDyn" => {
            let error: Arc<dyn std::error::Error + Send + Sync> = Arc::new(AppError::from(error));
            error.into()
        }
        "extended" => error.extend_with(|error, extensions| {
            extensions.set("hint", "try another");
            extensions.set("cause", error.to_string());
        }),
        "text" => Error::new(error.to_string()),
        "debug" => Error::new(format!("{error:?}")),
        "opaque" => Opaque(error.to_string().to_uppercase()).into(),
        "silent" => Opaque("it did not work".to_owned()).into(),
        other => panic!("{other}?"),
    }
}

const ALL: [&str; 14] = [
    "bare",
    "arc",
    "box",
    "transparent",
    "prefixed",
    "own",
    "wrapped",
    "dyn",
    "arcDyn",
    "extended",
    "text",
    "debug",
    "opaque",
    "silent",
];

#[derive(Default)]
struct Root;

#[Object]
impl Root {
    async fn fails(&self, ctx: &Context<'_>, how: String) -> Result<i32> {
        fails(ctx.unit())
            .await
            .map_err(|error| made_of(error, &how))
    }

    /// async-graphql catches the error of such a field before an extension sees it.
    async fn caught(&self, ctx: &Context<'_>, how: String) -> Option<Result<i32>> {
        Some(
            fails(ctx.unit())
                .await
                .map_err(|error| made_of(error, &how)),
        )
    }

    async fn list(&self, ctx: &Context<'_>, how: String) -> Vec<Option<Result<i32>>> {
        let failed = fails(ctx.unit())
            .await
            .map_err(|error| made_of(error, &how));
        vec![Some(Ok(1)), Some(failed)]
    }

    /// On a unit of its own.
    async fn elsewhere(&self, ctx: &Context<'_>, how: String) -> Option<Result<i32>> {
        let database: &Database = ctx.data_unchecked();
        let failed = database.read(async |unit| fails(&unit).await).await;
        Some(failed.map_err(|error| made_of(error, &how)))
    }

    /// In a task of its own, of which the unit does not know the field.
    async fn spawned(&self, ctx: &Context<'_>) -> Option<Result<i32>> {
        let unit = ctx.unit().clone();
        let failed = tokio::spawn(async move { fails(&unit).await }).await;
        Some(failed.map_err(Error::from).and_then(|failed| {
            failed.map_err(|error| Error::new(format!("the task says: {error}")))
        }))
    }

    /// The application's own answer to what the database has said.
    async fn declared(&self, ctx: &Context<'_>) -> Option<Result<i32>> {
        Some(
            fails(ctx.unit())
                .await
                .map_err(|_| coded("this name is taken")),
        )
    }

    /// It has a code, and gives the database away all the same.
    async fn declared_and_said(&self, ctx: &Context<'_>) -> Option<Result<i32>> {
        Some(
            fails(ctx.unit())
                .await
                .map_err(|error| coded(error.to_string())),
        )
    }

    /// A savepoint has dealt with the failure, and then there is something else to say.
    async fn mended(&self, ctx: &Context<'_>) -> Option<Result<i32>> {
        let tried = ctx.unit().savepoint(async |tx| fails(tx).await).await;
        Some(tried.map_err(|_| Error::new("that was not to be")))
    }

    async fn business(&self) -> Option<Result<i32>> {
        Some(Err(Error::new("no more than three")))
    }

    async fn parent(&self, ctx: &Context<'_>) -> Option<Child> {
        let _ = fails(ctx.unit()).await;
        Some(Child)
    }

    async fn item(&self, ctx: &Context<'_>, id: i32) -> Option<Result<Option<i64>>> {
        let loaded = ctx.loader::<Failing>().load_one(id).await;
        Some(loaded.map_err(Error::from))
    }

    async fn marks(&self, ctx: &Context<'_>) -> Result<i64> {
        Ok(count_marks(ctx.unit()).await?)
    }

    async fn mark(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        insert_mark(ctx.unit(), &name).await?;
        Ok(true)
    }

    async fn swallow(&self, ctx: &Context<'_>) -> bool {
        let _ = fails(ctx.unit()).await;
        true
    }

    async fn abandon(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        count_marks(unit).await?;
        let mut slow = Box::pin(unit.execute_unprepared(slow_sql(unit)));
        assert!(futures_util::poll!(&mut slow).is_pending());
        drop(slow);
        Ok(true)
    }

    async fn slow(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_unprepared(slow_sql(unit))
            .await
            .map_err(AppError::from)?;
        Ok(true)
    }

    /// The first time, its connection dies.
    async fn dies_once(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        if ctx
            .data_unchecked::<Arc<AtomicU32>>()
            .fetch_add(1, Ordering::SeqCst)
            == 0
        {
            let dies = "SELECT pg_terminate_backend(pg_backend_pid())";
            unit.execute_unprepared(dies)
                .await
                .map_err(AppError::from)?;
        }
        Ok(true)
    }
}

struct Child;

#[Object]
impl Child {
    /// Not the database's: that failed in the field above.
    async fn business(&self) -> Option<Result<i32>> {
        Some(Err(Error::new("no more than three")))
    }
}

/// A loader whose error keeps nothing but the text.
struct Failing(UnitOfWork);

impl UnitLoader for Failing {
    fn from_unit(unit: UnitOfWork) -> Self {
        Self(unit)
    }
}

impl Loader<i32> for Failing {
    type Value = i64;
    type Error = Opaque;

    async fn load(&self, _: &[i32]) -> Result<HashMap<i32, i64>, Opaque> {
        match fails(&self.0).await {
            Ok(_) => Ok(HashMap::new()),
            Err(_) => Err(Opaque("loading failed".to_owned())),
        }
    }
}

struct Events;

#[Subscription]
impl Events {
    /// A stream that cannot be created.
    async fn never(&self, ctx: &Context<'_>, how: String) -> Result<impl Stream<Item = i32>> {
        let database: &Database = ctx.data_unchecked();
        let failed = database.read(async |unit| fails(&unit).await).await;
        failed.map_err(|error| made_of(error, &how))?;
        Ok(stream::empty())
    }

    async fn refused(&self) -> Result<impl Stream<Item = i32>> {
        Err::<stream::Empty<i32>, _>(Error::new("not today"))
    }

    async fn events(&self) -> impl Stream<Item = Event> {
        stream::iter([Event, Event])
    }

    /// Events that fail before they are executed.
    async fn failing(&self, ctx: &Context<'_>, how: String) -> impl Stream<Item = Result<i32>> {
        let database = ctx.data_unchecked::<Database>().clone();
        stream::once(async move {
            let failed = database.read(async |unit| fails(&unit).await).await;
            failed.map_err(|error| made_of(error, &how))
        })
    }
}

#[derive(Clone)]
struct Event;

#[Object]
impl Event {
    async fn fails(&self, ctx: &Context<'_>, how: String) -> Result<i32> {
        fails(ctx.unit())
            .await
            .map_err(|error| made_of(error, &how))
    }
}

struct Scene {
    stage: Stage,
    schema: Schema<Root, Root, Events>,
    logs: Logs,
}

impl Scene {
    async fn new(test: TestDatabase) -> Self {
        Self::with(test, |_| {}, |extension| extension).await
    }

    async fn with(
        test: TestDatabase,
        options: impl FnOnce(&mut DatabaseOptions),
        configure: impl FnOnce(UnitOfWorkExtension) -> UnitOfWorkExtension,
    ) -> Self {
        let url = test.url().to_owned();
        let mut given = DatabaseOptions::default();
        // Resolvers use other units beside their own.
        given.max_connections = 3;
        options(&mut given);
        let stage = Stage::at(test, &url, given, |extension| extension).await;
        let schema = Schema::build(Root, Root, Events)
            .extension(configure(UnitOfWorkExtension::new(stage.database.clone())))
            .data(stage.database.clone())
            .data(Arc::new(AtomicU32::new(0)))
            .finish();
        Self {
            stage,
            schema,
            logs: Logs::of_this_process(),
        }
    }

    async fn run(&self, query: &str) -> Response {
        timeout(PATIENCE, self.schema.execute(query))
            .await
            .expect("answers")
    }

    async fn events(&self, query: &str) -> Vec<Response> {
        let events = self.schema.execute_stream(query).collect();
        timeout(PATIENCE, events).await.expect("ends")
    }

    /// Every error is masked, and the log has the cause once, under the id that the client was shown.
    fn assert_masked(&self, response: &Response, errors: usize, what: &str) {
        let shown = serde_json::to_string(response)
            .expect("is JSON")
            .to_lowercase();
        assert!(!shown.contains(WORD), "{what}: {shown}");
        assert_eq!(response.errors.len(), errors, "{what}: {shown}");
        for error in &response.errors {
            let error = serde_json::to_value(error).expect("is JSON");
            let id = error["extensions"]["id"].as_str();
            let id = id.unwrap_or_else(|| panic!("{what}: no id in {error}"));
            let lines = self.logs.lines(Level::ERROR, id);
            assert_eq!(lines.len(), 1, "{what}: {lines:?}");
            assert!(
                lines[0].to_lowercase().contains(WORD),
                "{what}: {}",
                lines[0]
            );
        }
    }
}

fn error(response: &Response, index: usize) -> Json {
    serde_json::to_value(&response.errors[index]).expect("is JSON")
}

on_every_engine! {
    /// Whatever a resolver makes of a database error, in queries and mutations, in fields that async-graphql catches and in
    /// items of lists.
    async fn database_errors_are_masked(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for how in ALL {
            for query in [
                format!("{{ fails(how: \"{how}\") }}"),
                format!("{{ caught(how: \"{how}\") }}"),
                format!("{{ list(how: \"{how}\") }}"),
                format!("mutation {{ fails(how: \"{how}\") }}"),
                format!("mutation {{ caught(how: \"{how}\") }}"),
                format!("mutation {{ alias: list(how: \"{how}\") }}"),
                format!("{{ elsewhere(how: \"{how}\") }}"),
            ] {
                let response = scene.run(&query).await;
                scene.assert_masked(&response, 1, &query);
                assert_eq!(codes(&response), ["INTERNAL"], "{query}");
            }
        }
        let response = scene.run("{ spawned }").await;
        scene.assert_masked(&response, 1, "spawned");
        let kept = error(&scene.run("{ caught(how: \"extended\") }").await, 0);
        assert_eq!(kept["extensions"]["hint"], "try another");
        assert_eq!(kept["extensions"].get("cause"), None);
        scene.stage.assert_whole().await;
    }

    /// What the application has declared itself stays; its code stays where its words do not.
    async fn declared_errors_stay(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for query in ["{ declared }", "mutation { declared }"] {
            let error = error(&scene.run(query).await, 0);
            assert_eq!(error["message"], "this name is taken");
            assert_eq!(error["extensions"], json!({ "code": "TAKEN" }));
        }
        let response = scene.run("{ declaredAndSaid }").await;
        scene.assert_masked(&response, 1, "declaredAndSaid");
        assert_eq!(codes(&response), ["TAKEN"]);
        for query in ["{ mended }", "mutation { mended }"] {
            assert_eq!(error(&scene.run(query).await, 0)["message"], "that was not to be", "{query}");
        }
        scene.stage.assert_whole().await;
    }

    /// A failure of one field says nothing of the errors of others, beside it or below it.
    async fn errors_of_other_fields_stay(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for query in [
            "{ caught(how: \"silent\") business }",
            "mutation { caught(how: \"silent\") business }",
            "{ item(id: 1) business }",
            "{ elsewhere(how: \"silent\") business }",
        ] {
            let response = scene.run(query).await;
            let shown: Vec<_> = response.errors.iter().filter(|error| error.message == "no more than three").collect();
            assert_eq!((response.errors.len(), shown.len()), (2, 1), "{query}: {response:?}");
        }
        let response = scene.run("{ parent { business } }").await;
        assert_eq!(error(&response, 0)["message"], "no more than three");
        assert_eq!(error(&response, 0)["path"], json!(["parent", "business"]));
        scene.stage.assert_whole().await;
    }

    /// A batch that fails is a failure of every field that waits for it, and of no other; the log has it once.
    async fn loader_errors_are_masked(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("{ a: item(id: 1) b: item(id: 2) c: item(id: 3) }").await;
        scene.assert_masked(&response, 3, "loader");
        let ids: std::collections::BTreeSet<_> =
            (0..3).map(|index| error(&response, index)["extensions"]["id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "{response:?}");
        scene.stage.assert_whole().await;
    }

    /// Events, streams that cannot be created, and streams that fail between their events.
    async fn errors_of_subscriptions_are_masked(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for how in ALL {
            for (query, count) in [
                (format!("subscription {{ never(how: \"{how}\") }}"), 1),
                (format!("subscription {{ events {{ fails(how: \"{how}\") }} }}"), 2),
                (format!("subscription {{ failing(how: \"{how}\") }}"), 1),
            ] {
                let events = scene.events(&query).await;
                assert_eq!(events.len(), count, "{query}: {events:?}");
                for event in events {
                    scene.assert_masked(&event, 1, &query);
                }
            }
        }
        let events = scene.events("subscription { refused }").await;
        assert_eq!(error(&events[0], 0)["message"], "not today");
        scene.stage.assert_whole().await;
    }

    /// A doomed unit says no more than that, and the log has the first failure under the same id, once.
    async fn doomed_unit_has_a_cause(test: TestDatabase) {
        // The statement that is abandoned ends by this.
        let limit = |options: &mut DatabaseOptions| options.statement_timeout = Duration::from_millis(500);
        let scene = Scene::with(test, limit, |extension| extension).await;
        for query in ["mutation { swallow }", "mutation { swallow again: swallow }"] {
            let response = scene.run(query).await;
            assert_eq!(codes(&response), ["UNIT_DOOMED"], "{query}");
            scene.assert_masked(&response, 1, query);
            let id = error(&response, 0)["extensions"]["id"].as_str().map(str::to_owned);
            let line = scene.logs.lines(Level::ERROR, &id.expect("an id")).remove(0);
            assert!(line.contains("\"field\": \"swallow\""), "{line}");
        }
        // A field that goes on after the failure and reports what it is told is shown the same.
        let response = scene.run("mutation { swallow mark(name: \"a\") }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        scene.assert_masked(&response, 1, "swallow and mark");
        let response = scene.run("mutation { abandon }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        let id = error(&response, 0)["extensions"]["id"].as_str().map(str::to_owned).expect("an id");
        let lines = scene.logs.lines(Level::ERROR, &id);
        assert!(lines.len() == 1 && lines[0].contains("dropped"), "{lines:?}");
        scene.stage.assert_whole().await;
    }

    /// The application decides by a hook.
    async fn hook_decides_what_is_shown(test: TestDatabase) {
        let scene = Scene::with(test, |_| {}, |extension| {
            extension.map_error(|resolver| match (resolver.database, resolver.error.message.as_str()) {
                (Some(FailureKind::Other), _) if resolver.error.source::<AppError>().is_some() => {
                    Shown::Instead(coded("come back tomorrow"))
                }
                (Some(_), text) if text.contains("did not work") => Shown::AsItIs,
                (None, "no more than three") => Shown::Masked,
                (Some(_), text) if text.contains("DbErr") || text.starts_with("Exec") => panic!("the hook's own words"),
                _ => Shown::ByDefault,
            })
        })
        .await;
        let shown = async |query: &str| {
            let response = scene.run(query).await;
            (codes(&response).remove(0), error(&response, 0)["message"].as_str().map(str::to_owned).expect("a text"))
        };
        assert_eq!(shown("{ caught(how: \"transparent\") }").await, ("TAKEN".to_owned(), "come back tomorrow".to_owned()));
        assert_eq!(shown("mutation { caught(how: \"silent\") }").await, (String::new(), "it did not work".to_owned()));
        let business = scene.run("{ business }").await;
        assert_eq!(codes(&business), ["INTERNAL"]);
        let id = error(&business, 0)["extensions"]["id"].as_str().map(str::to_owned).expect("an id");
        assert_eq!(scene.logs.lines(Level::ERROR, &id).len(), 1);
        assert!(scene.logs.lines(Level::ERROR, &id)[0].contains("no more than three"));
        let panicked = scene.run("{ caught(how: \"debug\") }").await;
        assert_eq!(codes(&panicked), ["INTERNAL"]);
        scene.assert_masked(&panicked, 1, "panics");
        scene.stage.assert_whole().await;
    }
}

/// A statement that the database ends by a limit of its own is not the operation's deadline.
#[tokio::test]
async fn statement_timeout_is_told_from_the_deadline() {
    let scene = Scene::with(
        TestDatabase::create(Engine::Postgres).await,
        |options| options.statement_timeout = Duration::from_millis(100),
        |extension| extension,
    )
    .await;
    for query in ["mutation { slow }", "{ slow }"] {
        let response = scene.run(query).await;
        assert_eq!(codes(&response), ["STATEMENT_TIMEOUT"], "{query}");
        let error = error(&response, 0);
        assert_eq!(error["extensions"]["retryable"], true);
        let id = error["extensions"]["id"].as_str().expect("an id");
        assert_eq!(scene.logs.lines(Level::WARN, id).len(), 1);
    }
    let schema = Schema::build(Root, Root, EmptySubscription)
        .extension(
            UnitOfWorkExtension::new(scene.stage.database.clone())
                .deadline(Duration::from_millis(80)),
        )
        .finish();
    for query in ["mutation { slow }", "{ slow }"] {
        assert_eq!(
            codes(&schema.execute(query).await),
            ["DEADLINE_EXCEEDED"],
            "{query}"
        );
    }
    scene.stage.assert_whole().await;
}

/// Nobody sees the errors of an attempt that is run again: they are a warning with their cause, and no error with an id.
#[tokio::test]
async fn attempt_that_is_run_again_is_no_error_in_the_log() {
    let scene = Scene::new(TestDatabase::create(Engine::Postgres).await).await;
    let retrying = Retrying::new(scene.schema.clone());
    let request = Request::new("mutation { runAgainQuietly: diesOnce mark(name: \"a\") }");
    let response = timeout(PATIENCE, retrying.execute(request))
        .await
        .expect("answers");
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(
        data(&response),
        json!({ "runAgainQuietly": true, "mark": true })
    );
    assert_eq!(
        scene.logs.lines(Level::ERROR, "runAgainQuietly"),
        Vec::<String>::new()
    );
    let warned = scene.logs.lines(Level::WARN, "runAgainQuietly");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(scene.stage.marks().await, ["a"]);

    // One that is not run again is shown, and logged.
    let once = Schema::build(Root, Root, EmptySubscription)
        .extension(UnitOfWorkExtension::new(scene.stage.database.clone()))
        .data(Arc::new(AtomicU32::new(0)))
        .finish();
    let response = once.execute("mutation { runOnce: diesOnce }").await;
    assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"]);
    let id = error(&response, 0)["extensions"]["id"]
        .as_str()
        .map(str::to_owned);
    let logged = scene.logs.lines(Level::WARN, "runOnce");
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains(&id.expect("an id")), "{logged:?}");
    assert_eq!(response.data, Value::Null);
}
