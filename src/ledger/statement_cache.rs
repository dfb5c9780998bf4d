//! The SQL texts of the most frequent statements. Building such a text takes longer than sending it.

use sea_orm::{DbBackend, Statement, Value};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// The texts of statements, by shape. A text depends on its shape and the engine alone, and is built once.
///
/// Texts are never removed, so there must be few shapes.
pub(super) struct StatementCache<S> {
    on_sqlite: RwLock<BTreeMap<S, String>>,
    on_postgres: RwLock<BTreeMap<S, String>>,
    on_mariadb: RwLock<BTreeMap<S, String>>,
}

impl<S: Ord> StatementCache<S> {
    pub(super) const fn new() -> Self {
        Self {
            on_sqlite: RwLock::new(BTreeMap::new()),
            on_postgres: RwLock::new(BTreeMap::new()),
            on_mariadb: RwLock::new(BTreeMap::new()),
        }
    }

    /// The statement of this shape with these parameters, in the order of the text. `write` builds it the first time.
    pub(super) fn statement(
        &self,
        engine: DbBackend,
        shape: S,
        parameters: impl IntoIterator<Item = Value>,
        write: impl Fn() -> Statement,
    ) -> Statement {
        let texts = match engine {
            DbBackend::Sqlite => &self.on_sqlite,
            DbBackend::MySql => &self.on_mariadb,
            _ => &self.on_postgres,
        };
        let known = texts.read().unwrap_or_else(PoisonError::into_inner);
        let text = known.get(&shape).cloned();
        drop(known);
        let text = text.unwrap_or_else(|| {
            let text = write().sql;
            let mut known = texts.write().unwrap_or_else(PoisonError::into_inner);
            known.entry(shape).or_insert(text).clone()
        });
        let statement = Statement::from_sql_and_values(engine, text, parameters);
        // Where tests run, every statement is also written.
        debug_assert_eq!(statement, write());
        statement
    }
}
