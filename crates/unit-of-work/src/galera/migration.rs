//! The table as a migration.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

/// Creates the table that says which node of a Galera cluster writes. Add it to your `Migrator`. If the names of your migrations follow a
/// pattern, call it from a migration of yours instead. On another engine than MariaDB, it does nothing.
///
/// ```
/// use sea_orm_migration::prelude::*;
///
/// struct Migrator;
///
/// #[async_trait::async_trait]
/// impl MigratorTrait for Migrator {
///     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
///         vec![Box::new(unit_of_work::galera::Migration)]
///     }
/// }
/// # assert_eq!(Migrator::migrations().len(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "unit_of_work_create_writer"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::MySql {
            return Ok(());
        }
        for sql in super::create_table() {
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::MySql {
            return Ok(());
        }
        let sql = super::drop_table();
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
