//! Every two features of the crate, together: what is there afterwards, seen over a connection of its own, and what the client
//! was told.
//!
//! A mutation has a [`Scenario`], and is run with none, one or two [`Feature`]s. What is to come of it is said once, by
//! [`Expected::of`], for all of them: which feature gives way to which is there, and nowhere else.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    BatchRequest, BatchResponse, Context, EmptySubscription, Error, ErrorExtensions, Executor,
    Object, Request, Response, Result, Schema, Value,
    extensions::apollo_persisted_queries::{ApolloPersistedQueries, LruCacheStorage},
};
use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr, IsolationLevel};
use serde_json::json;
use tokio::time::{Instant, timeout};
use tracing::Level;
use unit_of_work::{
    AllOrNothing, ContextExt, DatabaseOptions, DryRun, IdempotencySettings, Isolation,
    OperationDeadline, Report, Retrying, SessionSettings, UnitOfWorkExtension,
    idempotency::create_table,
};

use crate::{
    logs::Logs,
    persisted::named,
    stage::{Cue, PATIENCE, Query, Stage, codes, data, insert_mark, lock, report},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Feature {
    DryRun,
    Key,
    FieldSavepoints,
    /// A field does something in a savepoint, which is undone.
    Savepoint,
    /// The second operation of a batch that is all or nothing.
    Batch,
    Settings,
    Isolation,
    /// A deadline of its own, which does not pass.
    Deadline,
    Timeline,
    /// The first attempt loses a conflict.
    Conflict,
    /// The request has the hash of its document, and no text.
    HashOnly,
}

use Feature::{
    Batch, Conflict, Deadline, DryRun as Dry, FieldSavepoints, HashOnly, Isolation as Isolated,
    Key, Savepoint, Settings, Timeline,
};

const FEATURES: [Feature; 11] = [
    Dry,
    Key,
    FieldSavepoints,
    Savepoint,
    Batch,
    Settings,
    Isolated,
    Deadline,
    Timeline,
    Conflict,
    HashOnly,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    Fine,
    /// A nullable root field fails after it has written.
    NullableFails,
    /// One that cannot be null does.
    NonNullFails,
    Swallows,
    CommitIsRefused,
    RollbackOnly,
    /// The deadline has passed before anything runs.
    Late,
}

use Scenario::{CommitIsRefused, Fine, Late, NonNullFails, NullableFails, RollbackOnly, Swallows};

const SCENARIOS: [Scenario; 7] = [
    Fine,
    NullableFails,
    NonNullFails,
    Swallows,
    CommitIsRefused,
    RollbackOnly,
    Late,
];

impl Scenario {
    fn field(self) -> &'static str {
        match self {
            Fine | Late => "fine: mark(name: \"fine\")",
            NullableFails => "fails(name: \"failed\")",
            NonNullFails => "must(name: \"failed\")",
            Swallows => "swallow",
            CommitIsRefused => "orphan",
            RollbackOnly => "rollbackOnly",
        }
    }
}

/// What is to come of an operation.
#[derive(Debug)]
struct Expected {
    /// Whether it is there afterwards.
    is_committed: bool,
    /// Whether its data is shown.
    is_shown: bool,
    /// The code of its error, if it has one.
    code: Option<&'static str>,
    /// Whether any resolver has run.
    has_run: bool,
}

impl Expected {
    fn of(features: &BTreeSet<Feature>, scenario: Scenario, engine: Engine) -> Self {
        let has = |feature| features.contains(&feature);
        let nothing = |code| Self {
            is_committed: false,
            is_shown: false,
            code: Some(code),
            has_run: true,
        };
        if has(Batch) && (scenario == Late || has(Settings) && engine == Engine::Sqlite) {
            // The operation before it fails already.
            return Self {
                has_run: false,
                ..nothing("BATCH_ROLLED_BACK")
            };
        }
        if has(Key) && has(Batch) {
            // A key belongs to one operation.
            return Self {
                has_run: false,
                ..nothing("BATCH_REFUSED")
            };
        }
        if scenario == Late {
            return Self {
                has_run: false,
                ..nothing("DEADLINE_EXCEEDED")
            };
        }
        if has(Settings) && engine == Engine::Sqlite {
            // With a key, the key is the first that meets the database.
            return Self {
                has_run: !has(Key) || has(Dry),
                ..nothing("INTERNAL")
            };
        }
        // Partial success: not where all or nothing was asked for, and not where the answer is kept for a key.
        let in_part = scenario == NullableFails && has(FieldSavepoints) && !has(Key) && !has(Batch);
        match scenario {
            Fine | Late => Self {
                is_committed: !has(Dry),
                is_shown: true,
                code: None,
                has_run: true,
            },
            NullableFails if in_part => Self {
                is_committed: !has(Dry),
                is_shown: true,
                code: Some("REFUSED"),
                has_run: true,
            },
            NullableFails | NonNullFails => nothing("REFUSED"),
            Swallows => nothing("UNIT_DOOMED"),
            CommitIsRefused => nothing("COMMIT_FAILED"),
            RollbackOnly => nothing("ROLLBACK_ONLY"),
        }
    }
}

/// How often a conflict is still to be met.
#[derive(Default)]
struct Conflicts {
    left: AtomicU32,
    met: AtomicU32,
}

struct Mutation;

#[Object]
impl Mutation {
    async fn effects(&self, ctx: &Context<'_>) -> bool {
        let leave = |what: &'static str| {
            let cue = Arc::clone(ctx.data_unchecked::<Arc<Cue>>());
            async move { lock(&cue.effects).push(what.to_owned()) }
        };
        ctx.unit().after_commit(leave("committed"));
        ctx.unit().after_rollback(leave("rolled back"));
        true
    }

    /// PostgreSQL says that the operation has lost, as often as it is to.
    async fn conflicts(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        let conflicts = ctx.data_unchecked::<Arc<Conflicts>>();
        conflicts.met.fetch_add(1, Ordering::SeqCst);
        let left = conflicts
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if left.is_ok() {
            let lose = "DO $$ BEGIN RAISE EXCEPTION 'it lost' USING ERRCODE = '40001'; END $$";
            ctx.unit().execute_unprepared(lose).await?;
        }
        Ok(Some(true))
    }

    async fn mark(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        insert_mark(ctx.unit(), &name).await?;
        Ok(Some(name))
    }

    async fn fails(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        insert_mark(ctx.unit(), &name).await?;
        Err(refused())
    }

    async fn must(&self, ctx: &Context<'_>, name: String) -> Result<String> {
        insert_mark(ctx.unit(), &name).await?;
        Err(refused())
    }

    async fn swallow(&self, ctx: &Context<'_>) -> Option<bool> {
        let _ = insert_mark(ctx.unit(), "swallowed").await;
        let _ = insert_mark(ctx.unit(), "swallowed").await;
        Some(true)
    }

    async fn orphan(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        ctx.unit()
            .execute_unprepared("INSERT INTO child VALUES (1, 404)")
            .await?;
        Ok(Some(true))
    }

    async fn rollback_only(&self, ctx: &Context<'_>) -> Option<bool> {
        ctx.unit().set_rollback_only("not today");
        Some(true)
    }

    /// Tries something that cannot be, and does something else instead.
    async fn tries(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        let tried = ctx
            .unit()
            .savepoint(async |tx| {
                insert_mark(tx, "undone").await?;
                insert_mark(tx, "undone").await
            })
            .await;
        assert!(tried.is_err());
        insert_mark(ctx.unit(), "instead").await?;
        Ok(Some(true))
    }

    async fn setting(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let unit = ctx.unit();
        let sql = "SELECT current_setting('app.colour', true)";
        let row = unit
            .query_one_raw(sea_orm::Statement::from_string(
                unit.get_database_backend(),
                sql,
            ))
            .await?;
        let row = row.ok_or_else(|| DbErr::Custom("no row".to_owned()))?;
        Ok(row.try_get_by_index(0)?)
    }
}

fn refused() -> Error {
    Error::new("refused").extend_with(|_, extensions| extensions.set("code", "REFUSED"))
}

type PairSchema = Schema<Query, Mutation, EmptySubscription>;

struct Scene {
    stage: Stage,
    conflicts: Arc<Conflicts>,
    logs: Logs,
    plain: Retrying<PairSchema>,
    in_parts: Retrying<PairSchema>,
    count: AtomicU32,
}

impl Scene {
    async fn new(test: TestDatabase) -> Self {
        let url = test.url().to_owned();
        let mut options = DatabaseOptions::default();
        options.busy_timeout = Duration::from_millis(20);
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        stage
            .observer()
            .await
            .execute(&create_table(stage.database.backend()))
            .await;
        let conflicts = Arc::<Conflicts>::default();
        let schema = |in_parts| {
            let units = UnitOfWorkExtension::new(stage.database.clone())
                .report(Report::InExtensions)
                .field_savepoints(in_parts)
                .idempotency(IdempotencySettings::default());
            let schema = Schema::build(Query, Mutation, EmptySubscription)
                .extension(units)
                .extension(ApolloPersistedQueries::new(LruCacheStorage::new(10_000)))
                .data(Arc::clone(&stage.cue))
                .data(Arc::clone(&conflicts))
                .finish();
            let mut policy = unit_of_work::RetryPolicy::default();
            policy.attempts = 1000;
            Retrying::new(schema).policy(policy)
        };
        Self {
            conflicts: Arc::clone(&conflicts),
            logs: Logs::of_this_process(),
            plain: schema(false),
            in_parts: schema(true),
            stage,
            count: AtomicU32::new(0),
        }
    }

    /// Everything is as it was before.
    async fn clear(&self) {
        let observer = self.stage.observer().await;
        for table in ["mark", "child", "parent", "unit_of_work_idempotency"] {
            observer.execute(&format!("DELETE FROM {table}")).await;
        }
        lock(&self.stage.cue.effects).clear();
        self.conflicts.left.store(0, Ordering::SeqCst);
        self.conflicts.met.store(0, Ordering::SeqCst);
    }

    async fn keys(&self) -> i64 {
        self.stage
            .observer()
            .await
            .i64("SELECT COUNT(*) FROM unit_of_work_idempotency")
            .await
    }

    async fn children(&self) -> i64 {
        self.stage
            .observer()
            .await
            .i64("SELECT COUNT(*) FROM child")
            .await
    }
}

/// One row of the table.
struct Case<'a> {
    scene: &'a Scene,
    features: BTreeSet<Feature>,
    scenario: Scenario,
    /// The operation's name, which no other has.
    name: String,
    text: String,
}

impl<'a> Case<'a> {
    fn new(scene: &'a Scene, features: &[Feature], scenario: Scenario) -> Self {
        let features: BTreeSet<_> = features.iter().copied().collect();
        let number = scene.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("Pair{number}On{:?}", scene.stage.test.engine());
        let savepoint = if features.contains(&Savepoint) {
            "tries"
        } else {
            ""
        };
        let is_postgres = scene.stage.test.engine() == Engine::Postgres;
        let setting = if features.contains(&Settings) && is_postgres {
            "setting"
        } else {
            ""
        };
        let text = format!(
            "mutation {name} {{ effects conflicts before: mark(name: \"before\") {savepoint} {setting} {} after: mark(name: \"after\") }}",
            scenario.field()
        );
        Self {
            scene,
            features,
            scenario,
            name,
            text,
        }
    }

    fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    fn executor(&self) -> &Retrying<PairSchema> {
        if self.has(FieldSavepoints) {
            &self.scene.in_parts
        } else {
            &self.scene.plain
        }
    }

    fn request(&self) -> Request {
        let mut request = if self.has(HashOnly) {
            named(&self.text)
        } else {
            Request::new(&self.text)
        };
        // The log tells of it by this.
        request.operation_name = Some(self.name.clone());
        if self.has(Dry) {
            request = request.data(DryRun);
        }
        if self.has(Key) {
            request
                .extensions
                .insert("idempotencyKey".to_owned(), Value::from(self.name.as_str()));
        }
        request = self.shared(request);
        if self.has(Isolated) {
            request = request.data(Isolation(IsolationLevel::Serializable));
        }
        request
    }

    /// What the operations of a batch have to agree on.
    fn shared(&self, mut request: Request) -> Request {
        if self.has(Timeline) {
            request = request.data(Report::Timeline);
        }
        if self.has(Settings) {
            request = request.data(SessionSettings::new().set("app.colour", "blue"));
        }
        if self.scenario == Late {
            request = request.data(OperationDeadline(Instant::now()));
        } else if self.has(Deadline) {
            request = request.data(OperationDeadline(Instant::now() + PATIENCE));
        }
        request
    }

    /// The response to the operation itself. That of the other operation of its batch is checked here.
    async fn send(&self) -> Response {
        if !self.has(Batch) {
            return timeout(PATIENCE, self.executor().execute(self.request()))
                .await
                .expect("answers");
        }
        let first = self.shared(Request::new(
            "mutation { conflicts batched: mark(name: \"batched\") }",
        ));
        let batch = [first, self.request()].map(|request| request.data(AllOrNothing));
        let responses = self
            .executor()
            .execute_batch(BatchRequest::Batch(batch.into()));
        let Ok(BatchResponse::Batch(mut responses)) = timeout(PATIENCE, responses).await else {
            panic!("a batch answers a batch");
        };
        let own = responses.pop().expect("two");
        assert_eq!(responses[0].is_ok(), own.is_ok(), "{self}: {responses:?}");
        own
    }

    /// Sends it for the first time, and makes its first attempt lose if it is to.
    async fn run(&self) -> Response {
        if self.has(HashOnly) {
            let mut request = named(&self.text).operation_name("Nobody");
            request.query.clone_from(&self.text);
            assert!(self.executor().execute(request).await.is_err());
        }
        if !self.has(Conflict) {
            return self.send().await;
        }
        if self.scene.stage.test.engine() == Engine::Postgres {
            self.scene.conflicts.left.store(1, Ordering::SeqCst);
            return self.send().await;
        }
        // The file is busy, until the operation has lost.
        let other = self.scene.stage.observer().await;
        other.execute("BEGIN IMMEDIATE").await;
        let lost = || {
            let begun = self.scene.conflicts.met.load(Ordering::SeqCst);
            begun > 1 || !self.scene.logs.lines(Level::WARN, &self.name).is_empty()
        };
        let mut sending = std::pin::pin!(self.send());
        let released = async {
            eventually("it loses", async || lost()).await;
            other.execute("COMMIT").await;
        };
        let mut released = std::pin::pin!(released);
        tokio::select! {
            response = &mut sending => {
                other.execute("ROLLBACK").await;
                response
            }
            () = &mut released => sending.await,
        }
    }

    async fn check(&self) {
        let scene = self.scene;
        let expected = Expected::of(&self.features, self.scenario, scene.stage.test.engine());
        let response = self.run().await;
        self.check_response(&response, &expected);
        self.check_database(&expected).await;
        self.check_effects(&response, &expected);
        let has_key = scene.keys().await == 1;
        assert_eq!(
            has_key,
            self.has(Key) && expected.is_committed,
            "{self}: the key"
        );
        if self.has(Key) {
            self.check_second(&response, &expected).await;
        }
        scene.clear().await;
    }

    fn check_response(&self, response: &Response, expected: &Expected) {
        let code: Vec<_> = expected.code.into_iter().map(str::to_owned).collect();
        // One failure may be told by several fields.
        let mut found = codes(response);
        found.dedup();
        if expected.code == Some("INTERNAL") {
            // With field savepoints, the fields after it run too, and are told.
            found.retain(|code| code != "UNIT_DOOMED");
        }
        assert_eq!(found, code, "{self}: {response:?}");
        let data = data(response);
        if !expected.is_shown {
            assert_eq!(data, json!(null), "{self}");
        } else {
            let failed = self.scenario == NullableFails;
            assert_eq!(data["before"], "before", "{self}: {response:?}");
            assert_eq!(data["after"], "after", "{self}: {response:?}");
            assert_eq!(data.get("fails"), failed.then_some(&json!(null)), "{self}");
            if self.has(Settings) {
                assert_eq!(data["setting"], "blue", "{self}");
            }
        }
        let is_dry = self.has(Dry) && expected.is_shown;
        assert_eq!(
            response.extensions.contains_key("dryRun"),
            is_dry,
            "{self}: {response:?}"
        );
        let is_told = expected.code != Some("BATCH_REFUSED");
        if !is_told {
            return;
        }
        let report = report(response);
        let told = report["outcome"].as_str();
        assert_eq!(
            told == Some("COMMITTED"),
            expected.is_committed,
            "{self}: {report}"
        );
        assert_eq!(
            report.get("timeline").is_some(),
            self.has(Timeline),
            "{self}: {report}"
        );
        if self.has(Isolated) && expected.is_committed {
            assert_eq!(report["isolation"], "SERIALIZABLE", "{self}");
        }
        if expected.has_run && expected.code != Some("INTERNAL") {
            let is_run_again = report["attempts"].as_u64() > Some(1);
            // SQLite's file may be busy for other reasons: it is waited for as shortly as can be.
            let may_be = self.has(Conflict) || self.scene.stage.test.engine() == Engine::Sqlite;
            assert!(is_run_again || !self.has(Conflict), "{self}: {report}");
            assert!(!is_run_again || may_be, "{self}: {report}");
        }
    }

    async fn check_database(&self, expected: &Expected) {
        let mut marks = BTreeSet::new();
        if expected.is_committed {
            marks.extend(["before", "after"]);
            if self.scenario == Fine {
                marks.insert("fine");
            }
            if self.has(Savepoint) {
                marks.insert("instead");
            }
            if self.has(Batch) {
                marks.insert("batched");
            }
        }
        let found = self.scene.stage.marks().await;
        let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
        assert_eq!(found, marks, "{self}");
        assert_eq!(self.scene.children().await, 0, "{self}");
    }

    fn check_effects(&self, response: &Response, expected: &Expected) {
        let effects = self.scene.stage.cue.effects();
        let count = |what: &str| effects.iter().filter(|effect| *effect == what).count();
        assert_eq!(
            count("committed"),
            usize::from(expected.is_committed),
            "{self}: {effects:?}"
        );
        let is_replay = response.extensions.contains_key("idempotency");
        assert!(!is_replay, "{self}");
        if !expected.has_run {
            assert_eq!(count("rolled back"), 0, "{self}: {effects:?}");
        } else if !expected.is_committed {
            assert!(count("rolled back") > 0, "{self}: {effects:?}");
        } else if report(response)["attempts"] == 1 {
            assert_eq!(count("rolled back"), 0, "{self}: {effects:?}");
        }
    }

    /// With a key, what was committed is answered again, and not done again; what was not, runs again.
    async fn check_second(&self, first: &Response, expected: &Expected) {
        let met = self.scene.conflicts.met.load(Ordering::SeqCst);
        let effects = self.scene.stage.cue.effects().len();
        let second = self.send().await;
        if expected.is_committed {
            assert_eq!(report(&second)["outcome"], "REPLAYED", "{self}: {second:?}");
            assert_eq!(data(&second), data(first), "{self}");
            assert_eq!(
                self.scene.conflicts.met.load(Ordering::SeqCst),
                met,
                "{self}: nothing runs"
            );
            assert_eq!(self.scene.stage.cue.effects().len(), effects, "{self}");
        } else {
            let is_replay = second.extensions.contains_key("idempotency");
            assert!(!is_replay, "{self}: {second:?}");
            assert_eq!(codes(&second), codes(first), "{self}");
        }
        self.check_database(expected).await;
    }
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} with {:?}", self.scenario, self.features)
    }
}

/// None, each, and every two.
fn pairs() -> Vec<Vec<Feature>> {
    let mut pairs = vec![vec![]];
    for (index, one) in FEATURES.into_iter().enumerate() {
        pairs.push(vec![one]);
        pairs.extend(FEATURES[index + 1..].iter().map(|other| vec![one, *other]));
    }
    pairs
}

on_every_engine! {
    async fn every_two_features_of_a_mutation(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let pairs = pairs();
        assert_eq!(pairs.len(), 1 + 11 + 55);
        for features in pairs {
            for scenario in SCENARIOS {
                Case::new(&scene, &features, scenario).check().await;
            }
        }
        scene.stage.assert_whole().await;
    }

    /// A query writes nothing, leaves no key, and reads one snapshot, whatever it is asked with.
    async fn every_two_features_of_a_query(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.stage.observer().await.execute("INSERT INTO mark VALUES ('there')").await;
        let is_sqlite = scene.stage.test.engine() == Engine::Sqlite;
        for features in pairs() {
            for text in ["{ marks }", "{ marks items(n: 2) { marks } }", "{ marks write }"] {
                let mut case = Case::new(&scene, &features, Fine);
                if case.has(Conflict) || case.has(Savepoint) {
                    continue;
                }
                case.text = text.replacen('{', &format!("query {} {{", case.name), 1);
                if case.has(HashOnly) {
                    let mut request = named(&case.text).operation_name("Nobody");
                    request.query.clone_from(&case.text);
                    assert!(case.executor().execute(request).await.is_err());
                }
                // The first time it is found out whether it makes one statement.
                for _ in 0..2 {
                    let response = if case.has(Batch) {
                        let batch = BatchRequest::Batch(vec![case.request().data(AllOrNothing)]);
                        let BatchResponse::Batch(mut responses) = case.executor().execute_batch(batch).await else {
                            panic!("a batch answers a batch");
                        };
                        responses.remove(0)
                    } else {
                        timeout(PATIENCE, case.executor().execute(case.request())).await.expect("answers")
                    };
                    let what = format!("{text} with {:?}: {response:?}", case.features);
                    if case.has(Batch) && case.has(Key) {
                        assert_eq!(codes(&response), ["BATCH_REFUSED"], "{what}");
                        continue;
                    }
                    let report = report(&response);
                    assert_eq!(report.get("timeline").is_some(), case.has(Timeline), "{what}");
                    assert!(!response.extensions.contains_key("dryRun"), "{what}");
                    assert!(!response.extensions.contains_key("idempotency"), "{what}");
                    if case.has(Settings) && is_sqlite {
                        assert!(response.is_err(), "{what}");
                        continue;
                    }
                    assert_eq!(report["outcome"], "READ", "{what}");
                    match text {
                        "{ marks }" => assert_eq!(data(&response), json!({ "marks": 1 }), "{what}"),
                        "{ marks write }" => assert_eq!(response.errors.len(), 1, "{what}"),
                        _ => assert_eq!(data(&response), json!({ "marks": 1, "items": [{ "marks": 1 }, { "marks": 1 }] }), "{what}"),
                    }
                }
            }
        }
        assert_eq!(scene.stage.marks().await, ["there"]);
        assert_eq!((scene.keys().await, scene.children().await), (0, 0));
        scene.stage.assert_whole().await;
    }
}
