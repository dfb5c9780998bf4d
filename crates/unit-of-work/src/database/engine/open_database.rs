//! What an open database of one engine can do.

use std::{future::ready, time::Duration};

#[cfg(feature = "migration")]
use sea_orm::DatabaseConnection;
use sea_orm::{DbErr, IsolationLevel, Statement};
use tokio::time::Instant;

use super::{
    Engine,
    outcome::{Found, Progress},
};
use crate::{
    Access, ConsistencyToken, Database, DatabaseOptions, UnitOfWork,
    consistency::reading::Reading,
    database::{
        checkpoint::Checkpoint,
        pool::{Pool, Pooled},
    },
    error::CommitFailure,
};

/// An open database of one engine. The default methods are for an engine without such a feature.
pub(crate) trait OpenDatabase {
    /// Which engine it is.
    type Engine: Engine;

    /// The pool of readers, or that of writers.
    fn pool(&self, access: Access) -> &Pool<Self::Engine>;

    /// The default isolation level of a unit.
    fn isolation(&self, access: Access, options: &DatabaseOptions) -> IsolationLevel;

    /// Whether units that may write run one after the other on one connection, so that they can share a COMMIT.
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

    /// Whether queries may be read from replicas.
    fn has_replicas(&self) -> bool {
        false
    }

    /// Whether a replica is known to have what the token stands for.
    fn replicas_have(&self, _token: &ConsistencyToken) -> bool {
        false
    }

    /// Takes a reader's connection, to a server that has what the reading asks for. Cancel safe.
    fn acquire_to_read(
        &self,
        database: &Database,
        _reading: &Reading,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Result<Pooled<Self::Engine>, sqlx::Error>> + Send {
        self.acquire(database, Access::ReadOnly, deadline)
    }

    /// Looks after the replicas until the database is closed.
    fn watch(&self, _database: &Database) {}

    /// Checks, within `limit`, whether mutations can be committed now.
    fn check_writable(
        &self,
        database: &Database,
        limit: Duration,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Checks deferred constraints now, with the result that COMMIT would have.
    fn check_deferred(
        &self,
        unit: &UnitOfWork,
    ) -> impl Future<Output = Result<Option<CommitFailure>, DbErr>> + Send;

    /// Notes that an operation has waited in vain: its connection may have gone silent, and idle ones with it, so these are tested before
    /// they are used. On an engine without a network, none can.
    fn doubt_idle(&self) {}

    /// Stops the statement that a connection is busy with. `false` if it is not certain whether the order was, or will still be, carried
    /// out.
    fn stop(&self, peer: &<Self::Engine as Engine>::Peer) -> impl Future<Output = bool> + Send;

    /// Ends the other end of a connection on which no COMMIT was sent, and with it the transaction and its locks.
    fn end(&self, _peer: &<Self::Engine as Engine>::Peer) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// As [`Self::end`], but does nothing if COMMIT has arrived.
    fn end_waiting(
        &self,
        _transaction: &str,
        _peer: &<Self::Engine as Engine>::Peer,
    ) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// The progress of a transaction whose COMMIT was sent.
    fn progress(
        &self,
        _transaction: &str,
        _peer: &<Self::Engine as Engine>::Peer,
    ) -> impl Future<Output = Result<Progress, sqlx::Error>> + Send {
        ready(Ok(Progress::Unknown))
    }

    /// Looks whether a COMMIT that was not answered has happened. `question` has a row that is true if it has, and one that is false if
    /// that cannot be known.
    fn look(
        &self,
        _transaction: &str,
        _peer: &<Self::Engine as Engine>::Peer,
        _question: Statement,
    ) -> impl Future<Output = Result<Found, sqlx::Error>> + Send {
        ready(Ok(Found::NotYet))
    }

    /// Checks, between COMMIT and its answer, whether the committed data is where others will find it.
    fn is_committed_where_it_should_be(&self, _database: &Database) -> bool {
        true
    }

    /// Settings of the server under which a committed transaction can be lost.
    fn weaknesses(
        &self,
        _database: &Database,
    ) -> impl Future<Output = Result<Vec<String>, DbErr>> + Send {
        ready(Ok(Vec::new()))
    }

    /// Fails if the files of the database are not the ones that are open.
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

    /// SeaORM's own connection, for migrations: one, which the application's hook has had, without the time-outs of units.
    #[cfg(feature = "migration")]
    fn for_migrations(
        &self,
        options: &DatabaseOptions,
    ) -> impl Future<Output = Result<DatabaseConnection, sqlx::Error>> + Send;

    /// Closes what remains after both pools are closed.
    fn close(&self) -> impl Future<Output = ()> + Send;
}
