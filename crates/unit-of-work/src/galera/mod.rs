//! MariaDB's Galera cluster: the table that says which of its nodes writes.
//!
//! Galera lets each node write, and compares at COMMIT which rows were changed on two of them at once. What an operation has only read or
//! locked on one node can be changed on another one meanwhile. So of a cluster, one node is used to write. The table `unit_of_work_writer`
//! says which one, and each COMMIT changes one of its rows, so that Galera itself refuses the COMMIT of a node from which another one
//! has taken over. The crate's README says what that costs and promises.
//!
//! The table belongs to the application, in the database of its data. Create it with `galera::Migration` (feature `migration`) in its
//! `Migrator`, or with [`create_table`] for other tools. Every writer must be allowed to read and to update it. On a server that is no node of a
//! cluster, it is not used.

#[cfg(feature = "migration")]
mod migration;

#[cfg(feature = "migration")]
pub use migration::Migration;

pub(crate) const TABLE: &str = "unit_of_work_writer";

/// How many rows it has: as many COMMITs can be under way at once without waiting for each other.
pub(crate) const ROWS: u16 = 256;

/// The column with the number that grows with each takeover. No other table has one of this name, since an error tells it by that.
pub(crate) const EPOCH: &str = "unit_of_work_epoch";

/// The statement that creates the table, and the one that fills it.
///
/// They never change, since migrations that have run must not change.
///
/// ```
/// let [create, fill] = unit_of_work::galera::create_table();
/// assert!(create.starts_with("CREATE TABLE unit_of_work_writer"));
/// assert!(fill.starts_with("INSERT INTO unit_of_work_writer"));
/// ```
#[must_use]
pub fn create_table() -> [String; 2] {
    let create = format!(
        "CREATE TABLE {TABLE} (
            slot     smallint NOT NULL PRIMARY KEY,
            {EPOCH} bigint NOT NULL,
            commits  bigint NOT NULL,
            node     varchar(100) NOT NULL,
            address  varchar(300) NOT NULL
        ) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;"
    );
    let rows: Vec<_> = (0..ROWS)
        .map(|slot| format!("({slot}, 0, 0, '', '')"))
        .collect();
    let fill = format!(
        "INSERT INTO {TABLE} (slot, {EPOCH}, commits, node, address) VALUES {};",
        rows.join(", ")
    );
    [create, fill]
}

/// The statement that drops the table.
///
/// ```
/// let sql = unit_of_work::galera::drop_table();
/// assert_eq!(sql, "DROP TABLE unit_of_work_writer;");
/// ```
#[must_use]
pub fn drop_table() -> &'static str {
    "DROP TABLE unit_of_work_writer;"
}
