//! A schema whose resolvers do what resolvers do, right and wrong, and a place to meet them half way.
//!
//! Read [`Stage`] first: a test runs operations on it. [`cue`] is where a test and a resolver meet; the resolvers are in `query`,
//! `mutation` and `subscriptions`, and `response` reads what they have answered.

mod cue;
mod loader;
mod mutation;
mod query;
mod response;
mod sql;
mod subscriptions;

use std::{sync::Arc, time::Duration};

use async_graphql::{Request, Response, Schema};
use daybook_test_harness::{Engine, Observer, TestDatabase};
use tokio::time::timeout;
use unit_of_work::{Database, DatabaseOptions, Report, RetryPolicy, Retrying, UnitOfWorkExtension};

pub use self::{
    cue::{Cue, lock},
    loader::MarkCounts,
    mutation::Mutation,
    query::Query,
    response::{codes, data, outcome, report},
    sql::{count_marks, insert_mark, slow_sql, statement, text},
    subscriptions::Subscriptions,
};

pub type TestSchema = Schema<Query, Mutation, Subscriptions>;

/// Longer than anything here takes; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What an operation in a task of its own has answered.
pub async fn ended(operation: tokio::task::JoinHandle<Response>) -> Response {
    timeout(PATIENCE, operation)
        .await
        .expect("ends")
        .expect("answers")
}

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
        let text = text(test.engine());
        // MariaDB defers nothing.
        let deferred = match test.engine() {
            Engine::MariaDb => "",
            Engine::Sqlite | Engine::Postgres => "DEFERRABLE INITIALLY DEFERRED",
        };
        setup
            .execute(&format!("CREATE TABLE mark (name {text} PRIMARY KEY)"))
            .await;
        setup
            .execute("CREATE TABLE parent (id BIGINT PRIMARY KEY)")
            .await;
        setup
            .execute(&format!(
                "CREATE TABLE child (id BIGINT PRIMARY KEY, parent_id BIGINT NOT NULL CONSTRAINT child_has_parent \
                 REFERENCES parent (id) {deferred})"
            ))
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
