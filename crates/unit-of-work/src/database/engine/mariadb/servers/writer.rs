//! The table that says which node writes, and what one node's connection reads of it.

use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _, mysql::MySqlDatabaseError};

use super::{
    super::session::{MariaDbSession, READ_ONLY},
    node::{Node, View},
};
use crate::{
    database::engine::session::SessionError,
    galera::{EPOCH, ROWS, TABLE},
};

pub(super) const NO_TABLE: &str = "there is no table unit_of_work_writer, which says which node of the cluster writes \
     (unit_of_work::galera has the migration)";

/// A table that does not exist.
const NO_SUCH_TABLE: u16 = 1146;

/// What the table says.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) epoch: u64,
    /// The node that writes. Empty if there was none yet.
    pub(super) uuid: String,
    /// Its address, as the cluster knows it.
    pub(super) address: String,
}

/// A connection to a node that is ready, with what it sees.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) at: usize,
    pub(super) connection: MySqlConnection,
    pub(super) node: Node,
    pub(super) view: View,
    pub(super) writer: Writer,
    /// The database, quoted.
    pub(super) database: String,
    /// `CONNECTION_ID()`.
    pub(super) id: u64,
}

impl Candidate {
    /// Reads the table, as it is after everything that was committed before.
    ///
    /// # Errors
    /// [`SessionError`] without the table, if it has not the rows that it must have, and if the session needs a server that takes writes.
    pub(super) async fn ask(
        at: usize,
        mut connection: MySqlConnection,
        (node, view): (Node, View),
        asked: &MariaDbSession,
    ) -> Result<Self, sqlx::Error> {
        let sql = format!(
            "SET wsrep_sync_wait = 7; \
             SELECT COUNT(*), MIN({EPOCH}), MAX({EPOCH}), MIN(node), MIN(address), @@read_only, CONNECTION_ID(), \
             CONCAT('`', REPLACE(DATABASE(), '`', '``'), '`') FROM {TABLE}; \
             SET wsrep_sync_wait = {}",
            asked.sync_wait
        );
        let rows = connection.fetch_all(AssertSqlSafe(sql)).await;
        let rows = rows.map_err(|error| match number(&error) {
            Some(NO_SUCH_TABLE) => SessionError::TakesNoWrites(NO_TABLE).into(),
            _ => error,
        })?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let text = |at| {
            let text = row.try_get_unchecked::<Option<String>, _>(at);
            text.map(Option::unwrap_or_default)
        };
        let (rows, epoch) = (text(0)?, text(1)?);
        if rows != ROWS.to_string() || epoch != text(2)? {
            return Err(SessionError::not_as_asked(
                TABLE,
                &format!("{ROWS} rows of one epoch"),
                &format!("{rows} rows"),
                "without them, nothing keeps two nodes from writing at once",
            )
            .into());
        }
        if asked.takes_writes && text(5)? != "0" {
            return Err(SessionError::TakesNoWrites(READ_ONLY).into());
        }
        let writer = Writer {
            epoch: whole(&epoch)?,
            uuid: text(3)?,
            address: text(4)?,
        };
        let (id, database) = (whole(&text(6)?)?, text(7)?);
        Ok(Self {
            at,
            connection,
            node,
            view,
            writer,
            database,
            id,
        })
    }

    /// Whether it is the node that writes.
    pub(super) fn writes(&self) -> bool {
        self.writer.uuid == self.node.uuid
    }
}

fn whole(text: &str) -> Result<u64, sqlx::Error> {
    text.parse()
        .map_err(|_| sqlx::Error::Protocol(format!("`{text}` is no whole number")))
}

/// MariaDB's number of an error.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}
