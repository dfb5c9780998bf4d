//! The fields that the operations have.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use async_graphql::{Context, EmptySubscription, Error, ErrorExtensions, Object, Result, Schema};
use sea_orm::{ConnectionTrait, DbErr, TransactionSession, TransactionTrait};
use unit_of_work::ContextExt;

use crate::stage::{Cue, Query, insert_mark, lock};

/// How often a conflict is still to be met.
#[derive(Default)]
pub(super) struct Conflicts {
    pub(super) left: AtomicU32,
    pub(super) met: AtomicU32,
}

/// Whether the mutation beside the one that is tested has been at the cue.
#[derive(Default)]
pub(super) struct HasMet(pub(super) AtomicBool);

pub(super) struct Mutation;

#[Object]
#[expect(
    clippy::disallowed_methods,
    reason = "it is what code does that knows nothing of units"
)]
impl Mutation {
    async fn effects(&self, ctx: &Context<'_>) -> bool {
        let leave = |what: &'static str| {
            let cue = Arc::clone(ctx.data_unchecked::<Arc<Cue>>());
            async move { lock(&cue.effects).push(what.to_owned()) }
        };
        ctx.unit().after_commit(leave("committed"));
        ctx.unit().after_rollback(leave("rolled back"));
        true
    }

    /// The server says that the operation has lost, as often as it is to.
    async fn conflicts(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        let conflicts = ctx.data_unchecked::<Arc<Conflicts>>();
        conflicts.met.fetch_add(1, Ordering::SeqCst);
        let left = conflicts
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if left.is_ok() {
            let lose = match ctx.unit().get_database_backend() {
                sea_orm::DbBackend::MySql => {
                    "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'it lost'"
                }
                _ => "DO $$ BEGIN RAISE EXCEPTION 'it lost' USING ERRCODE = '40001'; END $$",
            };
            ctx.unit().execute_unprepared(lose).await?;
        }
        Ok(Some(true))
    }

    async fn mark(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        insert_mark(ctx.unit(), &name).await?;
        Ok(Some(name))
    }

    async fn fails(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        insert_mark(ctx.unit(), &name).await?;
        Err(refused())
    }

    async fn must(&self, ctx: &Context<'_>, name: String) -> Result<String> {
        insert_mark(ctx.unit(), &name).await?;
        Err(refused())
    }

    async fn swallow(&self, ctx: &Context<'_>) -> Option<bool> {
        let _ = insert_mark(ctx.unit(), "swallowed").await;
        let _ = insert_mark(ctx.unit(), "swallowed").await;
        Some(true)
    }

    async fn orphan(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        ctx.unit()
            .execute_unprepared("INSERT INTO child VALUES (1, 404)")
            .await?;
        Ok(Some(true))
    }

    async fn rollback_only(&self, ctx: &Context<'_>) -> Option<bool> {
        ctx.unit().set_rollback_only("not today");
        Some(true)
    }

    /// Tries something that cannot be, and does something else instead.
    async fn tries(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        let tried = ctx
            .unit()
            .savepoint(async |tx| {
                insert_mark(tx, "undone").await?;
                insert_mark(tx, "undone").await
            })
            .await;
        assert!(tried.is_err());
        insert_mark(ctx.unit(), "instead").await?;
        Ok(Some(true))
    }

    /// Begins two transactions as code does that knows nothing of units.
    async fn begins(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        let undone = ctx.unit().begin().await?;
        insert_mark(&undone, "begun").await?;
        undone.rollback().await?;
        let kept = ctx.unit().begin().await?;
        insert_mark(&kept, "begun").await?;
        kept.commit().await?;
        Ok(Some(true))
    }

    /// Keeps the writer until the other mutation has come; where it is run again, it does not wait again.
    async fn neighbour(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        insert_mark(ctx.unit(), "neighbour").await?;
        let has_met = ctx.data_unchecked::<Arc<HasMet>>();
        if !has_met.0.swap(true, Ordering::SeqCst) {
            ctx.data_unchecked::<Arc<Cue>>().meet().await;
        }
        Ok(Some(true))
    }

    async fn setting(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let unit = ctx.unit();
        let sql = "SELECT current_setting('app.colour', true)";
        let row = unit
            .query_one_raw(sea_orm::Statement::from_string(
                unit.get_database_backend(),
                sql,
            ))
            .await?;
        let row = row.ok_or_else(|| DbErr::Custom("no row".to_owned()))?;
        Ok(row.try_get_by_index(0)?)
    }
}

pub(super) fn refused() -> Error {
    Error::new("refused").extend_with(|_, extensions| extensions.set("code", "REFUSED"))
}

pub(super) type PairSchema = Schema<Query, Mutation, EmptySubscription>;
