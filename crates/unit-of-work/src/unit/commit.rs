//! COMMIT, and the search for its outcome where it is not answered.
//!
//! ```text
//! COMMIT ─┬─ answered ──────────────────────────────────────────────> committed, refused
//!         ├─ silence: how far is the server? ─┬─ it is committing ──> wait on; past the limit: unknown
//!         │                                   └─ it waits, or is over ─┐
//!         └─ the connection is lost ───────────────────────────────────┴─> is the row there? committed, not, unknown
//! ```
//! The limit for all of it is the operation's deadline and one `finish_timeout`. A COMMIT that the server is at, and be it
//! that it waits for a standby, is never cut short: ending such a wait would not undo the COMMIT, it would only make the
//! answer a lie.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

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

/// How long the server may take for COMMIT before it is asked how far it is.
const ASK_AFTER: Duration = Duration::from_secs(1);

/// How long to wait before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// How long to wait before a row is looked for again, while it is not certain yet.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long the answer to a COMMIT that is over may still be on its way.
const LAST_CALL: Duration = Duration::from_millis(100);

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

/// What became of waiting for the answer to COMMIT.
enum Waited {
    Answered(Result<(), sqlx::Error>),
    /// No answer will come.
    Lost,
    /// The server is at it still, and there is no more time.
    Committing,
}

impl UnitOfWork {
    pub(super) async fn commit(&self, mut connection: Connection) -> Outcome {
        let proof = self.proof(&connection);
        let identity = connection.identity();
        let now = Instant::now();
        let limit = self.limit(now);
        let waited = {
            let marker = proof.as_ref().and_then(Proof::marker);
            let mut committing = std::pin::pin!(connection.commit(marker));
            // Without an identity nobody can be asked: SQLite's answer comes from a thread of this process.
            let first = identity
                .as_ref()
                .map_or(limit, |_| limit.min(now + ASK_AFTER));
            let opened = self.inner.database.opened();
            match (timeout_at(first, committing.as_mut()).await, &identity) {
                (Ok(answer), _) => Waited::Answered(answer),
                // Boxed: it is rare, and every COMMIT would have room for it.
                (Err(_), Some(identity)) => {
                    Box::pin(wait_on(opened, identity, committing, limit)).await
                }
                (Err(_), None) => Waited::Committing,
            }
        };
        match waited {
            Waited::Answered(Ok(())) => {
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

    /// COMMIT was refused: why is remembered, as of a statement, for the log and for who runs the operation again.
    fn refused(&self, error: sqlx::Error) -> Outcome {
        let failure = CommitFailure::of(&error);
        self.noted(DbErr::Exec(RuntimeErr::SqlxError(error.into())));
        Outcome::CommitFailed(failure)
    }

    /// What will show whether COMMIT happened, should its answer be lost.
    fn proof(&self, connection: &Connection) -> Option<Proof> {
        connection.identity()?;
        if self.inner.evidence.is_needless() {
            return None;
        }
        // Who asks has none of the operation's settings, and might not see rows that need them. Markers need none.
        let evidence = self.inner.evidence.take();
        let evidence = evidence.filter(|_| self.inner.terms.settings.is_empty());
        match (evidence, connection.markers()) {
            (Some(evidence), _) => Some(Proof::Evidence(evidence)),
            (None, Some(table)) => Some(Proof::Marker(Marker::new(table))),
            (None, None) => None,
        }
    }

    /// Until when an outcome is to be known: the operation's deadline, and one `finish_timeout`.
    fn limit(&self, now: Instant) -> Instant {
        let deadline = self
            .inner
            .terms
            .deadline
            .map_or(now, |deadline| deadline.at);
        let limit = deadline.max(now) + self.inner.database.finish_timeout();
        limit.min(now + ASKED_WITHIN)
    }

    /// Finds out what became of a COMMIT that will not be answered any more.
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
            Ok(Found::NotYet) | Err(_) => Outcome::Unknown,
        }
    }

    /// Keeps a connection whose COMMIT goes on until that has ended, so that those who wait for a standby are no more than the
    /// pool has room for; closes it when the server is no longer at it, or the database is being closed.
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

/// Waits for the answer to COMMIT for as long as the server is at it, and there is time.
async fn wait_on(
    opened: &Opened,
    identity: &Identity,
    mut committing: Pin<&mut impl Future<Output = Result<(), sqlx::Error>>>,
    limit: Instant,
) -> Waited {
    let mut progress = Progress::Unknown;
    let silence = async {
        loop {
            match opened.progress(identity).await {
                Ok(Progress::Waiting | Progress::Over) => {
                    return sleep(LAST_CALL).await;
                }
                Ok(now) => progress = now,
                Err(error) => tracing::debug!(%error, "cannot ask how far a COMMIT is"),
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
        // The server could not be asked: nothing says that the connection is worth keeping.
        (Waited::Committing, _) => Waited::Lost,
        (waited, _) => waited,
    }
}

/// Looks for the row until it is certain that it is there or not.
async fn look(database: &Database, identity: &Identity, proof: &Proof) -> Found {
    loop {
        let question = proof.question(database.backend());
        match database.opened().look(identity, question).await {
            Ok(Found::NotYet) => {}
            Ok(found) => return found,
            Err(error) if is_refusal(&error) && !FailureKind::of_driver(&error).retryable() => {
                tracing::warn!(%error, "the row that would show the outcome of a COMMIT cannot be read");
                return Found::NotYet;
            }
            Err(error) => {
                tracing::debug!(%error, "cannot look for the outcome of a COMMIT yet");
            }
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Whether the database has answered, and has refused: nothing happened, for certain.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_))
        && FailureKind::of_driver(error) != FailureKind::ConnectionLost
}

/// Whether what was refused may be found after a crash all the same.
fn may_come_back(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if failure::may_come_back(&**error))
}
