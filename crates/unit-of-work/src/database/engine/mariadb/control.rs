//! Orders about a hanging connection, sent to MariaDB on another connection: stop its statement, end its thread, ask whether it is gone.
//!
//! They have pools of their own, since the other pools may be full of hanging connections. An order about a thread goes to its server. A row
//! is looked for on the node that writes, which has all that was committed.

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, Executor as _, MySql, Row as _};
use tokio::time::timeout;

use super::{
    backend::Backend,
    servers::Servers,
    session::{MariaDbSession, Role},
};
use crate::{
    Access, DatabaseOptions,
    database::{
        connect::limits,
        engine::outcome::{Found, Progress},
        pool::{Pool, Pooled},
    },
};

/// How many connections each of the pools may have. They are made when they are needed.
const CONNECTIONS: u32 = 2;

/// How long one order may take. After that, its connection is closed.
const LIMIT: Duration = Duration::from_secs(5);

/// The error of KILL for a thread that is gone.
const NO_SUCH_THREAD: u16 = 1094;

#[derive(Debug)]
pub(crate) struct Control {
    /// For each server, connections for orders about its threads.
    servers: Vec<Pool<MySql>>,
    /// Connections to the node that writes, to look for rows. Of a server that is no node, to that server.
    writer: Pool<MySql>,
}

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It is gone.
    Gone,
    /// It waits for a statement.
    Waiting,
    Busy,
}

impl Control {
    pub(super) fn new(
        servers: &Servers,
        reader: &MariaDbSession,
        options: &DatabaseOptions,
    ) -> Self {
        let limits = limits(options, CONNECTIONS);
        let session = |role, sync_wait| MariaDbSession {
            access: Access::ReadOnly,
            takes_writes: false,
            role,
            sync_wait,
            ..reader.clone()
        };
        let any = session(Role::Any, 0);
        Self {
            servers: servers
                .each()
                .map(|server| Pool::new(server, any.clone(), limits))
                .collect(),
            // It sees everything that was committed anywhere.
            writer: Pool::new(servers.clone(), session(Role::Writer, 7), limits),
        }
    }

    fn pools(&self) -> impl Iterator<Item = &Pool<MySql>> {
        self.servers.iter().chain([&self.writer])
    }

    pub(super) fn doubt_idle(&self) {
        for pool in self.pools() {
            pool.doubt_idle();
        }
    }

    pub(super) async fn close(&self) {
        for pool in self.pools() {
            pool.close().await;
        }
    }

    /// Stops the statement that a thread runs. `false` if it is not certain whether the order was, or will still be, carried out.
    ///
    /// The caller must still hold the thread's connection, so that the order cannot stop another statement.
    ///
    /// # Cancel safety
    /// Cancel safe, but the statement may or may not be stopped.
    pub(super) async fn stop(&self, backend: &Backend) -> bool {
        self.order(backend, "KILL QUERY", |doing| doing == Doing::Busy)
            .await
    }

    /// Ends a thread on which no COMMIT was sent, and with it the transaction and its locks.
    pub(super) async fn end(&self, backend: &Backend) {
        self.order(backend, "KILL", |_| true).await;
    }

    /// Ends a thread, unless it is busy with COMMIT.
    pub(super) async fn end_waiting(&self, backend: &Backend) {
        self.order(backend, "KILL", |doing| doing == Doing::Waiting)
            .await;
    }

    async fn order(&self, backend: &Backend, order: &str, if_it: fn(Doing) -> bool) -> bool {
        let given = timeout(LIMIT, async {
            let mut connection = acquire(&self.servers[backend.at]).await?;
            kill(&mut connection, backend, order, if_it).await?;
            connection.in_doubt(false);
            Ok::<_, sqlx::Error>(())
        });
        match given.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a thread could not be told to stop");
                false
            }
            Err(_) => false,
        }
    }

    /// The progress of a transaction.
    pub(super) async fn progress(&self, backend: &Backend) -> Result<Progress, sqlx::Error> {
        let mut connection = acquire(&self.writer).await?;
        let progress = progress(&mut connection, backend).await?;
        connection.in_doubt(false);
        Ok(progress)
    }

    /// Looks whether a COMMIT that was not answered has happened. `question` has a row that is true if it has, and one that is false if
    /// that cannot be known.
    pub(super) async fn look(
        &self,
        backend: &Backend,
        question: sea_orm::Statement,
    ) -> Result<Found, sqlx::Error> {
        let mut connection = acquire(&self.writer).await?;
        // In statements of their own, so that the snapshot of the second is newer than the answer to the first.
        let progress = progress(&mut connection, backend).await?;
        let found = match progress {
            Progress::Committing => Found::NotYet,
            // COMMIT did not arrive, or was answered. It must not arrive later, so the thread is ended.
            Progress::Waiting => {
                kill(&mut connection, backend, "KILL", |doing| {
                    doing == Doing::Waiting
                })
                .await?;
                Found::NotYet
            }
            Progress::Over | Progress::Unknown => {
                match (ask(&mut connection, question).await?, progress) {
                    (Some(true), _) => Found::Row,
                    (_, Progress::Unknown) => Found::NotYet,
                    (Some(false), _) => Found::Swept,
                    (None, _) => Found::Nothing,
                }
            }
        };
        connection.in_doubt(false);
        Ok(found)
    }
}

/// A connection that counts as in doubt, so it is closed unless the order succeeds.
async fn acquire(pool: &Pool<MySql>) -> Result<Pooled<MySql>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    connection.in_doubt(true);
    Ok(connection)
}

/// What the thread is doing, by the list that each user is shown of its own.
async fn doing(connection: &mut Pooled<MySql>, backend: &Backend) -> Result<Doing, sqlx::Error> {
    // The id comes from the server, so it needs no quotes.
    let sql = format!(
        "SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = {} AND HOST = ?",
        backend.id
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&backend.client);
    let row = (**connection).fetch_optional(query).await?;
    Ok(match row {
        None => Doing::Gone,
        Some(row) if row.try_get_unchecked::<String, _>(0)? == "Sleep" => Doing::Waiting,
        Some(_) => Doing::Busy,
    })
}

/// Gives a KILL order, if the thread is doing what it should. Ids are unique as long as a server runs, and this connection lasts no longer, so
/// the order is about the thread that was looked at.
async fn kill(
    connection: &mut Pooled<MySql>,
    backend: &Backend,
    order: &str,
    if_it: fn(Doing) -> bool,
) -> Result<(), sqlx::Error> {
    let doing = doing(connection, backend).await?;
    if doing == Doing::Gone || !if_it(doing) {
        return Ok(());
    }
    let sql = AssertSqlSafe(format!("{order} {}", backend.id));
    match connection.execute(sql).await {
        Err(sqlx::Error::Database(error))
            if error
                .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                .is_some_and(|error| error.number() == NO_SUCH_THREAD) =>
        {
            Ok(())
        }
        done => done.map(drop),
    }
}

async fn progress(
    connection: &mut Pooled<MySql>,
    backend: &Backend,
) -> Result<Progress, sqlx::Error> {
    let here: Arc<Backend> = Arc::clone(connection.peer());
    let is_same = match (&here.node, &backend.node) {
        (None, None) => here.server == backend.server,
        (Some(here), Some(there)) => {
            // Another epoch has begun, and this node has seen all that there will ever be of the earlier one.
            if there.epoch().is_some() && here.epoch() > there.epoch() {
                return Ok(Progress::Over);
            }
            here.is(there)
        }
        _ => false,
    };
    if !is_same {
        // It may lack data of the other one.
        return Ok(Progress::Unknown);
    }
    Ok(match doing(connection, backend).await? {
        // It ended by itself, or with its server, which was started again with what it has kept.
        Doing::Gone => Progress::Over,
        Doing::Waiting => Progress::Waiting,
        Doing::Busy => Progress::Committing,
    })
}

/// Whether one of the rows is true, if there are any.
async fn ask(
    connection: &mut Pooled<MySql>,
    question: sea_orm::Statement,
) -> Result<Option<bool>, sqlx::Error> {
    let values = question.values.unwrap_or(sea_orm::Values(Vec::new()));
    let query = sqlx::query_with(
        AssertSqlSafe(question.sql),
        sea_query_sqlx::SqlxValues(values),
    );
    let mut answer = None;
    for row in (**connection).fetch_all(query).await? {
        *answer.get_or_insert(false) |= row.try_get::<bool, _>(0)?;
    }
    Ok(answer)
}
