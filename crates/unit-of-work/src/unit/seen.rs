//! The token of what a unit has written, or can have seen. There is one where its database has replicas.
//!
//! | unit | what its token says |
//! |---|---|
//! | a query that shows a token | where its server was just after the snapshot was taken |
//! | a mutation that was committed | where the primary was just after COMMIT |
//! | a mutation whose outcome is not known | more than any replica ever has: it is looked for on the primary |
//! | a mutation that was rolled back | where the primary was just after ROLLBACK: its answer may rest on what it has read |
//!
//! It stands for all that the token stands for which the operation has shown.

use std::time::Duration;

use tokio::time::timeout;

use super::UnitOfWork;
use crate::{
    Access, ConsistencyToken, consistency::reading::Reading, database::connection::Connection,
};

/// How long the primary may take to say where it is, where the flight of COMMIT or ROLLBACK has not told.
const LIMIT: Duration = Duration::from_secs(1);

impl UnitOfWork {
    /// The token for the client, if there is one.
    pub(crate) fn seen(&self) -> Option<ConsistencyToken> {
        self.inner.seen.get().copied()
    }

    pub(crate) fn reading(&self) -> Option<&Reading> {
        self.inner.terms.reading.as_ref()
    }

    /// Notes the position that the connection's last flight has told.
    pub(super) fn saw(&self, connection: &Connection) {
        if let Some(position) = connection.position() {
            self.has_seen(position);
        }
    }

    pub(super) fn has_seen(&self, token: ConsistencyToken) {
        if self.reading().is_some_and(|reading| reading.is_told) {
            self.inner.seen.get_or_init(|| token);
        }
    }

    /// Notes for queries of the same viewer that the unit was committed, or may have been.
    pub(super) fn wrote(&self) {
        if let (Some(viewer), Some(token)) = (&self.inner.terms.viewer, self.seen()) {
            self.database().writes().note(viewer, token);
        }
    }

    /// Asks the primary where it is, if the flight of COMMIT or ROLLBACK has not told. If the primary does not say so either, the token is one that no
    /// replica ever has. Without one, the client might read on a replica that lacks what it has just written.
    pub(super) async fn see_primary(&self, latest: Option<ConsistencyToken>) {
        let database = self.database();
        let asked = timeout(LIMIT, async {
            let mut connection = database.acquire(Access::ReadOnly, None).await?;
            connection.locate().await?;
            Ok::<_, sqlx::Error>(connection)
        });
        match asked.await {
            Ok(Ok(connection)) => self.saw(&connection),
            Ok(Err(error)) => tracing::debug!(%error, "the primary does not say where it is"),
            Err(_) => {}
        }
        self.see_all_of(latest);
    }

    /// Notes a token that no replica ever has, unless there is another one.
    pub(super) fn see_all_of(&self, latest: Option<ConsistencyToken>) {
        if let Some(latest) = latest {
            self.has_seen(latest);
        }
    }
}
