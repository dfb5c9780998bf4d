//! One operation with some features, and how it is checked.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use async_graphql::{
    BatchRequest, BatchResponse, EmptySubscription, Executor, Request, Response, Schema, Value,
    extensions::apollo_persisted_queries::{ApolloPersistedQueries, LruCacheStorage},
};
use daybook_test_harness::{Engine, TestDatabase, eventually};
use futures_util::poll;
use sea_orm::IsolationLevel;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tracing::Level;
use unit_of_work::{
    AllOrNothing, DatabaseOptions, DryRun, IdempotencySettings, Isolation, OperationDeadline,
    Report, Retrying, SessionSettings, UnitOfWorkExtension, idempotency::create_table,
};

use crate::{
    logs::Logs,
    persisted::named,
    shared_commits::queued,
    stage::{PATIENCE, Query, Stage, codes, data, ended, lock, report},
};

use super::{feature::*, schema::*};

pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) conflicts: Arc<Conflicts>,
    pub(super) neighbour_has_met: Arc<HasMet>,
    pub(super) logs: Logs,
    pub(super) plain: Retrying<PairSchema>,
    pub(super) in_parts: Retrying<PairSchema>,
    pub(super) count: AtomicU32,
}

impl Scene {
    pub(super) async fn new(test: TestDatabase) -> Self {
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
        let neighbour_has_met = Arc::<HasMet>::default();
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
                .data(Arc::clone(&neighbour_has_met))
                .finish();
            let mut policy = unit_of_work::RetryPolicy::default();
            policy.attempts = 1000;
            Retrying::new(schema).policy(policy)
        };
        Self {
            conflicts: Arc::clone(&conflicts),
            neighbour_has_met: Arc::clone(&neighbour_has_met),
            logs: Logs::of_this_process(),
            plain: schema(false),
            in_parts: schema(true),
            stage,
            count: AtomicU32::new(0),
        }
    }

    /// Everything is as it was before.
    pub(super) async fn clear(&self) {
        let observer = self.stage.observer().await;
        for table in ["mark", "child", "parent", "unit_of_work_idempotency"] {
            observer.execute(&format!("DELETE FROM {table}")).await;
        }
        lock(&self.stage.cue.effects).clear();
        self.conflicts.left.store(0, Ordering::SeqCst);
        self.conflicts.met.store(0, Ordering::SeqCst);
        self.neighbour_has_met.0.store(false, Ordering::SeqCst);
    }

    pub(super) async fn keys(&self) -> i64 {
        self.stage
            .observer()
            .await
            .i64("SELECT COUNT(*) FROM unit_of_work_idempotency")
            .await
    }

    pub(super) async fn children(&self) -> i64 {
        self.stage
            .observer()
            .await
            .i64("SELECT COUNT(*) FROM child")
            .await
    }
}

/// One row of the table.
pub(super) struct Case<'a> {
    pub(super) scene: &'a Scene,
    pub(super) features: BTreeSet<Feature>,
    pub(super) scenario: Scenario,
    /// The operation's name, which no other has.
    pub(super) name: String,
    pub(super) text: String,
}

impl<'a> Case<'a> {
    pub(super) fn new(scene: &'a Scene, features: &[Feature], scenario: Scenario) -> Self {
        let features: BTreeSet<_> = features.iter().copied().collect();
        let number = scene.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("Pair{number}On{:?}", scene.stage.test.engine());
        let savepoint = if features.contains(&Savepoint) {
            "tries"
        } else {
            ""
        };
        let begins = if features.contains(&Transaction) {
            "begins"
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
            "mutation {name} {{ effects conflicts before: mark(name: \"before\") {savepoint} {begins} {setting} {} after: mark(name: \"after\") }}",
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

    pub(super) fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    pub(super) fn executor(&self) -> &Retrying<PairSchema> {
        if self.has(FieldSavepoints) {
            &self.scene.in_parts
        } else {
            &self.scene.plain
        }
    }

    pub(super) fn request(&self) -> Request {
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
    pub(super) fn shared(&self, mut request: Request) -> Request {
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
    pub(super) async fn send(&self) -> Response {
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
    pub(super) async fn run(&self) -> Response {
        if self.has(HashOnly) {
            let mut request = named(&self.text).operation_name("Nobody");
            request.query.clone_from(&self.text);
            assert!(self.executor().execute(request).await.is_err());
        }
        if self.has_neighbour() {
            return self.send_beside_a_neighbour().await;
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

    /// Where the file is to be busy, nobody else has the writer.
    fn has_neighbour(&self) -> bool {
        self.has(Neighbour) && !self.has(Conflict)
    }

    /// Sends it while another mutation has the writer, and lets that one go on when this one has come as far as it comes by itself.
    async fn send_beside_a_neighbour(&self) -> Response {
        let scene = self.scene;
        let neighbour = queued({
            let retrying = scene.plain.clone();
            async move { retrying.execute("mutation { neighbour }".into()).await }
        })
        .await;
        scene.stage.cue.reached().await;
        let mut sending = Box::pin(self.send());
        let refused = poll!(&mut sending);
        scene.stage.cue.proceed();
        let response = match refused {
            Poll::Ready(response) => response,
            Poll::Pending => sending.await,
        };
        let neighbour = ended(neighbour).await;
        assert!(neighbour.is_ok(), "{self}: {neighbour:?}");
        response
    }

    pub(super) async fn check(&self) {
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

    pub(super) fn check_response(&self, response: &Response, expected: &Expected) {
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

    pub(super) async fn check_database(&self, expected: &Expected) {
        let mut marks = BTreeSet::new();
        if self.has_neighbour() {
            marks.insert("neighbour");
        }
        if expected.is_committed {
            marks.extend(["before", "after"]);
            if self.scenario == Fine {
                marks.insert("fine");
            }
            if self.has(Savepoint) {
                marks.insert("instead");
            }
            if self.has(Transaction) {
                marks.insert("begun");
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

    pub(super) fn check_effects(&self, response: &Response, expected: &Expected) {
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
    pub(super) async fn check_second(&self, first: &Response, expected: &Expected) {
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
