//! Fields that read.

use async_graphql::{Context, Error, ErrorExtensions, Object, Result, SimpleObject};
use sea_orm::ConnectionTrait;
use unit_of_work::ContextExt;

use super::{
    PATIENCE,
    cue::cue,
    loader::MarkCounts,
    sql::{brief_sql, count_marks, endless_sql, insert_mark, slow_sql, statement},
};

pub(super) fn refused() -> Error {
    Error::new("refused").extend_with(|_, extensions| extensions.set("code", "REFUSED"))
}

/// Panics, as far as the compiler can tell only sometimes.
pub(super) fn panics() -> i32 {
    assert!(PATIENCE.is_zero(), "the resolver's own words");
    0
}

pub struct Query;

#[Object]
impl Query {
    async fn ping(&self) -> i32 {
        1
    }

    async fn marks(&self, ctx: &Context<'_>) -> Result<i64> {
        Ok(count_marks(ctx.unit()).await?)
    }

    /// A setting of PostgreSQL, as this unit's transaction sees it.
    pub(super) async fn setting(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        let unit = ctx.unit();
        let select = format!("SELECT current_setting('{name}', true)");
        let row = unit.query_one_raw(statement(unit, &select)).await?;
        Ok(row.ok_or("no row")?.try_get_by_index(0)?)
    }

    /// A statement that takes longer than any test waits.
    async fn slow(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.execute_unprepared(slow_sql(unit)).await?;
        Ok(true)
    }

    /// A statement that never ends by itself.
    async fn endless(&self, ctx: &Context<'_>, #[graphql(default)] begun: bool) -> Result<bool> {
        let unit = ctx.unit();
        if begun {
            count_marks(unit).await?;
        }
        cue(ctx).reached.notify_one();
        unit.execute_unprepared(endless_sql(unit)).await?;
        Ok(true)
    }

    /// Counts, waits for the test, and counts again.
    async fn marks_twice(&self, ctx: &Context<'_>) -> Result<Vec<i64>> {
        let before = count_marks(ctx.unit()).await?;
        cue(ctx).meet().await;
        Ok(vec![before, count_marks(ctx.unit()).await?])
    }

    /// Counts once, and meets the test.
    async fn marks_and_meet(&self, ctx: &Context<'_>) -> Result<i64> {
        let marks = count_marks(ctx.unit()).await?;
        cue(ctx).meet().await;
        Ok(marks)
    }

    async fn marks_in_a_loader(&self, ctx: &Context<'_>) -> Result<Option<i64>> {
        Ok(ctx.loader::<MarkCounts>().load_one(0).await?)
    }

    /// Polls a loader again and again, whether it was woken or not.
    async fn marks_by_a_busy_loader(&self, ctx: &Context<'_>) -> Result<Option<i64>> {
        let loader = ctx.loader::<MarkCounts>();
        let mut loaded = std::pin::pin!(loader.load_one(0));
        let busy = std::future::poll_fn(|context| {
            let polled = loaded.as_mut().poll(context);
            if polled.is_pending() {
                context.waker().wake_by_ref();
            }
            polled
        });
        Ok(busy.await?)
    }

    /// Counts when it is told to.
    async fn marks_after(&self, ctx: &Context<'_>) -> Result<i64> {
        cue(ctx).proceed.notified().await;
        Ok(count_marks(ctx.unit()).await?)
    }

    /// Asks the loader for the same again when it has answered.
    async fn marks_twice_in_a_loader(&self, ctx: &Context<'_>) -> Result<Vec<Option<i64>>> {
        let loader = ctx.loader::<MarkCounts>();
        let before = loader.load_one(0).await?;
        Ok(vec![before, loader.load_one(0).await?])
    }

    /// A list whose items each ask the loader.
    async fn items(&self, n: i32) -> Vec<Item> {
        (0..n).map(|id| Item { id }).collect()
    }

    async fn write(&self, ctx: &Context<'_>) -> Option<Result<bool>> {
        let inserted = insert_mark(ctx.unit(), "in a query").await;
        Some(inserted.map(|()| true).map_err(Error::from))
    }

    async fn panics(&self) -> i32 {
        panics()
    }

    /// A nullable field that fails when it is asked to.
    async fn maybe(&self, fail: bool) -> Option<Result<i32>> {
        Some(if fail { Err(refused()) } else { Ok(1) })
    }

    /// A non-null field that fails.
    async fn must(&self) -> Result<i32> {
        Err(refused())
    }

    async fn kid(&self) -> Option<Kid> {
        Some(Kid)
    }

    async fn must_have_kid(&self) -> Kid {
        Kid
    }

    async fn kids(&self) -> Vec<Option<Kid>> {
        vec![Some(Kid), None, Some(Kid)]
    }

    async fn must_be_kids(&self) -> Option<Vec<Kid>> {
        Some(vec![Kid, Kid])
    }

    async fn some_fail(&self) -> Vec<Option<Result<i32>>> {
        vec![Some(Ok(1)), Some(Err(refused())), None]
    }
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Item {
    id: i32,
}

#[async_graphql::ComplexObject]
impl Item {
    async fn marks(&self, ctx: &Context<'_>) -> Result<Option<i64>> {
        Ok(ctx.loader::<MarkCounts>().load_one(self.id).await?)
    }

    /// A list that is there when the loader has answered.
    async fn items(&self, ctx: &Context<'_>, n: i32) -> Result<Vec<Self>> {
        ctx.loader::<MarkCounts>().load_one(self.id).await?;
        let first = (self.id + 1) * 1_000;
        Ok((first..first + n).map(|id| Self { id }).collect())
    }
}

pub struct Kid;

#[Object]
impl Kid {
    async fn ping(&self) -> i32 {
        1
    }

    async fn maybe(&self) -> Option<Result<i32>> {
        Some(Err(refused()))
    }

    async fn must(&self) -> Result<i32> {
        Err(refused())
    }

    async fn kid(&self) -> Kid {
        Self
    }

    /// Tells the test's cue, and goes into a statement that takes a while.
    async fn reads_slowly(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        // Begun, so that what comes next is a statement and not a BEGIN.
        count_marks(unit).await?;
        cue(ctx).reached.notify_one();
        unit.execute_unprepared(brief_sql(unit)).await?;
        Ok(true)
    }

    /// Fails once its sibling is in its statement.
    async fn fails_meanwhile(&self, ctx: &Context<'_>) -> Result<bool> {
        cue(ctx).reached().await;
        cue(ctx).proceed();
        Err(refused())
    }
}
