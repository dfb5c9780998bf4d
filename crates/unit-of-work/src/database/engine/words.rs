//! The words that engines spell differently, in the statements of the crate's own tables.

use sea_orm::DbBackend;

/// One engine's words.
pub(crate) struct Words {
    /// A text that is compared byte by byte.
    pub(crate) text: &'static str,
    /// A whole number of 64 bits.
    pub(crate) bigint: &'static str,
    pub(crate) uuid: &'static str,
    /// What stands behind the columns of a table.
    pub(crate) table_options: &'static str,
    /// What makes a SELECT pass over rows that others have locked. Empty where there is one writer.
    pub(crate) skip_locked: &'static str,
    /// Whether a COMMIT can be proved by a row, and has to be.
    pub(crate) has_markers: bool,
    /// OpenTelemetry's `db.system.name`.
    pub(crate) system_name: &'static str,
}

const POSTGRES: Words = Words {
    text: r#"text COLLATE "C""#,
    bigint: "bigint",
    uuid: "uuid",
    table_options: "",
    skip_locked: " FOR UPDATE SKIP LOCKED",
    has_markers: true,
    system_name: "postgresql",
};

const SQLITE: Words = Words {
    text: "TEXT",
    bigint: "INTEGER",
    uuid: "TEXT",
    table_options: " STRICT, WITHOUT ROWID",
    skip_locked: "",
    has_markers: false,
    system_name: "sqlite",
};

/// The words of an engine. Those of PostgreSQL for an engine that is not supported: no database of it can be connected to.
pub(crate) fn words(engine: DbBackend) -> &'static Words {
    match engine {
        DbBackend::Sqlite => &SQLITE,
        _ => &POSTGRES,
    }
}
