//! Mutations that meet: at SQLite's one writer; on PostgreSQL, at rows that they all name.

use std::{fs, path::PathBuf, time::Duration};

use async_graphql::{Executor, Request, Response, Value};
use daybook_test_harness::{Cable, Engine, TestDatabase, WireProxy};
use futures_util::{future::BoxFuture, poll};
use sea_orm::DbBackend;
use tokio::task::JoinHandle;
use unit_of_work::{DatabaseOptions, Retrying, marker};

use crate::stage::{PATIENCE, Stage, TestSchema};

/// A schema behind [`Retrying`].
pub struct Scene {
    pub stage: Stage,
    pub retrying: Retrying<TestSchema>,
    /// Between the schema and PostgreSQL.
    pub proxy: Option<WireProxy>,
    /// On MariaDB.
    pub cable: Option<Cable>,
}

/// Options with which nobody overstays, whatever the machine does meanwhile.
pub fn patient() -> DatabaseOptions {
    DatabaseOptions::default().commit_patience(PATIENCE)
}

/// Options with which who is kept waiting by the test overstays.
pub fn impatient() -> DatabaseOptions {
    DatabaseOptions::default().commit_patience(Duration::from_millis(200))
}

impl std::ops::Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Scene {
    pub async fn new(options: DatabaseOptions) -> Self {
        Self::on(TestDatabase::create(Engine::Sqlite).await, options).await
    }

    /// On a server there is a connection for every mutation, so that they wait for rows alone.
    pub async fn on(test: TestDatabase, mut options: DatabaseOptions) -> Self {
        if test.engine() != Engine::Sqlite {
            options.max_connections = 12;
            let backend = match test.engine() {
                Engine::MariaDb => DbBackend::MySql,
                _ => DbBackend::Postgres,
            };
            let markers = marker::create_table(backend);
            test.observer().await.execute(&markers).await;
        }
        let (proxy, cable) = match test.engine() {
            Engine::Sqlite => (None, None),
            Engine::Postgres => (Some(test.proxy().await), None),
            Engine::MariaDb => (None, Some(Cable::to(test.url()).await)),
        };
        let url = match (&proxy, &cable) {
            (Some(proxy), _) => proxy.url(),
            (None, Some(cable)) => cable.url(),
            (None, None) => test.url(),
        };
        let url = url.to_owned();
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        let retrying = stage.retrying(20);
        Self {
            stage,
            retrying,
            proxy,
            cable,
        }
    }

    pub fn path(&self) -> PathBuf {
        let url = self.test.url();
        let path = url.trim_start_matches("sqlite://").split('?').next();
        PathBuf::from(path.expect("a path"))
    }

    /// An operation that has the writer, and is at the cue.
    pub async fn first(&self, request: impl Into<Request>) -> JoinHandle<Response> {
        let operation = self.queued(request).await;
        self.cue.reached().await;
        operation
    }

    /// An operation that has come as far as it comes by itself: it waits for the writer.
    pub async fn queued(&self, request: impl Into<Request>) -> JoinHandle<Response> {
        self.queued_for(&["the same"], request).await
    }

    /// The same, for an operation that names these rows where the engine has many writers.
    pub async fn queued_for(
        &self,
        names: &[&str],
        request: impl Into<Request>,
    ) -> JoinHandle<Response> {
        queued(self.operation(names, request.into())).await
    }

    /// The answer of an operation that waits for nobody.
    pub async fn alone(&self, request: impl Into<Request>) -> Response {
        self.operation(&["the same"], request.into()).await
    }

    fn operation(
        &self,
        names: &[&str],
        mut request: Request,
    ) -> impl Future<Output = Response> + Send + use<> {
        let retrying = self.retrying.clone();
        if self.test.engine() != Engine::Sqlite {
            let names = format!("{{ willLock(names: {names:?})");
            request.query = request.query.replacen('{', &names, 1);
        }
        async move {
            let mut response = retrying.execute(request).await;
            if let Value::Object(fields) = &mut response.data {
                fields.shift_remove("willLock");
            }
            response
        }
    }

    /// The write-ahead log as it is now.
    pub fn log(&self) -> Vec<u8> {
        let mut path = self.path().into_os_string();
        path.push("-wal");
        fs::read(path).expect("is read")
    }

    /// How often somebody has committed since the log was begun.
    pub fn commits(&self) -> usize {
        if let Some(cable) = &self.cable {
            // A new connection says READ-COMMITTED.
            return cable.orders(|order| order.contains("COMMIT") && !order.contains("COMMITTED"));
        }
        match &self.proxy {
            None => commit_ends(&self.log()).count(),
            Some(proxy) => {
                let flights = proxy.log();
                flights.iter().filter(|sql| sql.ends_with("COMMIT")).count()
            }
        }
    }
}

/// What an operation that waits answers, in a task of its own.
pub async fn queued<T: Send + 'static>(
    operation: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let mut operation: BoxFuture<'static, _> = Box::pin(operation);
    assert!(poll!(&mut operation).is_pending(), "waits");
    tokio::spawn(operation)
}

/// Where each commit in a write-ahead log ends: <https://www.sqlite.org/fileformat2.html#walformat>.
pub fn commit_ends(log: &[u8]) -> impl Iterator<Item = usize> {
    const HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    let word = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("four bytes"));
    // A log that was just emptied has no header.
    let page = if log.len() < HEADER { 0 } else { word(8) };
    let frame = FRAME_HEADER + usize::try_from(page).expect("fits");
    (HEADER..)
        .step_by(frame)
        .take_while(move |at| at + frame <= log.len())
        // What was there before the log was begun anew has other salts.
        .take_while(move |at| (word(at + 8), word(at + 12)) == (word(16), word(20)))
        .filter(move |at| word(at + 4) != 0)
        .map(move |at| at + frame)
}
