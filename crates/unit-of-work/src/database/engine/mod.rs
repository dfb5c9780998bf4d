//! The interface to the engines: everything in which PostgreSQL, SQLite and MariaDB differ.
//!
//! | item | purpose |
//! |---|---|
//! | [`Engine`] | one connection: what its session must be, how a transaction begins and ends |
//! | [`OpenDatabase`] | an open database: its pools, how a statement is stopped, how the outcome of a COMMIT is found out |
//! | [`Opened`], [`AnyLease`], [`Driver`], [`Peer`] | enums with a variant for each engine |
//! | `outcome`, `session`, `failure`, `words` | what engines have in common |
//! | `servers/`, `writable` | what the engines with a network have in common: lists of servers, and whether one takes writes |
//! | `postgres/`, `sqlite/`, `mariadb/` | one tree per engine, with the same file names for the same purposes |
//!
//! A new engine is a folder beside these, a variant in the enums, and a row in `failure` and `words`. Nothing outside of this
//! folder asks which engine it is. The enums are matched instead of using trait objects, so a statement costs no dynamic call.

pub(crate) mod failure;
pub(crate) mod outcome;
pub(crate) mod session;
pub(crate) mod words;

mod open_database;
#[cfg(any(feature = "mariadb", feature = "postgres"))]
mod servers;
#[cfg(any(feature = "mariadb", feature = "postgres"))]
mod writable;

#[cfg(feature = "mariadb")]
mod mariadb;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::{fmt, future::ready, sync::Arc};

use sea_orm::{DbBackend, DbErr, Statement};

pub(crate) use open_database::OpenDatabase;

use self::outcome::{Found, Identity, Progress};
use crate::{
    Access, ConnectError, ConsistencyToken, DatabaseOptions, FailureKind, UnitError,
    database::{
        after_connect::{AfterConnect, Left},
        begin::Begin,
        driver_options::{DriverOptions, Given},
        lease::Lease,
        sql::Dialect,
    },
    observe::server::NamedServer,
    unit::marker::Marker,
};

#[cfg(not(any(feature = "mariadb", feature = "postgres", feature = "sqlite")))]
compile_error!(
    "unit-of-work needs an engine: one of its features `postgres`, `sqlite` and `mariadb`"
);

/// The URL schemes that are supported.
pub(crate) const SCHEMES: &str = match (
    cfg!(feature = "postgres"),
    cfg!(feature = "sqlite"),
    cfg!(feature = "mariadb"),
) {
    (true, true, true) => "postgres://, sqlite:// or mariadb://",
    (true, true, false) => "postgres:// or sqlite://",
    (true, false, true) => "postgres:// or mariadb://",
    (true, false, false) => "postgres://",
    (false, true, true) => "sqlite:// or mariadb://",
    (false, true, false) => "sqlite://",
    (false, false, _) => "mariadb://",
};

/// The sessions and transactions of one engine.
pub(crate) trait Engine: sqlx::Database {
    /// Where connections are made to: the driver's options for one server, or for several.
    type Target: Clone + Send + Sync + 'static;

    /// The required properties of a session.
    type Asked: Clone + fmt::Debug + Send + Sync + 'static;

    /// The other end of a connection.
    type Peer: Clone + fmt::Debug + Into<Peer> + Send + Sync + 'static;

    /// What the texts of a transaction's statements are changed by, so that it sees only some rows.
    type Rows: fmt::Debug + Send + Sync + 'static;

    /// What is known of a connection's database from one transaction to the next.
    type Known: Default + fmt::Debug + Send + Sync + 'static;

    /// What runs SeaORM's statements on a connection.
    type Statements<'c>;

    /// The engine, as SeaORM names it.
    const BACKEND: DbBackend;

    /// The dialect of its SQL.
    const DIALECT: Dialect;

    /// Checks whether a connection may be made, before it is made: opening another database by mistake would change it.
    ///
    /// # Errors
    /// What is wrong with the database, as far as that shows without a connection.
    fn refuse(_asked: &Self::Asked) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// The application's hook for new connections, and what units do on them.
    fn hook(asked: &Self::Asked) -> Option<(&AfterConnect, Access)>;

    /// The driver's connection, for the hook.
    fn driver(connection: &mut Self::Connection) -> Driver<'_>;

    /// What the hook has left on a connection, and must not.
    fn left(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Option<Left>, sqlx::Error>> + Send;

    /// Checks in one round trip that a new connection's session has the required properties.
    ///
    /// # Errors
    /// [`SessionError`](session::SessionError) as [`sqlx::Error::Configuration`], and those of asking.
    fn prove(
        connection: &mut Self::Connection,
        asked: &Self::Asked,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Makes a connection that units can use, and asks for its other end.
    ///
    /// # Errors
    /// Those of connecting, of the application's hook and of [`Engine::prove`].
    fn connect(
        target: &Self::Target,
        asked: &Self::Asked,
    ) -> impl Future<Output = Result<(Self::Connection, Self::Peer), sqlx::Error>> + Send;

    /// Whether another server has replaced the one at the other end, so that the connection must not be used again.
    fn is_outdated(_target: &Self::Target, _peer: &Self::Peer) -> bool {
        false
    }

    /// Notes that a statement on the connection has failed.
    fn failed(_peer: &Self::Peer, _kind: FailureKind) {}

    /// Begins the transaction, with its settings, in one round trip. Not cancel safe, like the two that follow.
    fn begin(
        lease: &mut Lease<Self>,
        begin: &Begin,
    ) -> impl Future<Output = Result<(), DbErr>> + Send;

    /// What runs SeaORM's statements on the connection. If the future of one is dropped, the next one goes on after it.
    fn statements(lease: &mut Lease<Self>) -> Self::Statements<'_>;

    /// The text to send in the place of a statement's, so that it sees only these rows. `None` if it can be sent as it is.
    ///
    /// # Errors
    /// [`UnitError::RowsRefused`].
    fn narrow(rows: &Self::Rows, text: &str) -> Result<Option<String>, UnitError>;

    /// A token of the server's timeline that no server ever has all of.
    fn latest(_peer: &Self::Peer) -> Option<ConsistencyToken> {
        None
    }

    /// As [`Connection::honours`](crate::database::connection::Connection::honours).
    fn honours(_peer: &Self::Peer, _token: &ConsistencyToken) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// Asks the server for its position, outside of a transaction. An engine without replicas has none.
    fn locate(_lease: &mut Lease<Self>) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        ready(Ok(()))
    }

    /// Commits, with the marker in the same round trip.
    fn commit(
        lease: &mut Lease<Self>,
        marker: Option<&Marker>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Rolls back the transaction.
    fn roll_back(lease: &mut Lease<Self>) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Makes sure that a failed COMMIT cannot take effect after a crash by what it has already written. `false` if that cannot be ensured.
    fn overwrite(_lease: &mut Lease<Self>) -> impl Future<Output = bool> + Send {
        ready(true)
    }

    /// The server at the other end, if the database has several.
    fn server(_peer: &Self::Peer) -> Option<&Arc<NamedServer>> {
        None
    }

    /// The table of markers that COMMIT can use, if there is one.
    fn markers(_peer: &Self::Peer) -> Option<&str> {
        None
    }
}

/// Evaluates an expression for whichever engine it is: `on_engine!(Opened, opened, open => open.close().await)`.
macro_rules! on_engine {
    ($enum:ident, $value:expr, $inner:ident => $body:expr) => {
        match $value {
            #[cfg(feature = "postgres")]
            $crate::database::engine::$enum::Postgres($inner) => $body,
            #[cfg(feature = "sqlite")]
            $crate::database::engine::$enum::Sqlite($inner) => $body,
            #[cfg(feature = "mariadb")]
            $crate::database::engine::$enum::MariaDb($inner) => $body,
        }
    };
}
pub(crate) use on_engine;

/// As `on_engine`, for a database and the other end of one of its connections, which are of the same engine.
macro_rules! on_peer {
    ($opened:expr, $peer:expr, ($open:ident, $inner:ident) => $body:expr, else $otherwise:expr) => {
        match ($opened, $peer) {
            #[cfg(feature = "postgres")]
            (Opened::Postgres($open), Peer::Postgres($inner)) => $body,
            #[cfg(feature = "sqlite")]
            (Opened::Sqlite($open), Peer::Sqlite($inner)) => $body,
            #[cfg(feature = "mariadb")]
            (Opened::MariaDb($open), Peer::MariaDb($inner)) => $body,
            #[cfg(any(
                all(feature = "postgres", feature = "sqlite"),
                all(feature = "postgres", feature = "mariadb"),
                all(feature = "sqlite", feature = "mariadb")
            ))]
            _ => $otherwise,
        }
    };
}

/// An open database.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of each database, behind an `Arc`"
)]
pub(crate) enum Opened {
    #[cfg(feature = "postgres")]
    Postgres(postgres::Server),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::File),
    #[cfg(feature = "mariadb")]
    MariaDb(mariadb::Server),
}

/// A connection that one unit holds.
#[derive(Debug)]
pub(crate) enum AnyLease {
    #[cfg(feature = "postgres")]
    Postgres(Lease<sqlx::Postgres>),
    #[cfg(feature = "sqlite")]
    Sqlite(Lease<sqlx::Sqlite>),
    #[cfg(feature = "mariadb")]
    MariaDb(Lease<sqlx::MySql>),
}

/// A driver's connection that no unit has yet.
pub(crate) enum Driver<'c> {
    #[cfg(feature = "postgres")]
    Postgres(&'c mut sqlx::PgConnection),
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut sqlx::SqliteConnection),
    #[cfg(feature = "mariadb")]
    MariaDb(&'c mut sqlx::MySqlConnection),
}

/// The other end of a connection, with which its statements can be stopped.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    #[cfg(feature = "postgres")]
    Postgres(std::sync::Arc<postgres::backend::Backend>),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::interrupt::Interrupt),
    #[cfg(feature = "mariadb")]
    MariaDb(std::sync::Arc<mariadb::backend::Backend>),
}

impl Peer {
    /// Whether it can be ended from another connection. SQLite's is a thread of this process, which cannot.
    pub(crate) fn can_be_ended(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => false,
            #[cfg(feature = "mariadb")]
            Self::MariaDb(_) => true,
        }
    }

    /// Withdraws an order to stop, on an engine where it would also stop the next statement.
    pub(crate) fn stop_no_more(&self) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {}
            #[cfg(feature = "sqlite")]
            Self::Sqlite(interrupt) => interrupt.lower(),
            #[cfg(feature = "mariadb")]
            Self::MariaDb(_) => {}
        }
    }
}

/// The driver's options in a URL, by its scheme.
pub(crate) fn parse(url: &str) -> Result<DriverOptions, ConnectError> {
    match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => postgres::Server::parse(url).map(Into::into),
        #[cfg(feature = "sqlite")]
        "sqlite" => sqlite::File::parse(url).map(Into::into),
        #[cfg(feature = "mariadb")]
        "mariadb" | "mysql" => mariadb::Server::parse(url).map(Into::into),
        other => Err(ConnectError::UnsupportedScheme {
            scheme: other.to_owned(),
        }),
    }
}

impl Opened {
    /// Opens the database that the driver's options name.
    pub(crate) async fn open(
        driver: DriverOptions,
        options: &DatabaseOptions,
    ) -> Result<Self, ConnectError> {
        match driver.0 {
            #[cfg(feature = "postgres")]
            Given::Postgres(given) => {
                let server = postgres::Server::open(given, options).await?;
                Ok(Self::Postgres(server))
            }
            #[cfg(feature = "sqlite")]
            Given::Sqlite(_) if !options.replicas.is_empty() => Err(ConnectError::Refused {
                problem:
                    "`DatabaseOptions::replicas` names standbys of PostgreSQL, and SQLite has none"
                        .to_owned(),
            }),
            #[cfg(feature = "sqlite")]
            Given::Sqlite(given) => {
                let file = sqlite::File::open(*given, options).await?;
                Ok(Self::Sqlite(file))
            }
            #[cfg(feature = "mariadb")]
            Given::MariaDb(given) => {
                let server = mariadb::Server::open(given, options).await?;
                Ok(Self::MariaDb(server))
            }
        }
    }

    pub(crate) fn backend(&self) -> DbBackend {
        fn of<O: OpenDatabase>(_: &O) -> DbBackend {
            O::Engine::BACKEND
        }
        on_engine!(Opened, self, open => of(open))
    }

    /// As [`OpenDatabase::doubt_idle`].
    pub(crate) fn doubt_idle(&self) {
        on_engine!(Opened, self, open => open.doubt_idle());
    }

    /// As [`OpenDatabase::stop`].
    pub(crate) async fn stop(&self, peer: &Peer) -> bool {
        on_peer!(self, peer, (open, peer) => open.stop(peer).await, else false)
    }

    /// As [`OpenDatabase::end`].
    pub(crate) async fn end(&self, peer: &Peer) {
        on_peer!(self, peer, (open, peer) => open.end(peer).await, else ());
    }

    /// As [`OpenDatabase::end_waiting`].
    pub(crate) async fn end_waiting(&self, identity: &Identity) {
        let Identity { transaction, peer } = identity;
        on_peer!(self, peer, (open, peer) => open.end_waiting(transaction, peer).await, else ());
    }

    /// As [`OpenDatabase::progress`].
    pub(crate) async fn progress(&self, identity: &Identity) -> Result<Progress, sqlx::Error> {
        let Identity { transaction, peer } = identity;
        on_peer!(self, peer, (open, peer) => open.progress(transaction, peer).await, else Ok(Progress::Unknown))
    }

    /// As [`OpenDatabase::look`].
    pub(crate) async fn look(
        &self,
        identity: &Identity,
        question: Statement,
    ) -> Result<Found, sqlx::Error> {
        let Identity { transaction, peer } = identity;
        on_peer!(self, peer, (open, peer) => open.look(transaction, peer, question).await, else Ok(Found::NotYet))
    }
}
