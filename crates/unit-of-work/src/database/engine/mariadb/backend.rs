//! The thread of MariaDB at the other end of a connection. Its identity is asked once, when the connection is made, so that it costs an
//! operation nothing.
//!
//! If the connection is lost, the thread can be named on another connection: to stop its statement, to end it, or to find out whether it is
//! gone. Ids begin anew with the server, so the client's address is part of its identity.

use sqlx::{Executor as _, MySqlConnection, Row as _};

use super::{servers::Node, session::MariaDbSession};
use crate::{Access, FailureKind};

/// A thread of MariaDB, and its server.
#[derive(Debug)]
pub(crate) struct Backend {
    /// The place of its server among those of the URL.
    pub(crate) at: usize,
    /// The node of a cluster that it belongs to.
    pub(crate) node: Option<Node>,
    /// `CONNECTION_ID()`.
    pub(crate) id: String,
    /// The client's address and port, as the server sees them.
    pub(crate) client: String,
    /// `@@server_uid`, which stays when the server is restarted.
    pub(crate) server: String,
    /// The marker table with its database, if this session may use it.
    pub(crate) markers: Option<String>,
    /// The statement that sets the session's time-outs back.
    pub(super) limits: String,
}

const WHO: &str = "\
    SELECT CONNECTION_ID(), HOST, @@server_uid, CONCAT('`', REPLACE(DATABASE(), '`', '``'), '`.unit_of_work_marker') \
    FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()";

/// Needs the privileges of the statement that it explains, and is an error without the table.
const MAY_MARK: &str = "\
    EXPLAIN INSERT INTO unit_of_work_marker (created_at, id) VALUES (0, X'00000000000000000000000000000000'); \
    SELECT id FROM unit_of_work_marker LIMIT 0";

impl Backend {
    /// Asks a new connection.
    ///
    /// # Errors
    /// If the connection is lost, or the server does not tell.
    pub(super) async fn introduce(
        connection: &mut MySqlConnection,
        session: &MariaDbSession,
        at: usize,
        node: Option<Node>,
    ) -> Result<Self, sqlx::Error> {
        let row = connection.fetch_one(WHO).await?;
        // There is none without a database.
        let markers: Option<String> = row.try_get_unchecked(3)?;
        let markers = match markers.filter(|_| session.access == Access::ReadWrite) {
            None => None,
            Some(table) => match connection.fetch_all(MAY_MARK).await {
                Ok(_) => Some(table),
                Err(error) if FailureKind::of_driver(&error) == FailureKind::ConnectionLost => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::debug!(%error, "there are no markers");
                    None
                }
            },
        };
        Ok(Self {
            at,
            node,
            id: row.try_get_unchecked(0)?,
            client: row.try_get_unchecked(1)?,
            server: row.try_get_unchecked(2)?,
            markers,
            limits: session.limits(),
        })
    }
}
