//! The lists of triggers and functions are those that a freshly migrated database has.

use std::collections::BTreeSet;

use daybook_migration::{guards, guards_query};
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, Statement};

use super::Book;

on_every_engine! {
    async fn guards_are_what_migrations_make(database: TestDatabase) {
        let book = Book::new(database).await;
        let engine = book.db.get_database_backend();
        let question = Statement::from_string(engine, guards_query(engine));
        let rows = book.db.query_all_raw(question).await.unwrap();
        let found: BTreeSet<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let listed: BTreeSet<String> = guards(engine).iter().map(|&name| name.to_owned()).collect();
        let unlisted: Vec<_> = found.difference(&listed).collect();
        let unmade: Vec<_> = listed.difference(&found).collect();
        assert!(unlisted.is_empty() && unmade.is_empty(), "not in migration/src/guards: {unlisted:#?}\nonly there: {unmade:#?}");
        assert!(guards(engine).is_sorted(), "the list is not in order");
        assert!(listed.len() > 90, "{}", listed.len());
    }
}
