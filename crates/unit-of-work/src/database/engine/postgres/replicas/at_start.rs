//! The look at the primary and at all replicas when the database is connected to.

use std::sync::Arc;

use futures_util::future::join_all;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tokio::time::timeout;

use super::super::{
    backend::Backend,
    servers::{Servers, name, search},
    session::PostgresSession,
};
use crate::{
    ConnectError, DatabaseOptions,
    database::{
        connect::first_error,
        pool::{may_pass, no_answer},
    },
};

/// What the servers have shown.
pub(super) struct Found {
    /// The cluster's system identifier.
    pub(super) system: u64,
    /// Whether each replica answers.
    pub(super) answers: Vec<bool>,
}

/// What one server has shown.
struct Shown {
    backend: Arc<Backend>,
    user: String,
    sees_statistics: bool,
}

/// Asks the primary and all replicas. One that does not answer is logged. One that answers must be of the same cluster, and the role must
/// see there which primary a standby follows.
///
/// # Errors
/// [`ConnectError::Server`] for a server that answers and cannot be used, and [`ConnectError::Open`] if none answers.
pub(super) async fn check(
    (primary, reader): (&Servers, &PostgresSession),
    (replicas, asked): (&Servers, &PostgresSession),
    options: &DatabaseOptions,
) -> Result<Found, ConnectError> {
    let look = async |servers: &Servers, asked| {
        timeout(options.connect_timeout, look(servers, asked))
            .await
            .unwrap_or_else(|_| Err(no_answer()))
    };
    let names = ["the primary".to_owned()].into_iter();
    let names = names.chain(replicas.iter().map(name));
    let each: Vec<_> = replicas.each().collect();
    let replicas = join_all(each.iter().map(|replica| look(replica, asked)));
    let (primary, replicas) = tokio::join!(look(primary, reader), replicas);
    let mut system = None;
    let mut answers = Vec::new();
    let mut first = None;
    for (name, shown) in names.zip([primary].into_iter().chain(replicas)) {
        let shown = match shown {
            Ok(shown) => shown,
            Err(error) if may_pass(&error) => {
                tracing::warn!(server = name, %error, "a server cannot be used now");
                answers.push(false);
                first.get_or_insert(error);
                continue;
            }
            Err(error) => {
                return Err(ConnectError::Server {
                    server: name,
                    source: Box::new(first_error(error)),
                });
            }
        };
        let own = shown
            .judge(system)
            .map_err(|problem| ConnectError::Server {
                server: name,
                source: Box::new(ConnectError::Refused { problem }),
            })?;
        system = Some(own);
        answers.push(true);
    }
    match (system, first) {
        (Some(system), _) => Ok(Found {
            system,
            answers: answers.split_off(1),
        }),
        (None, error) => Err(first_error(error.unwrap_or_else(no_answer))),
    }
}

impl Shown {
    /// The server's system identifier.
    fn judge(&self, known: Option<u64>) -> Result<u64, String> {
        let Some(system) = self.backend.system_number() else {
            return Err(
                "the role may not call `pg_control_system()`, so it is not known whose replica the server is"
                    .to_owned(),
            );
        };
        if known.is_some_and(|known| known != system) {
            return Err(format!(
                "the server is not of the same cluster as the others: its system identifier is {system}"
            ));
        }
        if !self.sees_statistics {
            return Err(format!(
                "a standby tells this role not which primary it follows, so it is not known what can be read there: \
                 `GRANT pg_read_all_stats TO {}`",
                self.user
            ));
        }
        Ok(system)
    }
}

async fn look(servers: &Servers, asked: &PostgresSession) -> Result<Shown, sqlx::Error> {
    let (mut connection, backend): (PgConnection, _) = search(servers, asked).await?;
    let question =
        "SELECT quote_ident(current_user), pg_has_role('pg_read_all_stats', 'USAGE')::text";
    let row = connection.fetch_one(question).await?;
    // It is closed even if this fails.
    let _ = connection.close().await;
    Ok(Shown {
        backend,
        user: row.try_get_unchecked(0)?,
        sees_statistics: row.try_get_unchecked::<String, _>(1)? == "true",
    })
}
