//! The settings of one transaction, which travel with BEGIN in the same round trip.

use std::time::Duration;

use sea_orm::IsolationLevel;

use crate::Access;

/// How a unit's transaction begins.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    pub(crate) access: Access,
    /// The isolation level, if the operation asks for a stricter one than the session's.
    pub(crate) isolation: Option<IsolationLevel>,
    /// The statement time-out, if the operation's deadline is shorter than the session's.
    pub(crate) statement_timeout: Option<Duration>,
    /// As `statement_timeout`, for the time between two statements. A server that hears nothing for longer ends the transaction and
    /// releases its locks.
    pub(crate) idle_timeout: Option<Duration>,
    /// Settings that hold only for this transaction.
    pub(crate) settings: SessionSettings,
    /// Whether to ask for the server's position: in a query after the snapshot was taken, otherwise after COMMIT or ROLLBACK.
    pub(crate) locate: bool,
    /// Whether to ask for the transaction's id, with which the outcome of a lost COMMIT can be found out.
    pub(crate) identify: bool,
}

/// What protects the rows of one operation, where the database is one of several tenants: settings of PostgreSQL for row-level security, and
/// the rows that an operation sees on SQLite. Put them into a request's data. The guide
/// [`row_level_security`](crate::guide::row_level_security) shows both.
///
/// - [`set`](Self::set) is for PostgreSQL: `set_config(name, value, true)` of a tenant, a viewer, or `role`. The settings travel with BEGIN, so
///   they cost no round trip, and end with the transaction. SQLite has no settings.
/// - [`rows`](Self::rows) is for SQLite, which has no policies. PostgreSQL has its own.
///
/// Each engine refuses an operation with what is the other's at its first statement, since a protection must not be dropped silently. So a
/// server that supports both decides by [`Database::backend`](crate::Database::backend).
///
/// ```
/// let settings = unit_of_work::SessionSettings::new().set("app.tenant", "42");
/// let request = async_graphql::Request::new("{ orders { id } }").data(settings);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSettings {
    set: Vec<(String, String)>,
    rows: Vec<(String, String)>,
}

impl SessionSettings {
    /// No settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a setting of PostgreSQL. A custom one has a dot in its name.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.push((name.into(), value.into()));
        self
    }

    /// Lets the operation see only those rows of an SQLite table for which `condition` is true. The condition is **SQL of the server's own,
    /// and never of a client**: a value in it has to be known, or quoted with care. Of two conditions for one table, both have to hold.
    ///
    /// It holds in every statement of the operation, whatever a resolver asks for: a table expression with the table's name stands in
    /// front of the statement (`WITH "account" AS NOT MATERIALIZED (SELECT * FROM main."account" WHERE …)`), so joins, subqueries and
    /// loaders read that. Indexes are used as before. BEGIN asks whether the schema has changed, and reads it if it has.
    ///
    /// - **UPDATE, DELETE and ON CONFLICT DO UPDATE** change only rows that the operation sees: the condition is added to their WHERE.
    /// - **INSERT, and the new values of an UPDATE, are not looked at**: an operation can write a row that it does not see. Whoever
    ///   writes has to know whose row it is.
    /// - **Triggers and foreign keys** see and change all rows, as they do with policies.
    /// - The condition names the table's columns without the table, so that it can stand in an UPDATE with an alias. (UPDATE … FROM fails
    ///   if what it reads from has a column of the same name, and is refused if the condition names the table or `rowid`.) It can name
    ///   other tables: those with conditions are seen through them. It cannot read its own table, except as `main."account"`. A name in
    ///   double quotes is a name, and never a text, as it otherwise is to SQLite where there is no such column.
    /// - `rowid` and INDEXED BY are not to be had through it: name the primary key.
    /// - `IN (SELECT …)` is better than `EXISTS (…)`: with EXISTS in a WHERE, SQLite 3.51 counts the rows of OFFSET wrong, here as anywhere.
    /// - A table without a condition is seen as a whole. For a view or a virtual table, which could read around the conditions of others,
    ///   there has to be one (`"TRUE"`, for all of its rows): without, naming it is refused. So are the tables in which a virtual table
    ///   keeps its rows (whose names begin with its own and `_`), SQLite's own (`sqlite_sequence`, `sqlite_stat1`), `dbstat`, and a PRAGMA
    ///   that is read as a table (`pragma_foreign_key_check`).
    /// - **That a hidden row exists can be found out**, as with policies: by a violation of UNIQUE or of a foreign key, by the number that a
    ///   new row is given, by `last_insert_rowid()` and `total_changes()`, which are the connection's, and by the ranks of a full-text
    ///   search. SQLite may also compute an expression of the statement for a row before it looks at the condition, and an error in it is
    ///   seen then. So this does not protect from a client that can send SQL of its own.
    ///
    /// An operation sends only SELECT, VALUES, INSERT, UPDATE, DELETE, REPLACE and WITH statements then. Everything else is refused with
    /// [`UnitError::RowsRefused`](crate::UnitError::RowsRefused): a PRAGMA, a table named with its schema (`main.account`), a table
    /// expression of its own with the name of such a table or of one that a condition reads, REPLACE into one. (Also an INSERT or UPDATE
    /// without OR where the table is defined with ON CONFLICT REPLACE.) So is a condition for a table that does not exist.
    ///
    /// ```
    /// use unit_of_work::SessionSettings;
    ///
    /// let settings = SessionSettings::new()
    ///     .rows("account", "ledger = 'acme'")
    ///     .rows("entry_line", "account_id IN (SELECT id FROM account)");
    /// let request = async_graphql::Request::new("{ accounts { code } }").data(settings);
    /// # let _ = request;
    /// ```
    #[must_use]
    pub fn rows(mut self, table: impl Into<String>, condition: impl Into<String>) -> Self {
        self.rows.push((table.into(), condition.into()));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.rows.is_empty()
    }

    /// The names and values of PostgreSQL's settings.
    pub(crate) fn of_postgres(&self) -> &[(String, String)] {
        &self.set
    }

    /// The tables of SQLite with their conditions.
    pub(crate) fn of_sqlite(&self) -> &[(String, String)] {
        &self.rows
    }
}

impl Begin {
    /// Whether the transaction has no terms of its own, so that another unit may go on in it.
    pub(crate) fn is_like_others(&self) -> bool {
        self.isolation.is_none()
            && self.statement_timeout.is_none()
            && self.idle_timeout.is_none()
            && self.settings.is_empty()
    }

    /// Whether one statement without a transaction would run in the same way. Such a statement needs no `idle_timeout`.
    pub(crate) fn is_plain(&self) -> bool {
        self.isolation.is_none()
            && self.statement_timeout.is_none()
            && self.settings.is_empty()
            && !self.identify
            && !self.locate
    }
}
