//! One connection to MariaDB: the checks of a new one, and how its transaction begins and ends.

use std::{convert::Infallible, sync::Arc};

use futures_util::TryStreamExt as _;
use sea_orm::{DbBackend, DbErr};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Either, Executor as _, MySql, MySqlConnection, Row as _,
    mysql::MySqlConnectOptions,
};

use super::{
    backend::Backend,
    begin::{begin_sql, changes_limits},
    session::MariaDbSession,
    statements::CarriedStatements,
};
use crate::{
    Access, UnitError,
    database::{
        after_connect::{AfterConnect, Left},
        begin::Begin,
        connect::prepare,
        engine::{AnyLease, Driver, Engine, Peer, outcome::Identity},
        lease::Lease,
        sql::Dialect,
        statements::query_error,
    },
    unit::marker::Marker,
};

impl Engine for MySql {
    type Target = MySqlConnectOptions;
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
        driver: &MySqlConnectOptions,
        asked: &MariaDbSession,
    ) -> Result<(MySqlConnection, Arc<Backend>), sqlx::Error> {
        let mut connection = driver.connect().await?;
        asked.set(&mut connection).await?;
        prepare::<Self>(&mut connection, asked).await?;
        let backend = Backend::introduce(&mut connection, asked).await?;
        Ok((connection, Arc::new(backend)))
    }

    /// sqlx's own transaction manager sends one statement. A text of several sends the settings with it, in one round trip.
    async fn begin(lease: &mut Lease<Self>, begin: &Begin) -> Result<(), DbErr> {
        let sql = begin_sql(begin)?;
        lease.begins(begin.access);
        lease.has_limits = changes_limits(begin);
        let rows = lease
            .connection
            .fetch_all(AssertSqlSafe(sql))
            .await
            .map_err(query_error)?;
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
        match marker {
            None => end(lease, "COMMIT".to_owned(), 1).await,
            Some(marker) => {
                let insert = marker.insert(Self::BACKEND);
                end(lease, format!("{insert}; COMMIT"), 2).await
            }
        }
    }

    async fn roll_back(lease: &mut Lease<Self>) -> Result<(), sqlx::Error> {
        end(lease, "ROLLBACK".to_owned(), 1).await
    }

    fn markers(peer: &Arc<Backend>) -> Option<&str> {
        peer.markers.as_deref()
    }
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
