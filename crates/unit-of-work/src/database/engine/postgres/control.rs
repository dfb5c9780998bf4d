//! Orders about a hanging connection, sent to PostgreSQL on another connection: cancel its statement, end its backend, ask whether its
//! transaction is over.
//!
//! They have pools of their own, since the other pools may be full of hanging connections. An order about a backend goes to the server of that
//! backend, which may no longer be the primary. A row is looked for on the primary.

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, Executor as _, Postgres, Row as _};
use tokio::time::timeout;

use super::{
    backend::{Backend, Standing},
    servers::Servers,
    session::{PostgresSession, Role},
};
use crate::{
    DatabaseOptions,
    database::{
        connect::limits,
        engine::outcome::{Found, Progress},
        pool::{Pool, Pooled},
    },
};

/// How many connections each of the pools may have. They are made when they are needed.
pub(crate) const CONNECTIONS: u32 = 2;

/// How long one order may take. After that, its connection is closed.
const LIMIT: Duration = Duration::from_secs(5);

/// Makes the rest of a message run as the role that logged in. If `after_connect` or the role's own settings have set another one, that may
/// neither see nor stop a process of the role that logged in. It ends with the message.
const AS_LOGIN: &str = "SET LOCAL ROLE NONE; ";

#[derive(Debug)]
pub(crate) struct Control {
    /// For each server and each replica, connections for orders about its backends. One that takes no writes has backends, too.
    servers: Vec<Pool<Postgres>>,
    /// Connections to the primary, to look for rows. `None` if there is only one server, which is asked whatever it is.
    primary: Option<Pool<Postgres>>,
}

impl Control {
    pub(crate) fn new(
        servers: &Servers,
        replicas: Option<&Servers>,
        writer: &PostgresSession,
        options: &DatabaseOptions,
    ) -> Self {
        let limits = limits(options, CONNECTIONS);
        let any = PostgresSession {
            role: Role::Any,
            ..writer.clone()
        };
        let of_each = servers
            .each()
            .chain(replicas.into_iter().flat_map(Servers::each));
        Self {
            servers: of_each
                .map(|server| Pool::new(server, any.clone(), limits))
                .collect(),
            primary: (!servers.is_one())
                .then(|| Pool::new(servers.clone(), writer.clone(), limits)),
        }
    }

    pub(crate) fn doubt_idle(&self) {
        for pool in self.servers.iter().chain(&self.primary) {
            pool.doubt_idle();
        }
    }

    pub(crate) async fn close(&self) {
        for pool in self.servers.iter().chain(&self.primary) {
            pool.close().await;
        }
    }

    /// Stops the statement that a backend runs. `false` if it is not certain whether the order was, or will still be, carried out.
    ///
    /// The caller must still hold the backend's connection, so that the order cannot stop another statement.
    ///
    /// # Cancel safety
    /// Cancel safe, but the statement may or may not be stopped.
    pub(crate) async fn cancel(&self, backend: &Backend) -> bool {
        let sql = format!(
            "{AS_LOGIN}SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {}",
            this_one(backend)
        );
        self.order(backend, sql).await
    }

    /// Ends a backend on which no COMMIT was sent, and with it the transaction and its locks.
    pub(crate) async fn end(&self, backend: &Backend) {
        let sql = format!(
            "{AS_LOGIN}SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {}",
            this_one(backend)
        );
        self.order(backend, sql).await;
    }

    /// Ends a backend, unless COMMIT has reached it.
    pub(crate) async fn end_waiting(&self, backend: &Backend) {
        self.order(backend, end_if_waiting(backend)).await;
    }

    async fn order(&self, backend: &Backend, sql: String) -> bool {
        if backend.pid.is_empty() {
            return false;
        }
        let given = timeout(LIMIT, async {
            let mut connection = acquire(self.pool_of(backend)).await?;
            connection.execute(AssertSqlSafe(sql)).await?;
            connection.in_doubt(false);
            Ok::<_, sqlx::Error>(())
        });
        match given.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a backend could not be told to stop");
                false
            }
            Err(_) => false,
        }
    }

    /// The progress of a transaction.
    pub(crate) async fn progress(
        &self,
        transaction: &str,
        backend: &Backend,
    ) -> Result<Progress, sqlx::Error> {
        let mut connection = acquire(self.primary()).await?;
        let progress = progress(&mut connection, transaction, backend).await?;
        connection.in_doubt(false);
        Ok(progress)
    }

    /// Looks whether a COMMIT that was not answered has happened, on whichever server is the primary now. `question` has a
    /// row that is true if it has, and one that is false if that cannot be known.
    pub(crate) async fn look(
        &self,
        transaction: &str,
        backend: &Backend,
        question: sea_orm::Statement,
    ) -> Result<Found, sqlx::Error> {
        let mut connection = acquire(self.primary()).await?;
        // In a transaction of its own, so that its snapshot is newer than the answer.
        let is_over = match progress(&mut connection, transaction, backend).await? {
            Progress::Over => true,
            Progress::Unknown => false,
            Progress::Waiting => {
                // COMMIT did not arrive. It must not arrive later either, so the backend is ended.
                // The server is the backend's own, or its progress would not be known.
                let end = AssertSqlSafe(end_if_waiting(backend));
                connection.execute(end).await?;
                connection.in_doubt(false);
                return Ok(Found::NotYet);
            }
            Progress::Committing => {
                connection.in_doubt(false);
                return Ok(Found::NotYet);
            }
        };
        let row = ask(&mut connection, question).await?;
        let found = if row == Some(true) {
            // The row may be here only because a wait for a standby was cut short, by a crash or by an operator. A commit of
            // our own waits for the standby to have all that came before it.
            let confirm = "SELECT pg_logical_emit_message(true, 'unit_of_work', '')";
            connection.execute(confirm).await?;
            Found::Row
        } else if !is_over {
            Found::NotYet
        } else if row.is_some() {
            Found::Swept
        } else {
            Found::Nothing
        };
        connection.in_doubt(false);
        Ok(found)
    }

    /// The connections to the backend's own server.
    fn pool_of(&self, backend: &Backend) -> &Pool<Postgres> {
        &self.servers[backend.at]
    }

    /// The connections to the primary.
    fn primary(&self) -> &Pool<Postgres> {
        self.primary.as_ref().unwrap_or(&self.servers[0])
    }
}

/// A connection that counts as in doubt, so it is closed unless the order succeeds.
async fn acquire(pool: &Pool<Postgres>) -> Result<Pooled<Postgres>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    connection.in_doubt(true);
    Ok(connection)
}

/// The condition for a backend's row in `pg_stat_activity`. The numbers come from the server, so they need no quotes.
fn this_one(backend: &Backend) -> String {
    format!(
        "pid = {} AND (extract(epoch FROM backend_start) * 1000000)::bigint = {}",
        backend.pid, backend.started
    )
}

fn end_if_waiting(backend: &Backend) -> String {
    format!(
        "{AS_LOGIN}SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {} AND state LIKE 'idle in transaction%'",
        this_one(backend)
    )
}

async fn progress(
    connection: &mut Pooled<Postgres>,
    transaction: &str,
    backend: &Backend,
) -> Result<Progress, sqlx::Error> {
    let here: Arc<Backend> = connection.peer().clone();
    let (Some(here), Some(there)) = (&here.server, &backend.server) else {
        return Ok(Progress::Unknown);
    };
    match here.stands_to(there) {
        // The backend ended with its server, and this server has everything that was kept.
        Standing::Successor => return Ok(Progress::Over),
        Standing::Stranger => return Ok(Progress::Unknown),
        Standing::Same => {}
    }
    // If the backend no longer has the id, the transaction has ended. If the server does not show activities, or not those of this login (then
    // it shows no start of the process either), it counts as committing, which we never end.
    let sql = format!(
        "{AS_LOGIN}SELECT CASE WHEN state LIKE 'idle in transaction%' THEN 'waiting' ELSE 'committing' END \
         FROM pg_stat_activity \
         WHERE ({} AND backend_xid = ('{}'::xid8)::xid) OR (pid = {} AND backend_start IS NULL)",
        this_one(backend),
        transaction,
        backend.pid
    );
    let rows = connection.fetch_all(AssertSqlSafe(sql)).await?;
    let Some(row) = rows.first() else {
        return Ok(Progress::Over);
    };
    Ok(match row.try_get_unchecked::<String, _>(0)?.as_str() {
        "waiting" => Progress::Waiting,
        _ => Progress::Committing,
    })
}

/// Whether one of the rows is true, if there are any.
async fn ask(
    connection: &mut Pooled<Postgres>,
    question: sea_orm::Statement,
) -> Result<Option<bool>, sqlx::Error> {
    // Rows that a policy hides would be taken for rows that are not there: with this, they are an error.
    connection
        .execute("BEGIN READ ONLY; SET LOCAL row_security = off")
        .await?;
    let values = question.values.unwrap_or(sea_orm::Values(Vec::new()));
    let query = sqlx::query_with(
        AssertSqlSafe(question.sql),
        sea_query_sqlx::SqlxValues(values),
    );
    let mut answer = None;
    for row in (**connection).fetch_all(query).await? {
        *answer.get_or_insert(false) |= row.try_get::<bool, _>(0)?;
    }
    connection.execute("ROLLBACK").await?;
    Ok(answer)
}
