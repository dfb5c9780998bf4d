//! How the tables came to be. A migration that has run somewhere is never changed: add another one.

use sea_orm_migration::{prelude::*, schema};
use unit_of_work::{idempotency, marker};

/// The migrations, in their order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            // They prove what was committed, and keep what was answered under an idempotency key.
            Box::new(marker::Migration),
            Box::new(idempotency::Migration),
            Box::new(CreateNote),
        ]
    }
}

struct CreateNote;

impl MigrationName for CreateNote {
    fn name(&self) -> &str {
        "m20260101_01_create_note"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateNote {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("note")
            .col(schema::big_pk_auto("id"))
            .col(schema::text_uniq("text"))
            .col(schema::boolean("is_read").default(false))
            .take();
        manager.create_table(table).await
    }
}
