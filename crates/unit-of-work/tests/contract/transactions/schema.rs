//! A schema whose resolvers begin SeaORM's transactions on their unit.

use std::sync::{Arc, Mutex};

use async_graphql::{Context, Error, Object, Result};
use sea_orm::{
    AccessMode, DbBackend, DbErr, EntityLoaderTrait, IsolationLevel, SqliteTransactionMode,
    TransactionError, TransactionOptions, TransactionSession, TransactionTrait,
};
use tokio::sync::Notify;
use unit_of_work::{ContextExt, FailureKind, Savepoint, UnitError};

use super::entities::{author, book};
use crate::stage::{Cue, count_marks, insert_mark, lock};

/// Where a resolver leaves a savepoint that it does not end, and where two fields meet.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) left: Mutex<Option<Savepoint>>,
    pub(super) begun: Notify,
}

fn shelf<'a>(ctx: &Context<'a>) -> &'a Arc<Shelf> {
    ctx.data_unchecked()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, DbErr>) -> UnitError {
    let error = result.expect_err("is refused");
    UnitError::in_db_err(&error)
        .unwrap_or_else(|| panic!("{error}"))
        .clone()
}

async fn save(ctx: &Context<'_>, name: &str, titles: &[&str]) -> Result<i64, DbErr> {
    let mut author = author::ActiveModel::builder().set_name(name);
    for title in titles {
        author = author.add_book(book::ActiveModel::builder().set_title(*title));
    }
    Ok(author.insert(ctx.unit()).await?.id)
}

pub(super) struct Query;

#[Object]
impl Query {
    async fn marks_in_a_transaction(&self, ctx: &Context<'_>) -> Result<i64> {
        let transaction = ctx.unit().begin().await?;
        let count = count_marks(&transaction).await?;
        transaction.commit().await?;
        Ok(count + count_marks(ctx.unit()).await?)
    }

    async fn begins_to_write(&self, ctx: &Context<'_>) -> Result<bool> {
        let write = ctx
            .unit()
            .begin_with_config(None, Some(AccessMode::ReadWrite));
        assert!(matches!(
            refusal(write.await),
            UnitError::SavepointTerms { .. }
        ));
        Ok(true)
    }

    async fn leaves(&self, ctx: &Context<'_>) -> Result<i64> {
        let transaction = ctx.unit().begin().await?;
        let count = count_marks(&transaction).await?;
        *lock(&shelf(ctx).left) = Some(transaction);
        Ok(count)
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    /// An author with books: three inserts, each level in a savepoint of its own.
    async fn saves(&self, ctx: &Context<'_>) -> Result<i64> {
        Ok(save(ctx, "Lem", &["Solaris", "Fiasco"]).await?)
    }

    /// The second book's title is taken: nothing of the author is left, and the unit goes on.
    async fn saves_what_is_taken(&self, ctx: &Context<'_>) -> Result<bool> {
        save(ctx, "Lem", &["Solaris"]).await?;
        let again = author::ActiveModel::builder()
            .set_name("Other")
            .add_book(book::ActiveModel::builder().set_title("Eden"))
            .add_book(book::ActiveModel::builder().set_title("Solaris"));
        let again = ctx
            .unit()
            .savepoint(async |tx| again.insert(tx).await.map(drop));
        let error = again.await.expect_err("is taken");
        assert_eq!(FailureKind::of(&error), FailureKind::Constraint);
        Ok(true)
    }

    /// The same without a savepoint around it: SeaORM drops its transactions unended.
    async fn swallows_what_is_taken(&self, ctx: &Context<'_>) -> Result<bool> {
        save(ctx, "Lem", &["Solaris"]).await?;
        let taken = save(ctx, "Other", &["Solaris"]).await;
        assert_eq!(
            FailureKind::of(&taken.expect_err("is taken")),
            FailureKind::Constraint
        );
        Ok(true)
    }

    async fn deletes_with_books(&self, ctx: &Context<'_>) -> Result<u64> {
        let id = save(ctx, "Lem", &["Solaris", "Fiasco"]).await?;
        let saved = author::Entity::load()
            .filter_by_id(id)
            .with(book::Entity)
            .one(ctx.unit())
            .await?
            .ok_or("is there")?;
        assert_eq!(saved.books.len(), 2);
        Ok(saved.delete(ctx.unit()).await?.rows_affected)
    }

    async fn commits(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let outer = unit.begin().await?;
        insert_mark(&outer, "outer").await?;
        let inner = outer.begin().await?;
        insert_mark(&inner, "inner").await?;
        inner.rollback().await?;
        let inner = outer.begin().await?;
        insert_mark(&inner, "second").await?;
        inner.commit().await?;
        outer.commit().await?;
        insert_mark(unit, "third").await?;
        Ok(true)
    }

    async fn commits_and_fails(&self, ctx: &Context<'_>) -> Result<bool> {
        let transaction = ctx.unit().begin().await?;
        insert_mark(&transaction, "lost").await?;
        transaction.commit().await?;
        Err(Error::new("refused"))
    }

    /// A failure inside is swallowed: `commit` says that nothing is kept.
    async fn commits_what_failed(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        insert_mark(unit, "a").await?;
        let transaction = unit.begin().await?;
        insert_mark(&transaction, "undone").await?;
        insert_mark(&transaction, "a").await.expect_err("is there");
        assert_eq!(
            refusal(transaction.commit().await),
            UnitError::SavepointFailed
        );
        insert_mark(unit, "b").await?;
        Ok(true)
    }

    async fn closures(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let kept = unit
            .transaction(|tx| {
                Box::pin(async move {
                    insert_mark(tx, "a").await?;
                    tx.transaction(|tx| Box::pin(async move { insert_mark(tx, "b").await }))
                        .await
                        .expect("is kept");
                    Ok::<_, DbErr>(())
                })
            })
            .await;
        kept.expect("is kept");
        let own = unit.clone();
        let undone = unit
            .transaction(|tx| {
                Box::pin(async move {
                    insert_mark(tx, "undone").await?;
                    assert_eq!(
                        refusal(insert_mark(&own, "lost").await),
                        UnitError::InsideSavepoint
                    );
                    Err::<(), _>(DbErr::Custom("mine".to_owned()))
                })
            })
            .await;
        assert!(
            matches!(undone, Err(TransactionError::Transaction(DbErr::Custom(text))) if text == "mine")
        );
        insert_mark(unit, "c").await?;
        Ok(true)
    }

    async fn drops(&self, ctx: &Context<'_>) -> Result<bool> {
        let transaction = ctx.unit().begin().await?;
        insert_mark(&transaction, "lost").await?;
        drop(transaction);
        Ok(true)
    }

    async fn drops_the_inner_one(&self, ctx: &Context<'_>) -> Result<bool> {
        let outer = ctx.unit().begin().await?;
        let inner = outer.begin().await?;
        insert_mark(&inner, "lost").await?;
        drop(inner);
        assert_eq!(
            refusal(insert_mark(&outer, "lost too").await),
            UnitError::SavepointFailed
        );
        outer.rollback().await?;
        insert_mark(ctx.unit(), "a").await?;
        Ok(true)
    }

    /// Puts an open savepoint where nobody ends it: `depth` of them inside each other.
    async fn leaves(&self, ctx: &Context<'_>, depth: usize) -> Result<bool> {
        let mut transaction = ctx.unit().begin().await?;
        insert_mark(&transaction, "lost").await?;
        for _ in 1..depth {
            let inner = transaction.begin().await?;
            std::mem::forget(std::mem::replace(&mut transaction, inner));
        }
        *lock(&shelf(ctx).left) = Some(transaction);
        Ok(true)
    }

    /// The same inside a savepoint that has a body: only that one is undone.
    async fn leaves_inside(&self, ctx: &Context<'_>) -> Result<bool> {
        let shelf = shelf(ctx);
        let left = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "lost").await?;
            *lock(&shelf.left) = Some(tx.begin().await?);
            Ok::<_, DbErr>(())
        });
        assert_eq!(refusal(left.await), UnitError::SavepointFailed);
        let handle = lock(&shelf.left).take().expect("was left");
        assert!(insert_mark(&handle, "late").await.is_err());
        drop(handle);
        insert_mark(ctx.unit(), "a").await?;
        Ok(true)
    }

    /// Uses what it has begun a savepoint on, and looks away.
    async fn uses_what_it_holds(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let outer = unit.begin().await?;
        assert_eq!(
            refusal(insert_mark(unit, "lost").await),
            UnitError::InsideSavepoint
        );
        assert_eq!(refusal(outer.commit().await), UnitError::SavepointFailed);
        let outer = unit.begin().await?;
        let inner = outer.begin().await?;
        assert_eq!(
            refusal(insert_mark(&outer, "lost").await),
            UnitError::InsideSavepoint
        );
        inner.rollback().await?;
        insert_mark(&outer, "a").await?;
        outer.commit().await?;
        Ok(true)
    }

    async fn pair(&self) -> Pair {
        Pair
    }

    /// Effects belong to what the code is inside of, whichever handle they were registered with.
    async fn effects(&self, ctx: &Context<'_>) -> Result<bool> {
        let leaves = |name: &'static str| {
            let cue = Arc::clone(ctx.data_unchecked::<Arc<Cue>>());
            async move { lock(&cue.effects).push(name.to_owned()) }
        };
        let unit = ctx.unit();
        let transaction = unit.begin().await?;
        transaction.after_commit(leaves("undone"));
        unit.after_commit(leaves("undone too"));
        transaction.rollback().await?;
        unit.after_commit(leaves("first"));
        let transaction = unit.begin().await?;
        unit.after_commit(leaves("second"));
        transaction.commit().await?;
        Ok(true)
    }

    async fn terms(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let is_sqlite = sea_orm::ConnectionTrait::get_database_backend(unit) == DbBackend::Sqlite;
        let read_only = unit.begin_with_config(None, Some(AccessMode::ReadOnly));
        assert!(matches!(
            refusal(read_only.await),
            UnitError::SavepointTerms { .. }
        ));
        let level = unit.begin_with_config(Some(IsolationLevel::Serializable), None);
        match level.await {
            Ok(transaction) if is_sqlite => transaction.rollback().await?,
            level => assert!(matches!(refusal(level), UnitError::SavepointTerms { .. })),
        }
        let exclusive = unit.begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Exclusive),
            ..TransactionOptions::default()
        });
        match exclusive.await {
            Ok(transaction) if !is_sqlite => transaction.rollback().await?,
            exclusive => assert!(matches!(
                refusal(exclusive),
                UnitError::SavepointTerms { .. }
            )),
        }
        let own = unit.begin_with_config(
            Some(IsolationLevel::ReadCommitted),
            Some(AccessMode::ReadWrite),
        );
        let own = own.await?;
        insert_mark(&own, "a").await?;
        own.commit().await?;
        Ok(true)
    }
}

/// Two fields side by side: one begins a savepoint and undoes it, the other comes meanwhile.
pub(super) struct Pair;

#[Object]
impl Pair {
    async fn undone(&self, ctx: &Context<'_>) -> Result<bool> {
        let transaction = ctx.unit().begin().await?;
        insert_mark(&transaction, "undone").await?;
        shelf(ctx).begun.notify_one();
        // The sibling is polled, and waits.
        tokio::task::yield_now().await;
        insert_mark(&transaction, "undone too").await?;
        transaction.rollback().await?;
        Ok(true)
    }

    async fn beside(&self, ctx: &Context<'_>) -> Result<bool> {
        shelf(ctx).begun.notified().await;
        insert_mark(ctx.unit(), "beside").await?;
        Ok(true)
    }
}
