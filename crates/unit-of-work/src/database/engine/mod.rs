//! The seam between engines: everything in which PostgreSQL and SQLite differ, and who may ask which of them it is.
//!
//! | here | says |
//! |---|---|
//! | [`Engine`] | what is to be known of one connection: what its session must be, how a transaction begins and ends |
//! | [`OpenDatabase`] | what is to be known of a database that is open: its pools, how a statement is stopped, what became of a COMMIT |
//! | [`Opened`], [`AnyLease`], [`Peer`] | the engines that there are, each a variant |
//! | `outcome`, `session`, `failure`, `words` | what engines are asked in common |
//! | `postgres/`, `sqlite/` | one tree per engine, with the same file names where they do the same |
//!
//! A new engine is a folder beside these two, a variant in the three enums, and a row in `failure` and `words`. Nothing outside of
//! this folder asks which engine it is. The enums are matched rather than boxed: a statement costs no dynamic call.

pub(crate) mod failure;
pub(crate) mod outcome;
pub(crate) mod session;
pub(crate) mod words;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::{fmt, future::ready, time::Duration};

use sea_orm::{DbBackend, DbErr, IsolationLevel, Statement};
use tokio::time::Instant;

use self::outcome::{Found, Identity, Progress};
use crate::{
    Access, ConnectError, Database, DatabaseOptions, UnitOfWork,
    database::{
        begin::Begin,
        checkpoint::Checkpoint,
        lease::Lease,
        pool::{Pool, Pooled},
        sql::Dialect,
    },
    error::CommitFailure,
    unit::marker::Marker,
};

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
compile_error!("unit-of-work needs an engine: its feature `postgres`, `sqlite`, or both");

/// The URLs that are understood.
pub(crate) const SCHEMES: &str = match (cfg!(feature = "postgres"), cfg!(feature = "sqlite")) {
    (true, true) => "postgres:// or sqlite://",
    (true, false) => "postgres://",
    (false, _) => "sqlite://",
};

/// What a transaction and its session are on one engine.
pub(crate) trait Engine: sqlx::Database {
    /// What a new session is to be.
    type Asked: Clone + fmt::Debug + Send + Sync;

    /// What is at the other end of a connection.
    type Peer: Clone + fmt::Debug + Into<Peer> + Send + Sync + 'static;

    /// The engine, as SeaORM names it.
    const BACKEND: DbBackend;

    /// How its SQL is read.
    const DIALECT: Dialect;

    /// Says why no connection may be made, before one is: opening another database by mistake would change it.
    ///
    /// # Errors
    /// What is wrong with the database, without asking it.
    fn refuse(_asked: &Self::Asked) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// Asks a new connection whether its session is as asked, in one round trip.
    ///
    /// # Errors
    /// [`SessionError`](session::SessionError) as [`sqlx::Error::Configuration`], and those of asking.
    fn prove(
        connection: &mut Self::Connection,
        asked: &Self::Asked,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Asks a new connection what its other end is, in one round trip.
    ///
    /// # Errors
    /// When the connection is lost.
    fn introduce(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Self::Peer, sqlx::Error>> + Send;

    /// Begins the transaction, with all that goes with it, in one round trip. Not cancel safe, as the two that follow.
    fn begin(
        lease: &mut Lease<Self>,
        begin: &Begin,
    ) -> impl Future<Output = Result<(), DbErr>> + Send;

    /// Commits, with the marker in the same flight.
    fn commit(
        lease: &mut Lease<Self>,
        marker: Option<&Marker>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Rolls back what has begun.
    fn roll_back(lease: &mut Lease<Self>) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Makes sure that what a COMMIT has written before it failed cannot be found after a crash. `false` where that cannot be
    /// made sure.
    fn overwrite(_lease: &mut Lease<Self>) -> impl Future<Output = bool> + Send {
        ready(true)
    }

    /// The table that COMMIT can put a marker into.
    fn markers(_peer: &Self::Peer) -> Option<&str> {
        None
    }
}

/// A database of one engine that is open. The defaults are those of an engine that has nothing of the kind.
pub(crate) trait OpenDatabase {
    /// Which engine it is.
    type Engine: Engine;

    /// The pool of those who only read, or of those who may write.
    fn pool(&self, access: Access) -> &Pool<Self::Engine>;

    /// The isolation level that a unit has by itself.
    fn isolation(&self, access: Access, options: &DatabaseOptions) -> IsolationLevel;

    /// Whether units that may write run one after the other, on one connection: then they can share a COMMIT.
    fn has_one_writer(&self) -> bool {
        false
    }

    /// Takes a connection from its pool. Cancel safe.
    fn acquire(
        &self,
        database: &Database,
        access: Access,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Result<Pooled<Self::Engine>, sqlx::Error>> + Send;

    /// Whether mutations can be committed now; within `limit`.
    fn check_writable(
        &self,
        database: &Database,
        limit: Duration,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Checks now what is otherwise checked at COMMIT: what COMMIT would answer.
    fn check_deferred(
        &self,
        unit: &UnitOfWork,
    ) -> impl Future<Output = Result<Option<CommitFailure>, DbErr>> + Send;

    /// Has the statement that a connection is busy with stopped. `false` where that may or may not have happened, or may yet.
    fn stop(&self, peer: &<Self::Engine as Engine>::Peer) -> impl Future<Output = bool> + Send;

    /// Ends what is at the other end of a connection on which no COMMIT was sent, and with it the transaction and its locks.
    fn end(&self, _peer: &<Self::Engine as Engine>::Peer) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Ends it if COMMIT has not reached it, and does nothing where it has.
    fn end_waiting(
        &self,
        _transaction: &str,
        _peer: &<Self::Engine as Engine>::Peer,
    ) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// How far a transaction is whose COMMIT was sent.
    fn progress(
        &self,
        _transaction: &str,
        _peer: &<Self::Engine as Engine>::Peer,
    ) -> impl Future<Output = Result<Progress, sqlx::Error>> + Send {
        ready(Ok(Progress::Unknown))
    }

    /// Looks whether a COMMIT that was not answered has happened. `question` has one row if it has.
    fn look(
        &self,
        _transaction: &str,
        _peer: &<Self::Engine as Engine>::Peer,
        _question: Statement,
    ) -> impl Future<Output = Result<Found, sqlx::Error>> + Send {
        ready(Ok(Found::NotYet))
    }

    /// Looks between COMMIT and its answer whether what was committed is where others will find it.
    fn is_committed_where_it_should_be(&self, _database: &Database) -> bool {
        true
    }

    /// Settings of the server that weaken what COMMIT promises.
    fn weaknesses(
        &self,
        _database: &Database,
    ) -> impl Future<Output = Result<Vec<String>, DbErr>> + Send {
        ready(Ok(Vec::new()))
    }

    /// Refuses where the files of the database are not the ones that are open.
    fn check_files(&self, _database: &Database) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// Moves the write-ahead log into the database's file.
    fn checkpoint(
        &self,
        _least: u64,
    ) -> impl Future<Output = Result<Option<Checkpoint>, sqlx::Error>> + Send {
        ready(Ok(None))
    }

    /// Closes what is left when both pools are closed.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Does the same whichever engine it is: `on_engine!(Opened, opened, open => open.close().await)`.
macro_rules! on_engine {
    ($enum:ident, $value:expr, $inner:ident => $body:expr) => {
        match $value {
            #[cfg(feature = "postgres")]
            $crate::database::engine::$enum::Postgres($inner) => $body,
            #[cfg(feature = "sqlite")]
            $crate::database::engine::$enum::Sqlite($inner) => $body,
        }
    };
}
pub(crate) use on_engine;

/// The same for a database and what is at the other end of one of its connections: they are of one engine.
macro_rules! on_peer {
    ($opened:expr, $peer:expr, ($open:ident, $inner:ident) => $body:expr, else $otherwise:expr) => {
        match ($opened, $peer) {
            #[cfg(feature = "postgres")]
            (Opened::Postgres($open), Peer::Postgres($inner)) => $body,
            #[cfg(feature = "sqlite")]
            (Opened::Sqlite($open), Peer::Sqlite($inner)) => $body,
            #[cfg(all(feature = "postgres", feature = "sqlite"))]
            (Opened::Postgres(_), _) | (Opened::Sqlite(_), _) => $otherwise,
        }
    };
}

/// A database that is open.
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
}

/// A connection that one unit holds.
#[derive(Debug)]
pub(crate) enum AnyLease {
    #[cfg(feature = "postgres")]
    Postgres(Lease<sqlx::Postgres>),
    #[cfg(feature = "sqlite")]
    Sqlite(Lease<sqlx::Sqlite>),
}

/// What is at the other end of a connection, for who wants to stop what it does.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    #[cfg(feature = "postgres")]
    Postgres(std::sync::Arc<postgres::backend::Backend>),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::interrupt::Interrupt),
}

impl Peer {
    /// Whether it can be ended from another connection. A thread of this process cannot.
    pub(crate) fn can_be_ended(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => false,
        }
    }

    /// Takes an order to stop back, where it would stop the next statement too.
    pub(crate) fn stop_no_more(&self) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {}
            #[cfg(feature = "sqlite")]
            Self::Sqlite(interrupt) => interrupt.lower(),
        }
    }
}

impl Opened {
    /// Opens the database that a URL names, by its scheme.
    pub(crate) async fn open(url: &str, options: &DatabaseOptions) -> Result<Self, ConnectError> {
        match url.split_once(':').map_or("", |(scheme, _)| scheme) {
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let server = postgres::Server::open(url, options).await?;
                Ok(Self::Postgres(server))
            }
            #[cfg(feature = "sqlite")]
            "sqlite" => {
                let file = sqlite::File::open(url, options).await?;
                Ok(Self::Sqlite(file))
            }
            other => Err(ConnectError::UnsupportedScheme {
                scheme: other.to_owned(),
            }),
        }
    }

    pub(crate) fn backend(&self) -> DbBackend {
        fn of<O: OpenDatabase>(_: &O) -> DbBackend {
            O::Engine::BACKEND
        }
        on_engine!(Opened, self, open => of(open))
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
