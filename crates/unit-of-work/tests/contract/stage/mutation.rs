//! Fields that write.

use std::sync::{Arc, atomic::Ordering};

use async_graphql::{Context, Object, Result};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::sync::Barrier;
use unit_of_work::{ContextExt, Database};

use super::{
    cue::{cue, lock},
    loader::MarkCounts,
    query::{Query, panics, refused},
    sql::{
        count_marks, endless_sql, insert_evidence, insert_mark, insert_parent, slow_sql, statement,
    },
};

pub struct Mutation;

#[Object]
impl Mutation {
    async fn mark(&self, ctx: &Context<'_>, name: String) -> Result<String> {
        insert_mark(ctx.unit(), &name).await?;
        Ok(name)
    }

    /// A row under a random id, that is named as evidence.
    async fn evident(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        insert_evidence(ctx.unit()).await?;
        insert_mark(ctx.unit(), &name).await?;
        Ok(true)
    }

    /// The same in a savepoint, which is kept or undone.
    async fn evident_in_a_savepoint(
        &self,
        ctx: &Context<'_>,
        name: String,
        undo: bool,
    ) -> Result<bool> {
        let unit = ctx.unit();
        insert_mark(unit, &name).await?;
        let inserted = unit
            .savepoint(async |tx| {
                let id = insert_parent(tx).await?;
                unit.evidence("parent", id);
                if undo {
                    return Err(DbErr::Custom("undone".to_owned()));
                }
                Ok(())
            })
            .await;
        if !undo {
            inserted?;
        }
        Ok(true)
    }

    /// Locks the counter's row, and waits for the test.
    async fn lock_and_meet(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_unprepared("UPDATE counter SET value = value + 1")
            .await?;
        cue(ctx).meet().await;
        Ok(true)
    }

    /// Locks the counter's row, keeps its thread, and makes another statement.
    async fn lock_and_keep_the_thread(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_unprepared("UPDATE counter SET value = value + 1")
            .await?;
        tokio::task::block_in_place(|| cue(ctx).keep_the_thread());
        count_marks(unit).await?;
        Ok(true)
    }

    /// Locks the counter's row.
    async fn lock_and_go_on(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_unprepared("UPDATE counter SET value = value + 1")
            .await?;
        Ok(true)
    }

    /// A statement that never ends by itself; or one on a handle that got away, for which the operation does not wait.
    async fn endless(&self, ctx: &Context<'_>, escaped: bool) -> Result<bool> {
        let unit = ctx.unit().clone();
        count_marks(&unit).await?;
        let cue = Arc::clone(cue(ctx));
        let statement = async move {
            cue.reached.notify_one();
            unit.execute_unprepared(endless_sql(&unit)).await
        };
        if escaped {
            tokio::spawn(statement);
            std::future::pending::<()>().await;
        } else {
            statement.await?;
        }
        Ok(true)
    }

    async fn needs_no_proof(&self, ctx: &Context<'_>) -> bool {
        ctx.unit().needs_no_proof();
        true
    }

    /// Names what the operation is going to lock.
    async fn will_lock(&self, ctx: &Context<'_>, names: Vec<String>) -> bool {
        ctx.unit().will_lock(names);
        true
    }

    /// Sends what it is given.
    async fn raw(&self, ctx: &Context<'_>, sql: String) -> Result<bool> {
        ctx.unit().execute_unprepared(&sql).await?;
        Ok(true)
    }

    async fn ping(&self) -> i32 {
        1
    }

    async fn refuse(&self) -> Result<i32> {
        Err(refused())
    }

    async fn maybe(&self) -> Option<Result<i32>> {
        Some(Err(refused()))
    }

    /// Fails after it has written. The field can be null.
    async fn mark_and_fail(&self, ctx: &Context<'_>, name: String) -> Result<Option<i32>> {
        insert_mark(ctx.unit(), &name).await?;
        Err(refused())
    }

    /// Fails with the error of some other database; the unit is not touched.
    async fn fails_elsewhere(&self) -> Result<i32> {
        Err(DbErr::Custom("UNIQUE constraint failed".to_owned()).into())
    }

    /// As the query's field.
    async fn setting(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        Query.setting(ctx, name).await
    }

    async fn header(&self, ctx: &Context<'_>) -> bool {
        ctx.insert_http_header("x-resolver", "was here");
        true
    }

    /// Inserts twice what can be there only once, and looks away.
    async fn swallow(&self, ctx: &Context<'_>, name: String) -> bool {
        let _ = insert_mark(ctx.unit(), &name).await;
        let _ = insert_mark(ctx.unit(), &name).await;
        true
    }

    /// A row that COMMIT will refuse.
    async fn orphan(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_raw(statement(unit, "INSERT INTO child VALUES (1, 404)"))
            .await?;
        Ok(true)
    }

    async fn panics(&self) -> i32 {
        panics()
    }

    async fn meet(&self, ctx: &Context<'_>) -> bool {
        cue(ctx).meet().await;
        true
    }

    /// Tells the test, then runs a statement that takes longer than any test waits.
    async fn slow(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        cue(ctx).reached.notify_one();
        unit.execute_raw(statement(unit, slow_sql(unit))).await?;
        Ok(true)
    }

    /// Starts a statement, drops it half way, and answers as if nothing were.
    async fn abandon(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        count_marks(unit).await?;
        let mut slow = Box::pin(unit.execute_unprepared(slow_sql(unit)));
        // PENDING proves that the statement is on its way.
        assert!(futures_util::poll!(&mut slow).is_pending());
        drop(slow);
        Ok(true)
    }

    /// Reads the counter, waits for the test if it says so and this is the first time, and writes one more than it has read.
    async fn increment(&self, ctx: &Context<'_>, #[graphql(default)] meet: bool) -> Result<i64> {
        let unit = ctx.unit();
        let earlier = cue(ctx).increments.fetch_add(1, Ordering::SeqCst);
        let row = unit
            .query_one_raw(statement(unit, "SELECT value FROM counter"))
            .await?;
        let value: i64 = row.ok_or("no counter")?.try_get_by_index(0)?;
        if meet && earlier == 0 {
            cue(ctx).meet().await;
        }
        let update = format!("UPDATE counter SET value = {}", value + 1);
        unit.execute_raw(statement(unit, &update)).await?;
        Ok(value + 1)
    }

    /// As `increment`, but looks away from what the database says.
    async fn increment_and_swallow(&self, ctx: &Context<'_>, meet: bool) -> bool {
        let _ = self.increment(ctx, meet).await;
        true
    }

    /// Removes a mark if there is another one. Two operations that share a barrier in their data both look before either
    /// removes.
    async fn remove_unless_last(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        let unit = ctx.unit();
        let marks = count_marks(unit).await?;
        if cue(ctx).increments.fetch_add(1, Ordering::SeqCst) < 2 {
            ctx.data_unchecked::<Arc<Barrier>>().wait().await;
        }
        if marks > 1 {
            let delete = format!("DELETE FROM mark WHERE name = '{name}'");
            unit.execute_raw(statement(unit, &delete)).await?;
        }
        Ok(marks > 1)
    }

    /// Registers one effect of each kind; the one that nobody waits for meets the test.
    async fn effects_of_all_kinds(&self, ctx: &Context<'_>) -> bool {
        let (unit, cue) = (ctx.unit(), cue(ctx));
        let effect = |name: &'static str, meet: bool| {
            let cue = Arc::clone(cue);
            async move {
                if meet {
                    cue.meet().await;
                }
                lock(&cue.effects).push(name.to_owned());
            }
        };
        unit.after_rollback(effect("rolled back", false));
        unit.after_commit_detached(effect("detached", true));
        unit.after_commit(effect("committed", false));
        true
    }

    /// Asks for another unit while it holds its own.
    async fn asks_for_another_unit(&self, ctx: &Context<'_>) -> Result<bool> {
        insert_mark(ctx.unit(), "outer").await?;
        let database: &Database = ctx.data_unchecked();
        database
            .write(async |unit| insert_mark(&unit, "inner").await)
            .await?;
        Ok(true)
    }

    /// Answers normally, and wants none of it.
    async fn rollback_only(&self, ctx: &Context<'_>, reason: String) -> bool {
        ctx.unit().set_rollback_only(reason);
        true
    }

    /// Lets a clone of the handle out of the operation.
    async fn escape(&self, ctx: &Context<'_>) -> bool {
        *lock(&cue(ctx).handle) = Some(ctx.unit().clone());
        true
    }

    /// Registers effects, the second of which panics.
    async fn effects(&self, ctx: &Context<'_>) -> bool {
        for name in ["first", "panics", "last"] {
            let cue = Arc::clone(cue(ctx));
            ctx.unit().after_commit(async move {
                assert_ne!(name, "panics", "an effect panics");
                lock(&cue.effects).push(name.to_owned());
            });
        }
        true
    }

    /// Registers an effect that waits for the test.
    async fn effect_meets(&self, ctx: &Context<'_>) -> bool {
        let cue = Arc::clone(cue(ctx));
        ctx.unit().after_commit(async move {
            cue.meet().await;
            lock(&cue.effects).push("met".to_owned());
        });
        true
    }

    /// Reads through a loader, writes, and reads the same again.
    async fn marks_around_a_write(&self, ctx: &Context<'_>) -> Result<Vec<Option<i64>>> {
        let loader = ctx.loader::<MarkCounts>();
        let before = loader.load_one(0).await?;
        insert_mark(ctx.unit(), "between").await?;
        Ok(vec![before, loader.load_one(0).await?])
    }
}
