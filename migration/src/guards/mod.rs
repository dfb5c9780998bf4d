//! The triggers and functions that a database of the ledger has, when all migrations have run.
//!
//! A database can lack them, and its table of migrations does not tell: a dump leaves out what the user who dumps may not see. Triggers keep
//! what is append-only, and write the events. So a database is compared with these lists before it is used.

use sea_orm_migration::sea_orm::DbBackend;

mod mariadb;
mod postgres;
mod sqlite;

/// The triggers and functions of an engine: `trigger NAME of TABLE` or `function NAME`, in the order of these texts.
#[must_use]
pub fn guards(engine: DbBackend) -> &'static [&'static str] {
    match engine {
        DbBackend::Sqlite => sqlite::SQLITE,
        DbBackend::MySql => mariadb::MARIADB,
        _ => postgres::POSTGRES,
    }
}

/// The query whose first column says which triggers and functions a database has, in the words of [`guards`]. A trigger that is disabled
/// counts as none. MariaDB shows a user only those of tables for which it has TRIGGER, and functions for which it has EXECUTE.
#[must_use]
pub fn guards_query(engine: DbBackend) -> &'static str {
    match engine {
        DbBackend::Sqlite => {
            "SELECT 'trigger ' || name || ' of ' || tbl_name FROM sqlite_schema WHERE type = 'trigger'"
        }
        DbBackend::MySql => {
            "SELECT CAST(CONCAT('trigger ', TRIGGER_NAME, ' of ', EVENT_OBJECT_TABLE) AS CHAR) FROM information_schema.TRIGGERS
                 WHERE TRIGGER_SCHEMA = DATABASE()
             UNION ALL SELECT CAST(CONCAT('function ', ROUTINE_NAME) AS CHAR) FROM information_schema.ROUTINES
                 WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE = 'FUNCTION'"
        }
        _ => {
            "SELECT 'trigger ' || tgname || ' of ' || relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
                 WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND pg_table_is_visible(tgrelid)
             UNION ALL SELECT 'function ' || proname FROM pg_proc
                 WHERE pronamespace <> 'pg_catalog'::regnamespace AND pg_function_is_visible(oid)"
        }
    }
}
