//! One database connection, taken from its pool for one unit: the layer beneath SeaORM's `ConnectionTrait`.
//!
//! It replaces SeaORM's `DatabaseTransaction` for three reasons. Waiting for a connection and beginning a transaction are separate steps:
//! the first may be cancelled, the second must not be. A connection whose state is in doubt is closed instead of reused. And the public API
//! does not show what is below it, so that can change.

use std::sync::Arc;

use sea_orm::{DbBackend, DbErr, ExecResult, QueryResult, Statement};

use crate::{
    Access, ConsistencyToken, FailureKind, UnitError,
    database::{
        begin::Begin,
        engine::{AnyLease, Engine, Peer, on_engine, outcome::Identity},
        lease::Lease,
        pool::Pooled,
        sql::{self, Dialect, Effect},
    },
    observe::{
        server::NamedServer,
        telemetry,
        timeline::{Step, Timeline, UnderWay},
    },
    unit::{
        group::{Group, Held},
        marker::Marker,
    },
};

#[derive(Debug)]
pub(crate) struct Connection {
    lease: AnyLease,
    /// Whether a statement is under way. It stays set if the statement's future is dropped, since the server still runs it.
    is_busy: bool,
    /// The timeline to write to, if there is one.
    timeline: Option<Arc<Timeline>>,
    /// What the transaction has locked, by name. It is free again after the connection was returned or closed.
    held: Option<Held>,
    /// The units that are done on this transaction, and wait for its COMMIT. Declared after `lease`, so that the connection is closed
    /// before they are told that they are undone.
    group: Option<Arc<Group>>,
    /// Whether the savepoint of the last unit that joined is open.
    has_member: bool,
}

impl Connection {
    /// A connection that was just taken from its pool.
    pub(super) fn new<E: Engine>(connection: Pooled<E>) -> Self
    where
        AnyLease: From<Lease<E>>,
    {
        Self {
            lease: Lease::new(connection).into(),
            is_busy: false,
            timeline: None,
            held: None,
            group: None,
            has_member: false,
        }
    }

    /// Writes further steps to a timeline.
    pub(crate) fn watched(self, timeline: Option<Arc<Timeline>>) -> Self {
        Self { timeline, ..self }
    }

    fn step(&self, step: Step, sql: Option<&str>) -> UnderWay {
        let under_way = match &self.timeline {
            Some(timeline) => timeline.begin(step, sql, self.server().cloned()),
            None => UnderWay::UNSEEN,
        };
        let backend = on_engine!(AnyLease, &self.lease, lease => backend_of(lease));
        under_way.traced(telemetry::step_span(step, backend, sql))
    }

    /// Begins the transaction, with its settings, in one round trip.
    ///
    /// # Cancel safety
    /// **Not** cancel safe: a BEGIN that is dropped half way leaves a transaction that the pool does not know about
    /// (<https://github.com/launchbadge/sqlx/issues/4393>). Run it in a task of its own.
    pub(crate) async fn begin(&mut self, begin: &Begin) -> Result<(), DbErr> {
        let step = self.step(Step::Begin, None);
        let done =
            on_engine!(AnyLease, &mut self.lease, lease => Engine::begin(lease, begin).await);
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    /// Prepares the connection for one statement without a transaction.
    pub(crate) fn begin_without_transaction(&mut self) {
        on_engine!(AnyLease, &mut self.lease, lease => lease.connection.in_doubt(true));
    }

    /// Checks the answer to a statement. If a writer is told that it is read-only, its server has become a standby, or SQLite's file was
    /// not writable when the connection was opened. Then the connection must not be used again.
    fn heard<T>(&mut self, answer: Result<T, DbErr>) -> Result<T, DbErr> {
        if let Err(error) = &answer {
            let kind = FailureKind::of(error);
            on_engine!(AnyLease, &mut self.lease, lease => {
                if lease.access == Access::ReadWrite && kind == FailureKind::ReadOnly {
                    lease.connection.leave_server();
                }
                failed_on(lease, kind);
            });
        }
        answer
    }

    /// The one statement has been answered, with success or not: returns the connection to its pool.
    pub(crate) fn end_without_transaction(mut self) {
        on_engine!(AnyLease, &mut self.lease, lease => lease.connection.in_doubt(false));
    }

    /// The server's id of the transaction, if the server can be asked about it later.
    pub(crate) fn identity(&self) -> Option<Identity> {
        on_engine!(AnyLease, &self.lease, lease => lease.identity.clone())
    }

    pub(crate) fn peer(&self) -> Peer {
        on_engine!(AnyLease, &self.lease, lease => lease.connection.peer().clone().into())
    }

    /// The server at the other end, if the database has several.
    pub(crate) fn server(&self) -> Option<&Arc<NamedServer>> {
        on_engine!(AnyLease, &self.lease, lease => server_of(lease))
    }

    /// The server's position, as the last flight that asked was told.
    pub(crate) fn position(&self) -> Option<ConsistencyToken> {
        on_engine!(AnyLease, &self.lease, lease => lease.position.as_deref().copied())
    }

    /// A token of the server's timeline that no server ever has all of, if the timeline is known.
    pub(crate) fn latest(&self) -> Option<ConsistencyToken> {
        on_engine!(AnyLease, &self.lease, lease => latest_of(lease))
    }

    /// Checks whether the server at the other end goes on from where the token was given. A standby is not judged here.
    ///
    /// # Errors
    /// [`UnitError::ConsistencyTokenInvalid`] and [`UnitError::ConsistencyLost`] as [`sqlx::Error::Io`]; and an error that may pass, for a
    /// server that has not heard yet of the one that gave the token.
    pub(crate) fn honours(&self, token: &ConsistencyToken) -> Result<(), sqlx::Error> {
        on_engine!(AnyLease, &self.lease, lease => honoured_by(lease, token))
    }

    /// Asks the server for its position, outside of a transaction.
    ///
    /// # Cancel safety
    /// Cancel safe: the connection is closed then.
    pub(crate) async fn locate(&mut self) -> Result<(), sqlx::Error> {
        on_engine!(AnyLease, &mut self.lease, lease => Engine::locate(lease).await)
    }

    /// The table of markers that COMMIT can use, if there is one.
    pub(crate) fn markers(&self) -> Option<&str> {
        on_engine!(AnyLease, &self.lease, lease => markers_of(lease))
    }

    /// Whether the server may still be running an abandoned statement.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Waits until the server has finished what it is doing for this connection.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn settle(&mut self) -> Result<(), sqlx::Error> {
        on_engine!(AnyLease, &mut self.lease, lease => lease.end_abandoned().await)
    }

    /// Refuses a statement that would end or change the transaction, or that could see rows which the transaction may not see. Remembers
    /// one that changes the session. Returns the text to send in the place of the statement's, if it is another.
    fn admit(&mut self, text: &str) -> Result<Option<String>, DbErr> {
        let dialect = on_engine!(AnyLease, &self.lease, lease => dialect_of(lease));
        match sql::effect(text, dialect) {
            Effect::Nothing => {}
            Effect::ChangesSession => {
                on_engine!(AnyLease, &mut self.lease, lease => lease.connection.close_after_use());
            }
            Effect::ControlsTransaction(statement) => {
                return Err(UnitError::TransactionControl { statement }.into());
            }
        }
        on_engine!(AnyLease, &self.lease, lease => narrowed_by(lease, text)).map_err(Into::into)
    }

    /// Admits a statement and begins its step. The timeline has the text that the application has written.
    fn admit_step(&mut self, statement: &mut Statement) -> Result<UnderWay, DbErr> {
        let narrowed = self.admit(&statement.sql)?;
        let step = self.step(Step::Statement, Some(&statement.sql));
        if let Some(text) = narrowed {
            statement.sql = text;
        }
        Ok(step)
    }

    pub(crate) async fn execute(&mut self, mut statement: Statement) -> Result<ExecResult, DbErr> {
        let step = self.admit_step(&mut statement)?;
        self.is_busy = true;
        let done = on_engine!(AnyLease, &mut self.lease, lease => lease.statements().execute(statement).await);
        self.is_busy = false;
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    pub(crate) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let narrowed = self.admit(sql)?;
        let step = self.step(Step::Statement, Some(sql));
        let sql = narrowed.as_deref().unwrap_or(sql);
        self.is_busy = true;
        let done = on_engine!(AnyLease, &mut self.lease, lease => lease.statements().execute_unprepared(sql).await);
        self.is_busy = false;
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    /// Whether another unit may continue the transaction: this one has not changed the session.
    pub(crate) fn can_be_shared(&self) -> bool {
        let is_changed = on_engine!(AnyLease, &self.lease, lease => lease.connection.is_changed());
        !is_changed && !self.is_busy
    }

    /// Keeps the names of what the transaction is going to lock until it has ended.
    pub(crate) fn holds(&mut self, names: Held) {
        self.held = Some(names);
    }

    /// The names of what the transaction has locked.
    pub(crate) fn held(&mut self) -> Option<&mut Held> {
        self.held.as_mut()
    }

    /// Sets the group that shares the transaction.
    pub(crate) fn is_shared_by(&mut self, group: Arc<Group>) {
        self.group = Some(group);
    }

    /// The group that shares the transaction.
    pub(crate) fn group(&self) -> Option<&Arc<Group>> {
        self.group.as_ref()
    }

    pub(crate) fn take_group(&mut self) -> Option<Arc<Group>> {
        self.group.take()
    }

    /// Opens the savepoint of a unit that joins the group, and keeps what the unit before it did.
    ///
    /// # Cancel safety
    /// **Not** cancel safe: see [`Connection::begin`].
    pub(crate) async fn join(&mut self) -> Result<(), DbErr> {
        let sql = if self.has_member {
            "RELEASE SAVEPOINT unit_of_work_member; SAVEPOINT unit_of_work_member"
        } else {
            "SAVEPOINT unit_of_work_member"
        };
        self.has_member = true;
        self.control(sql).await
    }

    /// Undoes what the last unit that joined did.
    ///
    /// # Cancel safety
    /// **Not** cancel safe: see [`Connection::begin`].
    pub(crate) async fn undo_member(&mut self) -> Result<(), sqlx::Error> {
        const UNDO: &str = "ROLLBACK TO SAVEPOINT unit_of_work_member";
        let was_busy = self.is_busy;
        let mut undone = self.control(UNDO).await;
        if was_busy && undone.is_err() {
            // This was the error of an abandoned statement, which nobody has read yet.
            undone = self.control(UNDO).await;
        }
        undone.map_err(|error| {
            sqlx::Error::Protocol(format!("a member cannot be undone by itself: {error}"))
        })
    }

    /// Sends SAVEPOINT, RELEASE or ROLLBACK TO.
    pub(crate) async fn control(&mut self, sql: &str) -> Result<(), DbErr> {
        self.is_busy = true;
        let step = self.step(Step::Savepoint, Some(sql));
        let sent = on_engine!(AnyLease, &mut self.lease, lease => lease.statements().execute_unprepared(sql).await);
        self.is_busy = false;
        step.ended(sent.map(drop), FailureKind::of)
    }

    pub(crate) async fn query_one(
        &mut self,
        mut statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        let step = self.admit_step(&mut statement)?;
        self.is_busy = true;
        let done = on_engine!(AnyLease, &mut self.lease, lease => lease.statements().query_one(statement).await);
        self.is_busy = false;
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    pub(crate) async fn query_all(
        &mut self,
        mut statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let step = self.admit_step(&mut statement)?;
        self.is_busy = true;
        let done = on_engine!(AnyLease, &mut self.lease, lease => lease.statements().query_all(statement).await);
        self.is_busy = false;
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    /// Commits, with the marker in the same round trip.
    ///
    /// # Cancel safety
    /// **Not** cancel safe: see [`Connection::begin`].
    pub(crate) async fn commit(&mut self, marker: Option<&Marker>) -> Result<(), sqlx::Error> {
        let step = self.step(Step::Commit, None);
        let done =
            on_engine!(AnyLease, &mut self.lease, lease => Engine::commit(lease, marker).await);
        step.ended(done, FailureKind::of_driver)
    }

    /// As [`Engine::overwrite`].
    pub(crate) async fn overwrite(&mut self) -> bool {
        on_engine!(AnyLease, &mut self.lease, lease => Engine::overwrite(lease).await)
    }

    /// # Cancel safety
    /// **Not** cancel safe: see [`Connection::begin`].
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        let step = self.step(Step::Rollback, None);
        let done = on_engine!(AnyLease, &mut self.lease, lease => match lease.check_reach() {
            Err(silent) => Err(silent),
            Ok(()) if lease.has_begun => Engine::roll_back(lease).await,
            Ok(()) => lease.end_abandoned().await,
        });
        step.ended(done, FailureKind::of_driver)
    }

    /// Closes the connection without a message to the server, which rolls back the open transaction. For a connection whose state is in
    /// doubt, and which must not be used again.
    ///
    /// A server that does not notice goes on; it can be stopped by [`Connection::peer`].
    pub(crate) fn close_hard(self) {
        self.step(Step::Close, None).done();
        on_engine!(AnyLease, self.lease, lease => lease.close_hard());
    }
}

fn backend_of<E: Engine>(_: &Lease<E>) -> DbBackend {
    E::BACKEND
}

fn dialect_of<E: Engine>(_: &Lease<E>) -> Dialect {
    E::DIALECT
}

fn narrowed_by<E: Engine>(lease: &Lease<E>, text: &str) -> Result<Option<String>, UnitError> {
    match &lease.rows {
        Some(rows) => E::narrow(rows, text),
        None => Ok(None),
    }
}

fn honoured_by<E: Engine>(lease: &Lease<E>, token: &ConsistencyToken) -> Result<(), sqlx::Error> {
    E::honours(lease.connection.peer(), token)
}

fn latest_of<E: Engine>(lease: &Lease<E>) -> Option<ConsistencyToken> {
    E::latest(lease.connection.peer())
}

fn server_of<E: Engine>(lease: &Lease<E>) -> Option<&Arc<NamedServer>> {
    E::server(lease.connection.peer())
}

fn failed_on<E: Engine>(lease: &Lease<E>, kind: FailureKind) {
    E::failed(lease.connection.peer(), kind);
}

fn markers_of<E: Engine>(lease: &Lease<E>) -> Option<&str> {
    E::markers(lease.connection.peer())
}
