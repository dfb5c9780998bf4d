//! A schema whose resolvers fail in every way.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_graphql::{
    Context, Error, ErrorExtensions, Object, Response, Result, Schema, Subscription,
    dataloader::Loader,
};
use daybook_test_harness::TestDatabase;
use futures_util::{Stream, StreamExt, stream};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::Value as Json;
use tokio::time::timeout;
use tracing::Level;
use unit_of_work::{
    ContextExt, Database, DatabaseOptions, UnitLoader, UnitOfWork, UnitOfWorkExtension,
};

use crate::{
    logs::Logs,
    stage::{PATIENCE, Stage, count_marks, insert_mark, slow_sql},
};

/// A word that only the database's own message has.
pub(super) const WORD: &str = "nowhere";

pub(super) async fn fails(unit: &impl ConnectionTrait) -> Result<i32, DbErr> {
    unit.execute_unprepared("SELECT * FROM nowhere").await?;
    Ok(1)
}

#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum AppError {
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
pub(super) struct Opaque(pub(super) String);

impl std::fmt::Display for Opaque {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

pub(super) fn coded(message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", "TAKEN"))
}

/// What resolvers make of a database error.
pub(super) fn made_of(error: DbErr, how: &str) -> Error {
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

pub(super) const ALL: [&str; 14] = [
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
pub(super) struct Root;

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

pub(super) struct Child;

#[Object]
impl Child {
    /// Not the database's: that failed in the field above.
    async fn business(&self) -> Option<Result<i32>> {
        Some(Err(Error::new("no more than three")))
    }
}

/// A loader whose error keeps nothing but the text.
pub(super) struct Failing(pub(super) UnitOfWork);

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

pub(super) struct Events;

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
pub(super) struct Event;

#[Object]
impl Event {
    async fn fails(&self, ctx: &Context<'_>, how: String) -> Result<i32> {
        fails(ctx.unit())
            .await
            .map_err(|error| made_of(error, &how))
    }
}

pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) schema: Schema<Root, Root, Events>,
    pub(super) logs: Logs,
}

impl Scene {
    pub(super) async fn new(test: TestDatabase) -> Self {
        Self::with(test, |_| {}, |extension| extension).await
    }

    pub(super) async fn with(
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

    pub(super) async fn run(&self, query: &str) -> Response {
        timeout(PATIENCE, self.schema.execute(query))
            .await
            .expect("answers")
    }

    pub(super) async fn events(&self, query: &str) -> Vec<Response> {
        let events = self.schema.execute_stream(query).collect();
        timeout(PATIENCE, events).await.expect("ends")
    }

    /// Every error is masked, and the log has the cause once, under the id that the client was shown.
    pub(super) fn assert_masked(&self, response: &Response, errors: usize, what: &str) {
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

pub(super) fn error(response: &Response, index: usize) -> Json {
    serde_json::to_value(&response.errors[index]).expect("is JSON")
}
