//! COMMIT, and finding out its outcome if it is not answered.
//!
//! ```text
//! COMMIT ─┬─ answered ──────────────────────────────────────────────> committed, refused
//!         ├─ silence: how far is the server? ─┬─ it is committing ──> wait on; past the limit: unknown
//!         │                                   └─ it waits, or is over ─┐
//!         └─ the connection is lost ───────────────────────────────────┴─> is the row there? committed, not, unknown
//! ```
//! The limit for everything is the operation's deadline plus one `finish_timeout`. A COMMIT that the server is executing, even if it waits
//! for a standby, is never ended: that would not undo the COMMIT, but make the answer wrong.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::{Outcome, UnitOfWork};
use sea_orm::{DbBackend, DbErr, RuntimeErr};

use crate::{
    Database, FailureKind,
    database::{
        connection::Connection,
        engine::{
            Opened, failure,
            outcome::{Found, Identity, Progress},
        },
    },
    error::CommitFailure,
    unit::{
        evidence::Evidence,
        marker::{ASKED_WITHIN, Marker},
    },
};

/// How long COMMIT may take before the server is asked about its progress.
const ASK_AFTER: Duration = Duration::from_secs(1);

/// How long to wait before the server is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// How long to wait before the row is looked up again, while the outcome is not certain.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long to wait for the answer to a COMMIT that is over, since it may be on its way.
const LAST_CALL: Duration = Duration::from_millis(100);

/// How long a question about a COMMIT may take. After that it is asked on another connection: what has silenced the one of the COMMIT may
/// have silenced those that were idle.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The row that shows whether the unit was committed.
enum Proof {
    Evidence(Evidence),
    Marker(Marker),
}

impl Proof {
    fn marker(&self) -> Option<&Marker> {
        match self {
            Self::Marker(marker) => Some(marker),
            Self::Evidence(_) => None,
        }
    }

    fn question(&self, engine: DbBackend) -> sea_orm::Statement {
        match self {
            Self::Evidence(evidence) => evidence.question(engine),
            Self::Marker(marker) => marker.question(engine),
        }
    }
}

/// The result of waiting for the answer to COMMIT.
enum Waited {
    Answered(Result<(), sqlx::Error>),
    /// There will be no answer.
    Lost,
    /// The server is still executing COMMIT, and the time is up.
    Committing,
}

impl UnitOfWork {
    pub(super) async fn commit(&self, connection: Connection) -> Outcome {
        let latest = self.reading().and_then(|_| connection.latest());
        let outcome = self.send_commit(connection).await;
        if self.reading().is_some() {
            match outcome {
                Outcome::Committed if self.seen().is_none() => {
                    // Boxed: it is rare.
                    Box::pin(self.see_primary(latest)).await;
                }
                // Whoever looks whether it happened must look on the primary.
                Outcome::Unknown => self.see_all_of(latest),
                _ => {}
            }
            if matches!(outcome, Outcome::Committed | Outcome::Unknown) {
                self.wrote();
            }
        }
        outcome
    }

    async fn send_commit(&self, mut connection: Connection) -> Outcome {
        let proof = self.proof(&connection);
        let identity = connection.identity();
        let now = Instant::now();
        let limit = self.limit(now);
        let waited = {
            let marker = proof.as_ref().and_then(Proof::marker);
            let mut committing = std::pin::pin!(connection.commit(marker));
            // Without an identity, there is nobody to ask: SQLite's answer comes from a thread of this process.
            let first = identity
                .as_ref()
                .map_or(limit, |_| limit.min(now + ASK_AFTER));
            let opened = self.inner.database.opened();
            match (timeout_at(first, committing.as_mut()).await, &identity) {
                (Ok(answer), _) => Waited::Answered(answer),
                // Boxed: it is rare, and would make the future of every COMMIT larger.
                (Err(_), Some(identity)) => {
                    Box::pin(wait_on(opened, identity, committing, limit)).await
                }
                (Err(_), None) => Waited::Committing,
            }
        };
        match waited {
            Waited::Answered(Ok(())) => {
                self.saw(&connection);
                drop(connection);
                self.inner.database.health().committed();
                if self.inner.database.is_committed_where_it_should_be() {
                    Outcome::Committed
                } else {
                    Outcome::Unknown
                }
            }
            Waited::Answered(Err(error)) if may_come_back(&error) => {
                tracing::warn!(parent: &self.inner.span, %error, "COMMIT could not be written");
                let is_certain = Box::pin(connection.overwrite()).await;
                connection.close_hard();
                if is_certain {
                    self.refused(error)
                } else {
                    Outcome::Unknown
                }
            }
            Waited::Answered(Err(error)) if is_refusal(&error) => {
                tracing::warn!(parent: &self.inner.span, %error, "COMMIT was refused");
                // SQLite leaves the transaction open after a COMMIT that a deferred constraint refused.
                self.roll_back(connection).await;
                self.refused(error)
            }
            Waited::Answered(Err(error)) => {
                tracing::warn!(parent: &self.inner.span, %error, "the connection was lost during COMMIT");
                connection.close_hard();
                Box::pin(self.outcome_of(identity, proof, limit)).await
            }
            Waited::Lost => {
                tracing::warn!(parent: &self.inner.span, "COMMIT was not answered");
                connection.close_hard();
                Box::pin(self.outcome_of(identity, proof, limit)).await
            }
            Waited::Committing => {
                tracing::warn!(parent: &self.inner.span, "COMMIT goes on beyond the deadline");
                self.leave_committing(connection, identity);
                Outcome::Unknown
            }
        }
    }

    /// COMMIT was refused. The error is noted like that of a statement, for the log and for the retry loop.
    fn refused(&self, error: sqlx::Error) -> Outcome {
        let failure = CommitFailure::of(&error);
        self.noted(DbErr::Exec(RuntimeErr::SqlxError(error.into())));
        Outcome::CommitFailed(failure)
    }

    /// The row that shows whether COMMIT happened, if its answer is lost.
    fn proof(&self, connection: &Connection) -> Option<Proof> {
        connection.identity()?;
        // Others may have joined its transaction, and need to know.
        if self.inner.evidence.is_needless() && !self.rests_on_others() {
            return None;
        }
        // The question is asked without the operation's settings, and might not see rows that need them. Markers need no settings.
        let evidence = self.inner.evidence.take();
        let evidence = evidence.filter(|_| self.inner.terms.settings.is_empty());
        match (evidence, connection.markers()) {
            (Some(evidence), _) => Some(Proof::Evidence(evidence)),
            (None, Some(table)) => Some(Proof::Marker(Marker::new(table))),
            (None, None) => None,
        }
    }

    /// The time by which the outcome must be known: the operation's deadline plus one `finish_timeout`.
    fn limit(&self, now: Instant) -> Instant {
        let deadline = self
            .inner
            .terms
            .deadline
            .map_or(now, |deadline| deadline.at);
        let limit = deadline.max(now) + self.inner.database.finish_timeout();
        limit.min(now + ASKED_WITHIN)
    }

    /// Finds out the outcome of a COMMIT that will not be answered.
    async fn outcome_of(
        &self,
        identity: Option<Identity>,
        proof: Option<Proof>,
        limit: Instant,
    ) -> Outcome {
        let Some(identity) = identity else {
            return Outcome::Unknown;
        };
        let database = &self.inner.database;
        let Some(proof) = proof else {
            tracing::warn!(parent: &self.inner.span, "nothing can show what became of the COMMIT");
            let unit = self.clone();
            self.detached(async move {
                unit.inner.database.opened().end_waiting(&identity).await;
            });
            return Outcome::Unknown;
        };
        let found = timeout_at(limit, look(database, &identity, &proof)).await;
        tracing::warn!(parent: &self.inner.span, ?found, "the database was asked for the outcome of a COMMIT");
        match found {
            Ok(Found::Row) => Outcome::Committed,
            Ok(Found::Nothing) => Outcome::CommitFailed(CommitFailure {
                kind: FailureKind::ConnectionLost,
                constraint: None,
            }),
            Ok(Found::Swept) => {
                tracing::error!(
                    parent: &self.inner.span,
                    "what would prove a COMMIT was deleted at once: the clock of a server that shares the database is wrong"
                );
                Outcome::Unknown
            }
            Ok(Found::NotYet) | Err(_) => Outcome::Unknown,
        }
    }

    /// Keeps a connection in use until its COMMIT has ended, so that no more COMMITs wait for a standby than the pool has connections.
    /// Closes it when the server no longer executes COMMIT, or when the database is being closed.
    fn leave_committing(&self, mut connection: Connection, identity: Option<Identity>) {
        let unit = self.clone();
        self.detached(async move {
            let database = &unit.inner.database;
            let Some(identity) = identity else {
                return connection.close_hard();
            };
            let gone_on = async {
                while let Ok(Progress::Committing) = database.opened().progress(&identity).await {
                    sleep(ASK_AGAIN).await;
                }
                sleep(LAST_CALL).await;
            };
            let settled = tokio::select! {
                biased;
                settled = connection.settle() => settled.is_ok(),
                () = gone_on => false,
                () = database.closing().cancelled() => false,
            };
            if settled {
                drop(connection);
            } else {
                connection.close_hard();
            }
        });
    }
}

/// Waits for the answer to COMMIT, as long as the server is executing it and there is time.
async fn wait_on(
    opened: &Opened,
    identity: &Identity,
    mut committing: Pin<&mut impl Future<Output = Result<(), sqlx::Error>>>,
    limit: Instant,
) -> Waited {
    let mut progress = Progress::Unknown;
    let silence = async {
        loop {
            match timeout(ANSWER_WITHIN, opened.progress(identity)).await {
                Ok(Ok(Progress::Waiting | Progress::Over)) => {
                    return sleep(LAST_CALL).await;
                }
                Ok(Ok(now)) => progress = now,
                Ok(Err(error)) => tracing::debug!(%error, "cannot ask how far a COMMIT is"),
                Err(_) => opened.doubt_idle(),
            }
            sleep(ASK_AGAIN).await;
        }
    };
    let waited = tokio::select! {
        biased;
        answer = committing.as_mut() => Waited::Answered(answer),
        () = silence => Waited::Lost,
        () = sleep_until(limit) => Waited::Committing,
    };
    match (waited, progress) {
        (Waited::Committing, Progress::Committing) => Waited::Committing,
        // The server could not be asked, so the connection counts as lost.
        (Waited::Committing, _) => Waited::Lost,
        (waited, _) => waited,
    }
}

/// Looks up the row until it is certain whether it is there.
async fn look(database: &Database, identity: &Identity, proof: &Proof) -> Found {
    loop {
        let question = proof.question(database.backend());
        let opened = database.opened();
        match timeout(ANSWER_WITHIN, opened.look(identity, question)).await {
            Ok(Ok(Found::NotYet)) => {}
            Ok(Ok(found)) => return found,
            Ok(Err(error)) if is_refusal(&error) && !FailureKind::of_driver(&error).retryable() => {
                tracing::warn!(%error, "the row that would show the outcome of a COMMIT cannot be read");
                return Found::NotYet;
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot look for the outcome of a COMMIT yet");
            }
            Err(_) => opened.doubt_idle(),
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Whether the database has answered with a refusal, so that certainly nothing happened.
///
/// An error that ends the session is none, whatever its code: a server that cannot write or sync its log panics in the middle of COMMIT, and
/// what it has written by then may be there when it has recovered.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(cause) = error else {
        return false;
    };
    FailureKind::of_driver(error) != FailureKind::ConnectionLost && !failure::ends_session(&**cause)
}

/// Whether a failed COMMIT may still take effect after a crash.
fn may_come_back(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if failure::may_come_back(&**error))
}
