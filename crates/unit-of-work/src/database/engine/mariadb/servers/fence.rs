//! What makes sure that one node writes alone.
//!
//! Galera certifies the rows that a COMMIT has changed, and nothing else: what was locked and read on one node can be changed on another
//! one. So all COMMITs go through one node. The table `unit_of_work_writer` says which one, and each time another one takes over, its number,
//! the *epoch*, grows in all of its rows. Every COMMIT changes one of the rows, on the condition that the epoch is as it was when its connection
//! was made:
//!
//! - If the node has heard of another epoch, the condition does not hold, and the COMMIT is refused.
//! - If not, the COMMIT is certified after the takeover, and has changed a row that it had not seen changed: it is refused (1213).
//!
//! So all COMMITs of an epoch are before the takeover that ends it, in the order that all nodes share. Whoever sees the new epoch sees all
//! there will ever be of the old one.
//!
//! There are as many rows as connections may commit at once without waiting for each other.

use sqlx::mysql::MySqlDatabaseError;

use crate::galera::{EPOCH, ROWS, TABLE};

/// The statement that each COMMIT is sent with.
#[derive(Clone, Debug)]
pub(crate) struct Fence {
    pub(super) epoch: u64,
    /// The statement.
    pub(crate) sql: String,
}

impl Fence {
    /// For a connection, by its id, to a database whose name is quoted.
    pub(super) fn new(database: &str, epoch: u64, connection: u64) -> Self {
        let row = connection % u64::from(ROWS);
        // The column cannot be NULL.
        let sql = format!(
            "UPDATE {database}.{TABLE} SET commits = commits + 1, {EPOCH} = IF({EPOCH} = {epoch}, {epoch}, NULL) WHERE slot = {row}"
        );
        Self { epoch, sql }
    }
}

/// A column that must not be NULL was set to it.
const IS_NULL: u16 = 1048;

/// Whether an error is that of a COMMIT in an epoch that has ended.
pub(in super::super) fn is_overtaken(error: &MySqlDatabaseError) -> bool {
    error.number() == IS_NULL && error.message().contains(EPOCH)
}
