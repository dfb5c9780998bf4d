//! A database's tables are brought up to date in one transaction, once.

use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm_migration::prelude::*;
use unit_of_work::{Database, DatabaseOptions, idempotency, marker};

use crate::stage::insert_mark;

struct CreateMark;

impl MigrationName for CreateMark {
    fn name(&self) -> &str {
        "create_mark"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateMark {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "CREATE TABLE mark (name VARCHAR(100) PRIMARY KEY)";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
}

struct Fails;

impl MigrationName for Fails {
    fn name(&self) -> &str {
        "fails"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Fails {
    async fn up(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Custom("no".to_owned()))
    }
}

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(CreateMark),
            Box::new(marker::Migration),
            Box::new(idempotency::Migration),
        ]
    }
}

struct Failing;

#[async_trait::async_trait]
impl MigratorTrait for Failing {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateMark), Box::new(Fails)]
    }
}

on_every_engine! {
    (not on MariaDB: "DDL commits by itself there: a migration that fails half way stays half way")
    async fn migrations_are_all_or_nothing(test: TestDatabase) {
        let database = Database::connect(test.url(), DatabaseOptions::default()).await.expect("connects");
        database.migrate::<Failing>().await.expect_err("fails");
        // Were anything left of the first, it could not be created again.
        database.migrate::<Migrator>().await.expect("migrates");
        database.write(async |unit| insert_mark(&unit, "a").await).await.expect("is there");
        database.migrate::<Migrator>().await.expect("finds nothing to do");
        let observer = test.observer().await;
        assert_eq!(observer.i64("SELECT COUNT(*) FROM mark").await, 1);
        assert_eq!(observer.i64("SELECT COUNT(*) FROM seaql_migrations").await, 3);
        database.close().await;
    }

    async fn servers_that_migrate_at_once_wait_for_each_other(test: TestDatabase) {
        let database = Database::connect(test.url(), DatabaseOptions::default()).await.expect("connects");
        let (one, two, three) = tokio::join!(
            database.migrate::<Migrator>(),
            database.migrate::<Migrator>(),
            database.migrate::<Migrator>(),
        );
        for migrated in [one, two, three] {
            migrated.expect("migrates");
        }
        let observer = test.observer().await;
        assert_eq!(observer.i64("SELECT COUNT(*) FROM seaql_migrations").await, 3);
        // It is never shown where the database is.
        assert!(!format!("{database:?}").contains(test.url()));
        database.close().await;
    }
}
