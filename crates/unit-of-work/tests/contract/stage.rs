//! A schema whose resolvers do what resolvers do, right and wrong, and a place to meet them half way.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_graphql::{
    Context, Error, ErrorExtensions, Object, Request, Response, Result, Schema, SimpleObject,
    Subscription, Value, dataloader::Loader,
};
use daybook_test_harness::{Observer, TestDatabase};
use futures_util::{Stream, StreamExt, stream};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use tokio::{
    sync::{Barrier, Notify},
    time::timeout,
};
use unit_of_work::{
    ContextExt, Database, DatabaseOptions, Report, RetryPolicy, Retrying, UnitLoader, UnitOfWork,
    UnitOfWorkExtension,
};

pub type TestSchema = Schema<Query, Mutation, Subscriptions>;

/// Longer than anything here takes; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A schema on a fresh database, with pools of one connection: whatever is not given back is missed at once.
pub struct Stage {
    pub test: TestDatabase,
    pub database: Database,
    pub schema: TestSchema,
    pub cue: Arc<Cue>,
}

impl Stage {
    pub async fn new(test: TestDatabase) -> Self {
        let url = test.url().to_owned();
        Self::at(test, &url, DatabaseOptions::default(), |extension| {
            extension
        })
        .await
    }

    pub async fn at(
        test: TestDatabase,
        url: &str,
        mut options: DatabaseOptions,
        configure: impl FnOnce(UnitOfWorkExtension) -> UnitOfWorkExtension,
    ) -> Self {
        let setup = test.observer().await;
        setup
            .execute("CREATE TABLE mark (name TEXT PRIMARY KEY)")
            .await;
        setup
            .execute("CREATE TABLE parent (id BIGINT PRIMARY KEY)")
            .await;
        setup
            .execute(
                "CREATE TABLE child (id BIGINT PRIMARY KEY, parent_id BIGINT NOT NULL CONSTRAINT child_has_parent \
                 REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
            )
            .await;
        setup
            .execute("CREATE TABLE counter (value BIGINT NOT NULL)")
            .await;
        setup.execute("INSERT INTO counter VALUES (0)").await;
        if options.max_connections == DatabaseOptions::default().max_connections {
            options.max_connections = 1;
        }
        if options.acquire_timeout == DatabaseOptions::default().acquire_timeout {
            // The machine may be busy with other tests.
            options.acquire_timeout = PATIENCE;
        }
        let database = Database::connect(url, options).await.expect("connects");
        let cue = Arc::new(Cue::default());
        let schema = schema(&database, &cue, configure);
        Self {
            test,
            database,
            schema,
            cue,
        }
    }

    /// Another schema on the same database.
    pub fn schema_with(
        &self,
        configure: impl FnOnce(UnitOfWorkExtension) -> UnitOfWorkExtension,
    ) -> TestSchema {
        schema(&self.database, &self.cue, configure)
    }

    pub async fn run(&self, query: &str) -> Response {
        timeout(PATIENCE, self.schema.execute(Request::new(query)))
            .await
            .unwrap_or_else(|_| panic!("no answer: {query}"))
    }

    /// Runs an operation in a task of its own, which can be aborted as a server does when its client goes.
    pub fn start(&self, query: &str) -> tokio::task::JoinHandle<Response> {
        let schema = self.schema.clone();
        let request = Request::new(query);
        tokio::spawn(async move { schema.execute(request).await })
    }

    pub async fn observer(&self) -> Observer {
        self.test.observer().await
    }

    /// The marks that are committed.
    pub async fn marks(&self) -> Vec<String> {
        let observer = self.observer().await;
        let marks = observer.texts("SELECT name FROM mark ORDER BY name").await;
        marks.into_iter().flatten().collect()
    }

    /// The pool of one works, for a writer and for a reader, and nothing is left open.
    pub async fn assert_whole(&self) {
        let before = self.marks().await.len();
        let written = self.run("mutation { mark(name: \"whole\") }").await;
        assert!(written.errors.is_empty(), "{written:?}");
        let read = self.run("{ marks }").await;
        assert_eq!(data(&read), serde_json::json!({ "marks": before + 1 }));
        self.observer()
            .await
            .execute("DELETE FROM mark WHERE name = 'whole'")
            .await;
        daybook_test_harness::eventually("no transaction is left open", async || {
            self.test.open_transactions().await == 0
        })
        .await;
    }
}

pub fn schema(
    database: &Database,
    cue: &Arc<Cue>,
    configure: impl FnOnce(UnitOfWorkExtension) -> UnitOfWorkExtension,
) -> TestSchema {
    let extension = UnitOfWorkExtension::new(database.clone()).report(Report::InExtensions);
    Schema::build(Query, Mutation, Subscriptions)
        .extension(configure(extension))
        .data(Arc::clone(cue))
        .data(database.clone())
        .finish()
}

impl Stage {
    /// The schema, with conflicts retried at once.
    pub fn retrying(&self, attempts: u32) -> Retrying<TestSchema> {
        let mut policy = RetryPolicy::default();
        policy.attempts = attempts;
        policy.first_delay = Duration::from_millis(1);
        Retrying::new(self.schema.clone()).policy(policy)
    }

    pub async fn counter(&self) -> i64 {
        self.observer().await.i64("SELECT value FROM counter").await
    }
}

/// Where a resolver and a test meet, and what resolvers leave behind for the test.
#[derive(Default)]
pub struct Cue {
    reached: Notify,
    proceed: Notify,
    pub effects: Mutex<Vec<String>>,
    pub handle: Mutex<Option<UnitOfWork>>,
    /// How many streams of `ticks` were created.
    pub streams: Mutex<u32>,
    /// How often the field `increment` was begun.
    pub increments: AtomicU32,
    /// Whether a resolver that keeps its thread may let it go.
    pub let_go: AtomicBool,
}

impl Cue {
    /// The resolver's side: says that it is there, and waits.
    pub async fn meet(&self) {
        self.reached.notify_one();
        self.proceed.notified().await;
    }

    /// The test's side: waits until the resolver is there.
    pub async fn reached(&self) {
        timeout(PATIENCE, self.reached.notified())
            .await
            .expect("the resolver comes to the cue");
    }

    /// The resolver's side: says that it is there, and keeps its thread until it may let it go. Nothing else of the operation is
    /// polled meanwhile.
    fn keep_the_thread(&self) {
        self.reached.notify_one();
        let began = Instant::now();
        while !self.let_go.load(Ordering::Acquire) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn proceed(&self) {
        self.proceed.notify_one();
    }

    pub fn effects(&self) -> Vec<String> {
        lock(&self.effects).clone()
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn data(response: &Response) -> serde_json::Value {
    response.data.clone().into_json().expect("is JSON")
}

pub fn codes(response: &Response) -> Vec<String> {
    let code = |error: &async_graphql::ServerError| match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code.clone()),
        _ => None,
    };
    response
        .errors
        .iter()
        .map(|error| code(error).unwrap_or_default())
        .collect()
}

/// `extensions.unitOfWork`.
pub fn report(response: &Response) -> serde_json::Value {
    response.extensions["unitOfWork"]
        .clone()
        .into_json()
        .expect("is JSON")
}

pub fn outcome(response: &Response) -> String {
    report(response)["outcome"]
        .as_str()
        .expect("an outcome")
        .to_owned()
}

pub fn statement(unit: &impl ConnectionTrait, sql: &str) -> Statement {
    Statement::from_string(unit.get_database_backend(), sql)
}

pub async fn count_marks(unit: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let row = unit
        .query_one_raw(statement(unit, "SELECT COUNT(*) FROM mark"))
        .await?;
    row.ok_or(DbErr::RecordNotFound("COUNT(*)".to_owned()))?
        .try_get_by_index(0)
}

pub async fn insert_mark(unit: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    unit.execute_raw(statement(
        unit,
        &format!("INSERT INTO mark VALUES ('{name}')"),
    ))
    .await
    .map(drop)
}

async fn insert_parent(unit: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let (_, id) = uuid::Uuid::new_v4().as_u64_pair();
    let id = id.cast_signed();
    let insert = format!("INSERT INTO parent VALUES ({id})");
    unit.execute_raw(statement(unit, &insert)).await?;
    Ok(id)
}

async fn insert_evidence(unit: &UnitOfWork) -> Result<(), DbErr> {
    let id = insert_parent(unit).await?;
    unit.evidence("parent", id);
    Ok(())
}

fn refused() -> Error {
    Error::new("refused").extend_with(|_, extensions| extensions.set("code", "REFUSED"))
}

/// Panics, as far as the compiler can tell only sometimes.
fn panics() -> i32 {
    assert!(PATIENCE.is_zero(), "the resolver's own words");
    0
}

fn cue<'a>(ctx: &Context<'a>) -> &'a Arc<Cue> {
    ctx.data_unchecked()
}

pub struct Query;

#[Object]
impl Query {
    async fn ping(&self) -> i32 {
        1
    }

    async fn marks(&self, ctx: &Context<'_>) -> Result<i64> {
        Ok(count_marks(ctx.unit()).await?)
    }

    /// A setting of PostgreSQL, as this unit's transaction sees it.
    async fn setting(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        let unit = ctx.unit();
        let select = format!("SELECT current_setting('{name}', true)");
        let row = unit.query_one_raw(statement(unit, &select)).await?;
        Ok(row.ok_or("no row")?.try_get_by_index(0)?)
    }

    /// A statement that takes longer than any test waits.
    async fn slow(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_unprepared(slow_sql(unit)).await?;
        Ok(true)
    }

    /// A statement that never ends by itself.
    async fn endless(&self, ctx: &Context<'_>, #[graphql(default)] begun: bool) -> Result<bool> {
        let unit = ctx.unit();
        if begun {
            count_marks(unit).await?;
        }
        cue(ctx).reached.notify_one();
        unit.execute_unprepared(endless_sql(unit)).await?;
        Ok(true)
    }

    /// Counts, waits for the test, and counts again.
    async fn marks_twice(&self, ctx: &Context<'_>) -> Result<Vec<i64>> {
        let before = count_marks(ctx.unit()).await?;
        cue(ctx).meet().await;
        Ok(vec![before, count_marks(ctx.unit()).await?])
    }

    /// Counts once, and meets the test.
    async fn marks_and_meet(&self, ctx: &Context<'_>) -> Result<i64> {
        let marks = count_marks(ctx.unit()).await?;
        cue(ctx).meet().await;
        Ok(marks)
    }

    async fn marks_in_a_loader(&self, ctx: &Context<'_>) -> Result<Option<i64>> {
        Ok(ctx.loader::<MarkCounts>().load_one(0).await?)
    }

    /// Counts when it is told to.
    async fn marks_after(&self, ctx: &Context<'_>) -> Result<i64> {
        cue(ctx).proceed.notified().await;
        Ok(count_marks(ctx.unit()).await?)
    }

    /// Asks the loader for the same again when it has answered.
    async fn marks_twice_in_a_loader(&self, ctx: &Context<'_>) -> Result<Vec<Option<i64>>> {
        let loader = ctx.loader::<MarkCounts>();
        let before = loader.load_one(0).await?;
        Ok(vec![before, loader.load_one(0).await?])
    }

    /// A list whose items each ask the loader.
    async fn items(&self, n: i32) -> Vec<Item> {
        (0..n).map(|id| Item { id }).collect()
    }

    async fn write(&self, ctx: &Context<'_>) -> Option<Result<bool>> {
        let inserted = insert_mark(ctx.unit(), "in a query").await;
        Some(inserted.map(|()| true).map_err(Error::from))
    }

    async fn panics(&self) -> i32 {
        panics()
    }

    /// A nullable field that fails when it is asked to.
    async fn maybe(&self, fail: bool) -> Option<Result<i32>> {
        Some(if fail { Err(refused()) } else { Ok(1) })
    }

    /// A non-null field that fails.
    async fn must(&self) -> Result<i32> {
        Err(refused())
    }

    async fn kid(&self) -> Option<Kid> {
        Some(Kid)
    }

    async fn must_have_kid(&self) -> Kid {
        Kid
    }

    async fn kids(&self) -> Vec<Option<Kid>> {
        vec![Some(Kid), None, Some(Kid)]
    }

    async fn must_be_kids(&self) -> Option<Vec<Kid>> {
        Some(vec![Kid, Kid])
    }

    async fn some_fail(&self) -> Vec<Option<Result<i32>>> {
        vec![Some(Ok(1)), Some(Err(refused())), None]
    }
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Item {
    id: i32,
}

#[async_graphql::ComplexObject]
impl Item {
    async fn marks(&self, ctx: &Context<'_>) -> Result<Option<i64>> {
        Ok(ctx.loader::<MarkCounts>().load_one(self.id).await?)
    }
}

pub struct Kid;

#[Object]
impl Kid {
    async fn ping(&self) -> i32 {
        1
    }

    async fn maybe(&self) -> Option<Result<i32>> {
        Some(Err(refused()))
    }

    async fn must(&self) -> Result<i32> {
        Err(refused())
    }

    async fn kid(&self) -> Kid {
        Self
    }

    /// Tells the test's cue, and goes into a statement that takes a while.
    async fn reads_slowly(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        // Begun, so that what comes next is a statement and not a BEGIN.
        count_marks(unit).await?;
        cue(ctx).reached.notify_one();
        unit.execute_unprepared(brief_sql(unit)).await?;
        Ok(true)
    }

    /// Fails once its sibling is in its statement.
    async fn fails_meanwhile(&self, ctx: &Context<'_>) -> Result<bool> {
        cue(ctx).reached().await;
        cue(ctx).proceed();
        Err(refused())
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn mark(&self, ctx: &Context<'_>, name: String) -> Result<String> {
        insert_mark(ctx.unit(), &name).await?;
        Ok(name)
    }

    /// A row under a random id, that is named as evidence.
    async fn evident(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        insert_evidence(ctx.unit()).await?;
        insert_mark(ctx.unit(), &name).await?;
        Ok(true)
    }

    /// The same in a savepoint, which is kept or undone.
    async fn evident_in_a_savepoint(
        &self,
        ctx: &Context<'_>,
        name: String,
        undo: bool,
    ) -> Result<bool> {
        let unit = ctx.unit();
        insert_mark(unit, &name).await?;
        let inserted = unit
            .savepoint(async |tx| {
                let id = insert_parent(tx).await?;
                unit.evidence("parent", id);
                if undo {
                    return Err(DbErr::Custom("undone".to_owned()));
                }
                Ok(())
            })
            .await;
        if !undo {
            inserted?;
        }
        Ok(true)
    }

    /// Locks the counter's row, and waits for the test.
    async fn lock_and_meet(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_unprepared("UPDATE counter SET value = value + 1")
            .await?;
        cue(ctx).meet().await;
        Ok(true)
    }

    /// Locks the counter's row, keeps its thread, and makes another statement.
    async fn lock_and_keep_the_thread(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_unprepared("UPDATE counter SET value = value + 1")
            .await?;
        tokio::task::block_in_place(|| cue(ctx).keep_the_thread());
        count_marks(unit).await?;
        Ok(true)
    }

    /// Locks the counter's row.
    async fn lock_and_go_on(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_unprepared("UPDATE counter SET value = value + 1")
            .await?;
        Ok(true)
    }

    /// A statement that never ends by itself; or one on a handle that got away, for which the operation does not wait.
    async fn endless(&self, ctx: &Context<'_>, escaped: bool) -> Result<bool> {
        let unit = ctx.unit().clone();
        count_marks(&unit).await?;
        let cue = Arc::clone(cue(ctx));
        let statement = async move {
            cue.reached.notify_one();
            unit.execute_unprepared(endless_sql(&unit)).await
        };
        if escaped {
            tokio::spawn(statement);
            std::future::pending::<()>().await;
        } else {
            statement.await?;
        }
        Ok(true)
    }

    /// Sends what it is given.
    async fn raw(&self, ctx: &Context<'_>, sql: String) -> Result<bool> {
        ctx.unit().execute_unprepared(&sql).await?;
        Ok(true)
    }

    async fn ping(&self) -> i32 {
        1
    }

    async fn refuse(&self) -> Result<i32> {
        Err(refused())
    }

    async fn maybe(&self) -> Option<Result<i32>> {
        Some(Err(refused()))
    }

    /// Fails with the error of some other database; the unit is not touched.
    async fn fails_elsewhere(&self) -> Result<i32> {
        Err(DbErr::Custom("UNIQUE constraint failed".to_owned()).into())
    }

    /// As the query's field.
    async fn setting(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        Query.setting(ctx, name).await
    }

    async fn header(&self, ctx: &Context<'_>) -> bool {
        ctx.insert_http_header("x-resolver", "was here");
        true
    }

    /// Inserts twice what can be there only once, and looks away.
    async fn swallow(&self, ctx: &Context<'_>, name: String) -> bool {
        let _ = insert_mark(ctx.unit(), &name).await;
        let _ = insert_mark(ctx.unit(), &name).await;
        true
    }

    /// A row that COMMIT will refuse.
    async fn orphan(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_raw(statement(unit, "INSERT INTO child VALUES (1, 404)"))
            .await?;
        Ok(true)
    }

    async fn panics(&self) -> i32 {
        panics()
    }

    async fn meet(&self, ctx: &Context<'_>) -> bool {
        cue(ctx).meet().await;
        true
    }

    /// Tells the test, then runs a statement that takes longer than any test waits.
    async fn slow(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        cue(ctx).reached.notify_one();
        unit.execute_raw(statement(unit, slow_sql(unit))).await?;
        Ok(true)
    }

    /// Starts a statement, drops it half way, and answers as if nothing were.
    async fn abandon(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        count_marks(unit).await?;
        let mut slow = Box::pin(unit.execute_unprepared(slow_sql(unit)));
        // PENDING proves that the statement is on its way.
        assert!(futures_util::poll!(&mut slow).is_pending());
        drop(slow);
        Ok(true)
    }

    /// Reads the counter, waits for the test if it says so and this is the first time, and writes one more than it has read.
    async fn increment(&self, ctx: &Context<'_>, #[graphql(default)] meet: bool) -> Result<i64> {
        let unit = ctx.unit();
        let earlier = cue(ctx).increments.fetch_add(1, Ordering::SeqCst);
        let row = unit
            .query_one_raw(statement(unit, "SELECT value FROM counter"))
            .await?;
        let value: i64 = row.ok_or("no counter")?.try_get_by_index(0)?;
        if meet && earlier == 0 {
            cue(ctx).meet().await;
        }
        let update = format!("UPDATE counter SET value = {}", value + 1);
        unit.execute_raw(statement(unit, &update)).await?;
        Ok(value + 1)
    }

    /// As `increment`, but looks away from what the database says.
    async fn increment_and_swallow(&self, ctx: &Context<'_>, meet: bool) -> bool {
        let _ = self.increment(ctx, meet).await;
        true
    }

    /// Removes a mark if there is another one. Two operations that share a barrier in their data both look before either
    /// removes.
    async fn remove_unless_last(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        let unit = ctx.unit();
        let marks = count_marks(unit).await?;
        if cue(ctx).increments.fetch_add(1, Ordering::SeqCst) < 2 {
            ctx.data_unchecked::<Arc<Barrier>>().wait().await;
        }
        if marks > 1 {
            let delete = format!("DELETE FROM mark WHERE name = '{name}'");
            unit.execute_raw(statement(unit, &delete)).await?;
        }
        Ok(marks > 1)
    }

    /// Registers one effect of each kind; the one that nobody waits for meets the test.
    async fn effects_of_all_kinds(&self, ctx: &Context<'_>) -> bool {
        let (unit, cue) = (ctx.unit(), cue(ctx));
        let effect = |name: &'static str, meet: bool| {
            let cue = Arc::clone(cue);
            async move {
                if meet {
                    cue.meet().await;
                }
                lock(&cue.effects).push(name.to_owned());
            }
        };
        unit.after_rollback(effect("rolled back", false));
        unit.after_commit_detached(effect("detached", true));
        unit.after_commit(effect("committed", false));
        true
    }

    /// Asks for another unit while it holds its own.
    async fn asks_for_another_unit(&self, ctx: &Context<'_>) -> Result<bool> {
        insert_mark(ctx.unit(), "outer").await?;
        let database: &Database = ctx.data_unchecked();
        database
            .write(async |unit| insert_mark(&unit, "inner").await)
            .await?;
        Ok(true)
    }

    /// Answers normally, and wants none of it.
    async fn rollback_only(&self, ctx: &Context<'_>, reason: String) -> bool {
        ctx.unit().set_rollback_only(reason);
        true
    }

    /// Lets a clone of the handle out of the operation.
    async fn escape(&self, ctx: &Context<'_>) -> bool {
        *lock(&cue(ctx).handle) = Some(ctx.unit().clone());
        true
    }

    /// Registers effects, the second of which panics.
    async fn effects(&self, ctx: &Context<'_>) -> bool {
        for name in ["first", "panics", "last"] {
            let cue = Arc::clone(cue(ctx));
            ctx.unit().after_commit(async move {
                assert_ne!(name, "panics", "an effect panics");
                lock(&cue.effects).push(name.to_owned());
            });
        }
        true
    }

    /// Registers an effect that waits for the test.
    async fn effect_meets(&self, ctx: &Context<'_>) -> bool {
        let cue = Arc::clone(cue(ctx));
        ctx.unit().after_commit(async move {
            cue.meet().await;
            lock(&cue.effects).push("met".to_owned());
        });
        true
    }

    /// Reads through a loader, writes, and reads the same again.
    async fn marks_around_a_write(&self, ctx: &Context<'_>) -> Result<Vec<Option<i64>>> {
        let loader = ctx.loader::<MarkCounts>();
        let before = loader.load_one(0).await?;
        insert_mark(ctx.unit(), "between").await?;
        Ok(vec![before, loader.load_one(0).await?])
    }
}

/// A statement that ends only when it is made to: by the server, or not within a test.
pub fn slow_sql(unit: &UnitOfWork) -> &'static str {
    match unit.get_database_backend() {
        sea_orm::DbBackend::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT COUNT(*) FROM n"
        }
        _ => "SELECT pg_sleep(600)",
    }
}

/// A statement that ends only when it is stopped.
fn endless_sql(unit: &UnitOfWork) -> &'static str {
    match unit.get_database_backend() {
        sea_orm::DbBackend::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
        }
        _ => "SELECT pg_sleep(600)",
    }
}

/// A statement that outlasts a turn of the operation.
fn brief_sql(unit: &UnitOfWork) -> &'static str {
    match unit.get_database_backend() {
        sea_orm::DbBackend::Sqlite => slow_sql(unit),
        _ => "SELECT pg_sleep(0.2)",
    }
}

pub struct Subscriptions;

#[Subscription]
impl Subscriptions {
    /// One event at once and one after the cue; each counts the marks it sees.
    async fn ticks(&self, ctx: &Context<'_>) -> impl Stream<Item = Tick> {
        let cue = Arc::clone(cue(ctx));
        *lock(&cue.streams) += 1;
        stream::iter([false, true]).then(move |wait| {
            let cue = Arc::clone(&cue);
            async move {
                if wait {
                    cue.meet().await;
                }
                Tick
            }
        })
    }

    async fn panics_when_polled(&self) -> impl Stream<Item = i32> {
        stream::once(async { panic!("the stream's own words") })
    }

    async fn panics_when_resolved(&self) -> impl Stream<Item = Bad> {
        stream::iter([Bad, Bad])
    }
}

pub struct Tick;

#[Object]
impl Tick {
    async fn marks(&self, ctx: &Context<'_>) -> Result<i64> {
        Ok(count_marks(ctx.unit()).await?)
    }
}

pub struct Bad;

#[Object]
impl Bad {
    async fn panics(&self) -> i32 {
        panics()
    }
}

/// Answers the number of marks for every key, in one statement per batch, and notes the size of the batch.
pub struct MarkCounts {
    unit: UnitOfWork,
}

impl UnitLoader for MarkCounts {
    fn from_unit(unit: UnitOfWork) -> Self {
        Self { unit }
    }
}

impl Loader<i32> for MarkCounts {
    type Value = i64;
    type Error = DbErr;

    async fn load(&self, keys: &[i32]) -> Result<HashMap<i32, i64>, DbErr> {
        let count = count_marks(&self.unit).await?;
        Ok(keys.iter().map(|key| (*key, count)).collect())
    }
}
