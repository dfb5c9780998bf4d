//! A connection that one unit has taken from its pool.

use crate::{
    Access, ConsistencyToken,
    database::{
        engine::{Engine, outcome::Identity},
        pool::Pooled,
        statements::Statements,
    },
};

/// A connection taken from its pool. It is in doubt from BEGIN until its transaction has certainly ended.
#[derive(Debug)]
pub(crate) struct Lease<E: Engine> {
    pub(super) connection: Pooled<E>,
    /// Whether a transaction is, or may be, open.
    pub(super) has_begun: bool,
    pub(super) access: Access,
    /// The transaction's identity, if it can be asked about later.
    pub(super) identity: Option<Identity>,
    /// Whether the flights that end the transaction ask for the server's position.
    pub(super) locates: bool,
    /// The server's position, as the last flight that asked was told. Boxed, because most databases have no replicas.
    pub(super) position: Option<Box<ConsistencyToken>>,
    /// Whether the transaction has changed the session's time-outs, on an engine where they do not end with it.
    pub(super) has_limits: bool,
    /// The rows that the transaction sees, if not all. Boxed, because most operations see all.
    pub(super) rows: Option<Box<E::Rows>>,
}

impl<E: Engine> Lease<E> {
    pub(super) fn new(connection: Pooled<E>) -> Self {
        Self {
            connection,
            has_begun: false,
            access: Access::ReadOnly,
            identity: None,
            locates: false,
            position: None,
            has_limits: false,
            rows: None,
        }
    }

    /// Notes that BEGIN is sent: from now on a transaction may be open.
    pub(super) fn begins(&mut self, access: Access) {
        self.connection.in_doubt(true);
        self.has_begun = true;
        self.access = access;
    }

    /// Notes that the transaction has certainly ended.
    pub(super) fn has_ended(&mut self) {
        self.connection.in_doubt(false);
    }

    /// Waits until the abandoned statement has ended.
    pub(super) async fn end_abandoned(&mut self) -> Result<(), sqlx::Error> {
        sqlx::Connection::ping(&mut *self.connection).await?;
        self.connection.in_doubt(false);
        Ok(())
    }

    /// The connection, for the statements of SeaORM.
    pub(super) fn statements(&mut self) -> Statements<'_, E::Connection> {
        Statements::on(&mut self.connection)
    }

    pub(super) fn close_hard(mut self) {
        self.connection.in_doubt(true);
    }
}
