//! The migrations of the ledger.
//!
//! Every rule that the database can enforce is a constraint here, with a name, and the same on each engine. The domain checks it first,
//! with a better message. `entity` is never imported: migrations must not change, and entities do.
//!
//! Two servers must not migrate at the same time. The caller of [`Migrator::up`] must hold a lock: on PostgreSQL `pg_advisory_xact_lock`,
//! on SQLite the write lock of `BEGIN IMMEDIATE`, on MariaDB one by `GET_LOCK`.
//!
//! [`Migrator`] is for SQLite and PostgreSQL. MariaDB has migrations of its own: [`MariaDbMigrator`].

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

mod dialect;
mod guards;
mod iso_4217;
mod m20261123_01_create_currency;
mod m20261123_02_create_account;
mod m20261123_03_create_entry;
mod m20261123_04_create_entry_line;
mod m20261123_05_create_idempotency;
mod m20261125_06_add_holds;
mod m20261125_07_add_history;
mod m20261125_08_create_outbox;
mod m20261125_09_create_import;
mod m20261126_10_create_marker;
mod m20261127_11_add_entry_reference;
mod m20261127_12_add_entry_recorded_by;
mod m20261127_20_add_account_class;
mod m20261127_21_add_account_changes;
mod m20261127_22_add_entry_changes;
mod m20261127_23_add_closing;
mod m20261127_30_add_finding;
mod m20261128_31_create_account_group;
mod m20261128_41_add_effective_order;
mod m20261128_61_create_seal;
mod m20261128_71_add_balance_limits;
mod m20261128_91_add_currency_symbol;
mod m20261128_93_create_webhook;
mod m20261128_95_add_parts;
mod m20261128_97_create_ledger;
mod mariadb;

pub use guards::{guards, guards_query};
pub use mariadb::MariaDbMigrator;

/// All migrations of an engine, in order.
#[must_use]
pub fn migrations(engine: DbBackend) -> Vec<Box<dyn MigrationTrait>> {
    match engine {
        DbBackend::MySql => MariaDbMigrator::migrations(),
        _ => Migrator::migrations(),
    }
}

/// All migrations of SQLite and PostgreSQL, in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_01_create_currency::Migration),
            Box::new(m20261123_02_create_account::Migration),
            Box::new(m20261123_03_create_entry::Migration),
            Box::new(m20261123_04_create_entry_line::Migration),
            Box::new(m20261123_05_create_idempotency::Migration),
            Box::new(m20261125_06_add_holds::Migration),
            Box::new(m20261125_07_add_history::Migration),
            Box::new(m20261125_08_create_outbox::Migration),
            Box::new(m20261125_09_create_import::Migration),
            Box::new(m20261126_10_create_marker::Migration),
            Box::new(m20261127_11_add_entry_reference::Migration),
            Box::new(m20261127_12_add_entry_recorded_by::Migration),
            Box::new(m20261127_20_add_account_class::Migration),
            Box::new(m20261127_21_add_account_changes::Migration),
            Box::new(m20261127_22_add_entry_changes::Migration),
            Box::new(m20261127_23_add_closing::Migration),
            Box::new(m20261127_30_add_finding::Migration),
            Box::new(m20261128_31_create_account_group::Migration),
            Box::new(m20261128_41_add_effective_order::Migration),
            Box::new(m20261128_61_create_seal::Migration),
            Box::new(m20261128_71_add_balance_limits::Migration),
            Box::new(m20261128_91_add_currency_symbol::Migration),
            Box::new(m20261128_93_create_webhook::Migration),
            Box::new(m20261128_95_add_parts::Migration),
            Box::new(m20261128_97_create_ledger::Migration),
        ]
    }
}
