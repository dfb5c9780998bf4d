//! What migrations need of a MariaDB server, tried before their first statement.
//!
//! Each statement of DDL commits by itself, so a migration that is refused half way can neither go on nor be undone. A server with a binary
//! log refuses triggers (error 1419) to whoever lacks SUPER, unless it trusts those who create functions. So does a node of a cluster.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, RuntimeErr,
    sqlx::{self, mysql::MySqlDatabaseError},
};

/// What a user needs on the database to migrate it.
const RIGHTS: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER, CREATE ROUTINE, EXECUTE";

/// Each kind of statement that migrations have. The function comes first: it is refused for most of the reasons, and leaves nothing then.
const STATEMENTS: [&str; 10] = [
    "CREATE FUNCTION IF NOT EXISTS daybook_rehearsal() RETURNS int DETERMINISTIC NO SQL RETURN 1",
    "CREATE TABLE IF NOT EXISTS daybook_rehearsal (id int PRIMARY KEY, other int, FOREIGN KEY (other) REFERENCES daybook_rehearsal (id)) \
     ENGINE = InnoDB",
    "CREATE TRIGGER IF NOT EXISTS daybook_rehearsal BEFORE INSERT ON daybook_rehearsal FOR EACH ROW SET NEW.other = NULL",
    "ALTER TABLE daybook_rehearsal ADD COLUMN IF NOT EXISTS third int",
    "CREATE INDEX IF NOT EXISTS daybook_rehearsal_third ON daybook_rehearsal (third)",
    "INSERT IGNORE INTO daybook_rehearsal (id) VALUES (daybook_rehearsal())",
    "UPDATE daybook_rehearsal SET third = id WHERE id = 1",
    "DELETE FROM daybook_rehearsal WHERE id = 1",
    DROP_TABLE,
    DROP_FUNCTION,
];

const DROP_TABLE: &str = "DROP TABLE IF EXISTS daybook_rehearsal";
const DROP_FUNCTION: &str = "DROP FUNCTION IF EXISTS daybook_rehearsal";

/// Makes what migrations make, in small, and removes it.
///
/// # Errors
/// When the server refuses a statement: what to set or to grant. What was made is removed as far as the user may.
pub(super) async fn rehearse(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    for statement in STATEMENTS {
        if let Err(error) = db.execute_unprepared(statement).await {
            for drop in [DROP_TABLE, DROP_FUNCTION] {
                // The first error is the one to be told. Who may not create may not drop either.
                let _ = db.execute_unprepared(drop).await;
            }
            return Err(refused(error));
        }
    }
    Ok(())
}

/// `ER_BINLOG_CREATE_ROUTINE_NEED_SUPER`.
const NO_SUPER: u16 = 1419;

/// `ER_DBACCESS_DENIED_ERROR`, `ER_TABLEACCESS_DENIED_ERROR`, `ER_COLUMNACCESS_DENIED_ERROR`, `ER_PROCACCESS_DENIED_ERROR`.
const DENIED: [u16; 4] = [1044, 1142, 1143, 1370];

fn refused(error: DbErr) -> DbErr {
    match number(&error) {
        Some(NO_SUPER) => DbErr::Migration(format!(
            "the server writes a binary log or is a node of a cluster, where it creates triggers only for a user with SUPER: set \
             log_bin_trust_function_creators=1 on the server, or let a user with SUPER migrate; no migration has begun ({error})"
        )),
        Some(number) if DENIED.contains(&number) => DbErr::Migration(format!(
            "the user may not do on this database what migrations do, and needs {RIGHTS} on it; no migration has begun ({error})"
        )),
        _ => error,
    }
}

fn number(error: &DbErr) -> Option<u16> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    let sqlx::Error::Database(error) = &**error else {
        return None;
    };
    let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}
