//! How MariaDB's own rules are taken out of the way of a test.

use super::book::Book;
use sea_orm::{ConnectionTrait, Statement};

/// Takes foreign keys and CHECKs out of the way of a session.
pub(super) const OFF: &str = "SET foreign_key_checks = 0, check_constraint_checks = 0";

/// Puts them back.
pub(super) const ON: &str = "SET foreign_key_checks = 1, check_constraint_checks = 1";

/// Drops all triggers. They cannot be switched off, and to drop one ends a transaction.
pub(super) async fn drop_triggers(book: &Book) {
    let names =
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()";
    let names = Statement::from_string(book.db.get_database_backend(), names);
    for row in book.db.query_all_raw(names).await.unwrap() {
        let name: String = row.try_get_by_index(0).unwrap();
        let drop = format!("DROP TRIGGER {name}");
        book.db.execute_unprepared(&drop).await.unwrap();
    }
}
