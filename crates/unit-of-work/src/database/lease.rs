//! A connection that one unit has taken from its pool.

#[cfg(feature = "mariadb")]
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, pin::Pin};

#[cfg(feature = "mariadb")]
use crate::database::pool::no_answer;
use crate::{
    Access, ConsistencyToken,
    database::{
        engine::{Engine, outcome::Identity},
        pool::Pooled,
    },
};

/// A connection taken from its pool. It is in doubt from BEGIN until its transaction has certainly ended.
#[derive(Debug)]
pub(crate) struct Lease<E: Engine> {
    pub(super) connection: Pooled<E>,
    /// A statement under way, or abandoned, that has the connection until it ends.
    carried: Option<Carried<E::Connection>>,
    /// Whether its server was found silent during a statement: nothing is waited for on this connection any more.
    #[cfg(feature = "mariadb")]
    is_given_up: bool,
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
    #[cfg(feature = "mariadb")]
    pub(super) has_limits: bool,
    /// The rows that the transaction sees, if not all. Boxed, because most operations see all.
    pub(super) rows: Option<Box<E::Rows>>,
}

impl<E: Engine> Lease<E> {
    pub(super) fn new(connection: Pooled<E>) -> Self {
        Self {
            connection,
            carried: None,
            #[cfg(feature = "mariadb")]
            is_given_up: false,
            has_begun: false,
            access: Access::ReadOnly,
            identity: None,
            locates: false,
            position: None,
            #[cfg(feature = "mariadb")]
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
        if self.carried.is_some() && self.has_begun {
            // Nobody will hear whether it has failed. After a COMMIT that was refused, the transaction is still open on MariaDB, and the next
            // START TRANSACTION would commit it.
            self.connection.close_after_use();
        }
        self.regain().await;
        sqlx::Connection::ping(&mut *self.connection).await?;
        self.connection.in_doubt(false);
        Ok(())
    }

    /// The connection, for the statements of SeaORM.
    pub(super) fn statements(&mut self) -> E::Statements<'_> {
        E::statements(self)
    }

    /// Waits until an abandoned statement has given the connection back.
    ///
    /// # Cancel safety
    /// Cancel safe.
    async fn regain(&mut self) {
        if let Some(carried) = &mut self.carried {
            let connection = carried.0.as_mut().await;
            self.carried = None;
            self.connection.give_back(connection);
        }
    }

    /// Runs something that must not be dropped half way, and that gives the connection back when it ends.
    ///
    /// # Cancel safety
    /// Cancel safe: if this is dropped, the rest is done before anything else on this connection.
    #[cfg(feature = "mariadb")]
    pub(super) async fn carry<T, F>(&mut self, run: impl FnOnce(E::Connection) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = (E::Connection, T)> + Send + 'static,
    {
        self.regain().await;
        let answer = Arc::new(Mutex::new(None));
        let run = run(self.connection.lend());
        let told = Arc::clone(&answer);
        self.carried = Some(Carried(Box::pin(async move {
            let (connection, answered) = run.await;
            // Nothing can panic while the lock is held.
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
            connection
        })));
        self.regain().await;
        let answered = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answered.unwrap_or_else(|| unreachable!("it has ended, and said so"))
    }

    /// Notes that the server is silent, in the middle of a statement. The connection can only be closed.
    #[cfg(feature = "mariadb")]
    pub(super) fn give_up(&mut self) {
        self.is_given_up = true;
    }

    /// # Errors
    /// If the server was found silent during a statement.
    pub(super) fn check_reach(&self) -> Result<(), sqlx::Error> {
        #[cfg(feature = "mariadb")]
        if self.is_given_up {
            return Err(no_answer());
        }
        Ok(())
    }

    pub(super) fn close_hard(mut self) {
        self.connection.in_doubt(true);
    }
}

/// A future that has the connection of a lease, and returns it.
struct Carried<C>(Pin<Box<dyn Future<Output = C> + Send>>);

impl<C> fmt::Debug for Carried<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Carried")
    }
}
