//! The differences between the engines' SQL, for the crate's own tables.

use sea_orm::DbBackend;

/// One engine's words.
pub(crate) struct Words {
    /// A text that is compared byte by byte.
    pub(crate) text: &'static str,
    /// A whole number of 64 bits.
    pub(crate) bigint: &'static str,
    pub(crate) uuid: &'static str,
    /// The options after the columns of a table.
    pub(crate) table_options: &'static str,
    /// Makes a SELECT skip locked rows. Empty on an engine with one writer.
    pub(crate) skip_locked: &'static str,
    /// Whether a COMMIT is proved by a row.
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

/// The words of an engine. An unsupported engine has those of PostgreSQL, since no database of it can be connected to.
pub(crate) fn words(engine: DbBackend) -> &'static Words {
    match engine {
        DbBackend::Sqlite => &SQLITE,
        _ => &POSTGRES,
    }
}
