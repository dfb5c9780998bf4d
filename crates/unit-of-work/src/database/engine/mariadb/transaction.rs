//! One connection to MariaDB: the checks of a new one, and how its transaction begins and ends.

use std::{convert::Infallible, sync::Arc};

use futures_util::TryStreamExt as _;
use sea_orm::{DbBackend, DbErr};
use sqlx::{AssertSqlSafe, Either, Executor as _, MySql, MySqlConnection, Row as _};
use tokio::time::timeout;

use super::{
    backend::Backend,
    begin::{begin_sql, changes_limits},
    servers::{Node, SILENCE, Servers, is_overtaken, search},
    session::MariaDbSession,
    statements::CarriedStatements,
};
use crate::{
    Access, FailureKind, UnitError,
    database::{
        after_connect::{AfterConnect, Left},
        begin::Begin,
        engine::{AnyLease, Driver, Engine, Peer, outcome::Identity},
        lease::Lease,
        pool::no_answer,
        sql::Dialect,
        statements::query_error,
    },
    observe::server::NamedServer,
    unit::marker::Marker,
};

impl Engine for MySql {
    type Target = Servers;
    type Asked = MariaDbSession;
    type Peer = Arc<Backend>;
    type Rows = Infallible;
    type Known = ();
    type Statements<'c> = CarriedStatements<'c>;

    const BACKEND: DbBackend = DbBackend::MySql;
    const DIALECT: Dialect = Dialect::MariaDb;

    fn hook(asked: &MariaDbSession) -> Option<(&AfterConnect, Access)> {
        asked.hook.as_ref().map(|(hook, access)| (hook, *access))
    }

    fn driver(connection: &mut MySqlConnection) -> Driver<'_> {
        Driver::MariaDb(connection)
    }

    async fn left(connection: &mut MySqlConnection) -> Result<Option<Left>, sqlx::Error> {
        let row = connection.fetch_one("SELECT @@in_transaction").await?;
        let is_open: String = row.try_get_unchecked(0)?;
        Ok((is_open != "0").then_some(Left::Transaction))
    }

    async fn prove(
        connection: &mut MySqlConnection,
        asked: &MariaDbSession,
    ) -> Result<(), sqlx::Error> {
        asked.prove(connection).await
    }

    async fn connect(
        servers: &Servers,
        asked: &MariaDbSession,
    ) -> Result<(MySqlConnection, Arc<Backend>), sqlx::Error> {
        search(servers, asked).await
    }

    fn is_outdated(servers: &Servers, peer: &Arc<Backend>) -> bool {
        peer.node
            .as_ref()
            .is_some_and(|node| servers.have_left(node))
    }

    fn failed(peer: &Arc<Backend>, kind: FailureKind) {
        if kind == FailureKind::ConnectionLost
            && let Some(node) = &peer.node
        {
            node.is_lost();
        }
    }

    /// sqlx's own transaction manager sends one statement. A text of several sends the settings with it, in one round trip.
    async fn begin(lease: &mut Lease<Self>, begin: &Begin) -> Result<(), DbErr> {
        let sql = begin_sql(begin)?;
        lease.begins(begin.access);
        lease.has_limits = changes_limits(begin);
        let peer = Arc::clone(lease.connection.peer());
        let answer = lease.connection.fetch_all(AssertSqlSafe(sql));
        let answered = match &peer.node {
            None => answer.await,
            // Another node may be there.
            Some(node) => timeout(SILENCE, answer).await.unwrap_or_else(|_| {
                node.is_lost();
                Err(no_answer())
            }),
        };
        let rows = answered.map_err(query_error)?;
        if begin.identify
            && let Some(row) = rows.last()
        {
            let id: String = row.try_get_unchecked(0).map_err(query_error)?;
            let peer = lease.connection.peer();
            // If it is another thread than before, a proxy has exchanged it, and the transaction has no identity.
            lease.identity = (peer.id == id).then(|| Identity {
                transaction: id,
                peer: Arc::clone(peer).into(),
            });
        }
        Ok(())
    }

    fn statements(lease: &mut Lease<Self>) -> CarriedStatements<'_> {
        CarriedStatements::on(lease)
    }

    fn narrow(rows: &Infallible, _text: &str) -> Result<Option<String>, UnitError> {
        match *rows {}
    }

    async fn commit(lease: &mut Lease<Self>, marker: Option<&Marker>) -> Result<(), sqlx::Error> {
        let marker = marker.map(|marker| marker.insert(Self::BACKEND));
        let peer = Arc::clone(lease.connection.peer());
        let Some(node) = &peer.node else {
            return match marker {
                None => end(lease, "COMMIT".to_owned(), 1).await,
                Some(insert) => end(lease, format!("{insert}; COMMIT"), 2).await,
            };
        };
        let committed = end_on_node(lease, node, marker).await;
        if let Err(error) = &committed {
            if error
                .as_database_error()
                .is_some_and(|error| error.try_downcast_ref().is_some_and(is_overtaken))
            {
                node.is_overtaken();
            }
            Self::failed(&peer, FailureKind::of_driver(error));
        }
        committed
    }

    async fn roll_back(lease: &mut Lease<Self>) -> Result<(), sqlx::Error> {
        end(lease, "ROLLBACK".to_owned(), 1).await
    }

    fn server(peer: &Arc<Backend>) -> Option<&Arc<NamedServer>> {
        peer.node.as_ref()?.named.as_ref()
    }

    fn markers(peer: &Arc<Backend>) -> Option<&str> {
        peer.markers.as_deref()
    }
}

/// Commits on a node of a cluster. COMMIT is the last statement of its flight, since a node that has lost its cluster answers it with success
/// if there is one behind it.
///
/// # Errors
/// Those of COMMIT, and of what is sent with it.
async fn end_on_node(
    lease: &mut Lease<MySql>,
    node: &Node,
    marker: Option<String>,
) -> Result<(), sqlx::Error> {
    let limits = lease
        .has_limits
        .then(|| lease.connection.peer().limits.clone());
    let fence = node.fence.as_ref().map(|fence| fence.sql.clone());
    let flight: Vec<_> = [limits, fence, marker, Some("COMMIT".to_owned())]
        .into_iter()
        .flatten()
        .collect();
    let statements = flight.len();
    send(lease, flight.join("; "), statements).await
}

/// Ends the transaction, and sets the session's time-outs back in the same flight. `statements` is how many the flight has before that.
///
/// # Errors
/// Those of the end. MariaDB runs no statement of a text after one that failed. If only the time-outs cannot be set back, the connection stays
/// in doubt.
async fn end(
    lease: &mut Lease<MySql>,
    mut flight: String,
    statements: usize,
) -> Result<(), sqlx::Error> {
    if lease.has_limits {
        flight.push_str("; ");
        flight.push_str(&lease.connection.peer().limits);
    }
    send(lease, flight, statements).await
}

/// Sends the flight that ends the transaction.
async fn send(
    lease: &mut Lease<MySql>,
    flight: String,
    statements: usize,
) -> Result<(), sqlx::Error> {
    let end = async move |mut connection: MySqlConnection| {
        let ended = send_end(&mut connection, flight, statements).await;
        (connection, ended)
    };
    if lease.carry(end).await? {
        lease.has_ended();
    }
    Ok(())
}

/// `true` if all of the flight was done, and `false` if only its end was not.
async fn send_end(
    connection: &mut MySqlConnection,
    flight: String,
    statements: usize,
) -> Result<bool, sqlx::Error> {
    let mut answered = 0;
    let mut answers = connection.fetch_many(AssertSqlSafe(flight));
    loop {
        match answers.try_next().await {
            Ok(Some(Either::Left(_))) => answered += 1,
            Ok(Some(Either::Right(_))) => {}
            Ok(None) => return Ok(true),
            Err(error) if answered < statements => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "a transaction has ended, and its time-outs are not set back");
                return Ok(false);
            }
        }
    }
}

impl From<Lease<MySql>> for AnyLease {
    fn from(lease: Lease<MySql>) -> Self {
        Self::MariaDb(lease)
    }
}

impl From<Arc<Backend>> for Peer {
    fn from(backend: Arc<Backend>) -> Self {
        Self::MariaDb(backend)
    }
}
