//! The ledger's schema on MariaDB.
//!
//! It has its own migrations: the first ones create what all migrations of the other engines together have led to. A later migration of the
//! ledger is one there and one here. Each rule has the name that it has on PostgreSQL. Read [`rules`] first.
//!
//! MariaDB cannot do some things in the same way:
//!
//! - **Names.** A primary key is always named `PRIMARY`. A UUID (`binary(16)`) and an instant (`datetime(6)`, in UTC) have the right form by
//!   their type, so `…_form` is no rule here, unless it asks for more.
//! - **The numbers of events.** Nothing tells which transactions still run, so nobody can know whether a smaller number will become visible
//!   later. Events get their numbers after their transaction has committed; see [`m20261129_01_create_outbox`].
//! - **Locks of tables** would end the transaction. They are locks of rows instead, in `named_lock`.
//! - **Rules that are checked at COMMIT** do not exist. One rule is weaker for that; see [`m20261129_07_create_account_group`].
//! - **Partial indexes** do not exist. Unique ones have a generated column for their condition, and the others have all rows.
//! - **Ranges of an index whose end is in another row** are read by functions; see [`m20261129_10_create_lookups`].
//! - **TRUNCATE** runs no trigger, but is refused for a table to which a foreign key refers; see [`m20261129_09_refuse_truncate`].
//!
//! Each statement of DDL commits by itself. A migration that fails half way stays half way: drop the database and begin again, or remove by
//! hand what the failed migration has created.

use sea_orm_migration::prelude::*;

mod m20261129_01_create_outbox;
mod m20261129_02_create_account;
mod m20261129_03_create_closing;
mod m20261129_04_create_entry;
mod m20261129_05_create_late_line;
mod m20261129_06_create_seal;
mod m20261129_07_create_account_group;
mod m20261129_08_create_webhook;
mod m20261129_09_refuse_truncate;
mod m20261129_10_create_lookups;
mod m20261129_11_create_writer;
mod metadata;
mod rehearsal;
mod rules;

/// All migrations of MariaDB, in order. Before the first statement of one that is missing, [`MigratorTrait::up`] tries whether the user may
/// do what migrations do. Where none is missing, it needs no right but SELECT.
#[derive(Debug)]
pub struct MariaDbMigrator;

/// The same, with what [`MigratorTrait::up`] does by default.
struct Untried;

impl MigratorTrait for Untried {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        MariaDbMigrator::migrations()
    }
}

#[async_trait::async_trait]
impl MigratorTrait for MariaDbMigrator {
    async fn up<'c, C>(db: C, steps: Option<u32>) -> Result<(), DbErr>
    where
        C: IntoSchemaManagerConnection<'c>,
    {
        let db = db.into_database_executor();
        let missing = Self::get_pending_migrations_read_only(&db).await?;
        if missing.is_empty() {
            return Ok(());
        }
        rehearsal::rehearse(&db).await?;
        Untried::up(db, steps).await
    }

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261129_01_create_outbox::Migration),
            Box::new(m20261129_02_create_account::Migration),
            Box::new(m20261129_03_create_closing::Migration),
            Box::new(m20261129_04_create_entry::Migration),
            Box::new(m20261129_05_create_late_line::Migration),
            Box::new(m20261129_06_create_seal::Migration),
            Box::new(m20261129_07_create_account_group::Migration),
            Box::new(m20261129_08_create_webhook::Migration),
            Box::new(m20261129_09_refuse_truncate::Migration),
            Box::new(m20261129_10_create_lookups::Migration),
            Box::new(m20261129_11_create_writer::Migration),
        ]
    }
}
