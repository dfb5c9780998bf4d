//! Makes connections, and tests those that were idle.

use std::{io, time::Duration};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use sqlx::Connection as _;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{TEST_LIMIT, doubt::Doubt, reach::Reach};
use crate::database::engine::Engine;

/// A connection that was idle for this long is tested before it is used again, since the network may have dropped it.
const TEST_AFTER: Duration = Duration::from_secs(30);

/// A connection is replaced after this long, so that a change of the server (a failover, new settings) reaches all connections, and a
/// session's memory is released.
const REPLACE_AFTER: Duration = Duration::from_secs(30 * 60);

/// A connection, with its other end.
pub(super) struct Open<DB: Engine> {
    /// `None` while its user has lent it out.
    pub(super) connection: Option<DB::Connection>,
    pub(super) peer: DB::Peer,
    pub(super) known: DB::Known,
}

/// Makes connections, and tests those that were idle.
pub(super) struct Connector<DB: Engine> {
    pub(super) target: DB::Target,
    pub(super) asked: DB::Asked,
    pub(super) reach: Reach,
    pub(super) doubt: Doubt,
    /// The runtime in which connections are made. A socket is served by the runtime in which it was opened, and an operation may run in
    /// another one, whose threads are busy.
    pub(super) runtime: Option<Handle>,
}

impl<DB: Engine> Manager for Connector<DB> {
    type Type = Open<DB>;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Open<DB>, sqlx::Error> {
        // Boxed, because it is rare and large, and would be embedded in the future of every statement.
        Box::pin(async {
            let _connecting = self.reach.connecting();
            DB::refuse(&self.asked)?;
            let (target, asked) = (self.target.clone(), self.asked.clone());
            let opened = async move {
                let (connection, peer) = DB::connect(&target, &asked).await?;
                Ok(Open {
                    connection: Some(connection),
                    peer,
                    known: DB::Known::default(),
                })
            };
            let is_elsewhere = |runtime: &&Handle| {
                Handle::try_current().is_ok_and(|current| current.id() != runtime.id())
            };
            let Some(runtime) = self.runtime.as_ref().filter(is_elsewhere) else {
                return opened.await;
            };
            // The task ends if the operation that waits for it is dropped.
            match AbortOnDropHandle::new(runtime.spawn(opened)).await {
                Ok(outcome) => outcome,
                Err(error) => Err(sqlx::Error::Io(io::Error::other(error))),
            }
        })
        .await
    }

    async fn recycle(&self, open: &mut Open<DB>, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > REPLACE_AFTER {
            return Err(RecycleError::message("it is old"));
        }
        if DB::is_outdated(&self.target, &open.peer) {
            return Err(RecycleError::message("its server was replaced"));
        }
        let Some(connection) = &mut open.connection else {
            return Err(RecycleError::message("it was not given back"));
        };
        let unused = metrics.last_used();
        if self.doubt.is_silent(unused) {
            return Err(RecycleError::message("others of its time are silent"));
        }
        if unused > TEST_AFTER || self.doubt.is_doubtful(unused) {
            let Ok(tested) = timeout(TEST_LIMIT, connection.ping()).await else {
                self.doubt.found_silent();
                return Err(RecycleError::message("it is silent"));
            };
            tested?;
        }
        Ok(())
    }
}
