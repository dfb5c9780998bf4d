//! A schema whose resolvers make savepoints.

use async_graphql::{Context, Error, Object, Result};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::sync::Notify;
use unit_of_work::{ContextExt, Database, FailureKind, UnitError};

use crate::stage::{MarkCounts, PATIENCE, count_marks, insert_mark};

use super::scene::*;

pub(super) struct Query;

#[Object]
impl Query {
    async fn marks_in_a_savepoint(&self, ctx: &Context<'_>) -> Result<i64> {
        let count = ctx.unit().savepoint(async |tx| count_marks(tx).await);
        Ok(count.await?)
    }

    /// Tries to write, and reads on.
    async fn marks_after_a_refused_write(&self, ctx: &Context<'_>) -> Result<i64> {
        let written = ctx.unit().savepoint(async |tx| insert_mark(tx, "a").await);
        let error = written.await.expect_err("is refused");
        assert_eq!(FailureKind::of(&error), FailureKind::ReadOnly);
        Ok(count_marks(ctx.unit()).await?)
    }

    async fn marks_after_a_dropped_savepoint(&self, ctx: &Context<'_>) -> Result<i64> {
        let inside = Notify::new();
        let endless = ctx.unit().savepoint(async |tx| -> Result<(), DbErr> {
            count_marks(tx).await?;
            inside.notify_one();
            std::future::pending().await
        });
        tokio::select! {
            ended = endless => panic!("{ended:?}"),
            () = inside.notified() => {}
        }
        Ok(count_marks(ctx.unit()).await?)
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    /// Inserts `a`, tries to insert it again, and goes on with `b`.
    async fn handles(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        insert_mark(unit, "a").await?;
        let name = String::from("a");
        let again = unit.savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            insert_mark(tx, &name).await
        });
        let error = again.await.expect_err("is there already");
        assert_eq!(FailureKind::of(&error), FailureKind::Constraint);
        insert_mark(unit, "b").await?;
        Ok(true)
    }

    async fn keeps(&self, ctx: &Context<'_>, name: String) -> Result<String> {
        let unit = ctx.unit();
        unit.savepoint(async |tx| -> Result<String> {
            insert_mark(tx, &name).await?;
            Ok(name)
        })
        .await
    }

    /// The body refuses, with no statement that failed.
    async fn undoes(&self, ctx: &Context<'_>) -> Result<bool> {
        let undone = ctx.unit().savepoint(async |tx| -> Result<()> {
            insert_mark(tx, "undone").await?;
            Err(Error::new("refused"))
        });
        assert_eq!(undone.await.expect_err("is refused").message, "refused");
        Ok(true)
    }

    async fn inner_undone(&self, ctx: &Context<'_>) -> Result<bool> {
        let outer = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "outer").await?;
            for again in ["outer", "inner"] {
                let inner = tx.savepoint(async |tx| {
                    insert_mark(tx, "inner").await?;
                    insert_mark(tx, again).await
                });
                inner.await.expect_err("is there already");
            }
            tx.savepoint(async |tx| insert_mark(tx, "second").await)
                .await?;
            insert_mark(tx, "third").await
        });
        outer.await?;
        Ok(true)
    }

    async fn outer_undone(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let outer = unit.savepoint(async |tx| {
            insert_mark(tx, "outer").await?;
            tx.savepoint(async |tx| insert_mark(tx, "inner").await)
                .await?;
            Err::<(), _>(refused())
        });
        outer.await.expect_err("is refused");
        insert_mark(unit, "a").await?;
        Ok(true)
    }

    async fn pair(&self) -> Pair {
        Pair
    }

    /// Uses what is held by the savepoint, in every way there is, and looks away.
    async fn uses_what_it_holds(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let inside = UnitError::InsideSavepoint;
        let swallowed = unit.savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            assert_eq!(refusal(insert_mark(unit, "lost").await), inside);
            Ok::<_, DbErr>(())
        });
        assert_eq!(refusal(swallowed.await), UnitError::SavepointFailed);

        let twice = unit.savepoint(async |_| {
            unit.savepoint(async |tx| insert_mark(tx, "lost").await)
                .await
        });
        assert_eq!(refusal(twice.await), inside);

        let outer = unit.savepoint(async |outer| {
            let inner = outer.savepoint(async |_| insert_mark(outer, "lost").await);
            assert_eq!(refusal(inner.await), inside);
            let inner = outer.savepoint(async |_| count_marks(unit).await);
            assert_eq!(refusal(inner.await), inside);
            insert_mark(outer, "outer").await
        });
        outer.await?;

        let loader = ctx.loader::<MarkCounts>();
        let loaded = unit.savepoint(async |_| match loader.load_one(0).await {
            Err(error) => {
                assert_eq!(UnitError::in_db_err(&error), Some(&inside));
                Err(refused())
            }
            Ok(count) => panic!("{count:?}"),
        });
        loaded
            .await
            .map(|()| true)
            .expect_err("the body has refused");

        insert_mark(unit, "a").await?;
        Ok(true)
    }

    /// Another database's unit is no business of this unit's savepoint.
    async fn another_unit(&self, ctx: &Context<'_>) -> Result<i64> {
        let other: &Database = ctx.data_unchecked();
        let count = ctx
            .unit()
            .savepoint(async |_| other.read(async |other| count_marks(&other).await).await);
        Ok(count.await?)
    }

    async fn effects(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        unit.after_commit(leaves(ctx, "first"));
        let undone = unit.savepoint(async |tx| {
            tx.after_commit(leaves(ctx, "undone"));
            unit.after_commit(leaves(ctx, "undone through the unit"));
            tx.savepoint(async |tx| {
                tx.after_commit(leaves(ctx, "undone with the outer one"));
                count_marks(tx).await
            })
            .await?;
            Err::<(), _>(refused())
        });
        undone.await.expect_err("is refused");
        unit.after_commit(leaves(ctx, "second"));
        let kept = unit.savepoint(async |outer| {
            outer.after_commit(leaves(ctx, "third"));
            let undone = outer.savepoint(async |tx| {
                tx.after_commit(leaves(ctx, "undone inside"));
                // The handle that belongs outside says where it belongs.
                outer.after_commit(leaves(ctx, "fourth"));
                Err::<(), _>(refused())
            });
            undone.await.expect_err("is refused");
            unit.after_commit(leaves(ctx, "fifth"));
            Ok::<_, DbErr>(())
        });
        kept.await?;
        unit.after_commit(leaves(ctx, "last"));
        Ok(true)
    }

    /// The body's statement fails, and the body answers as if nothing were.
    async fn swallows(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let swallowed = unit.savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            let _ = insert_mark(tx, "undone").await;
            assert_eq!(refusal(count_marks(tx).await), UnitError::SavepointFailed);
            let inner = tx.savepoint(async |tx| count_marks(tx).await).await;
            assert_eq!(refusal(inner), UnitError::SavepointFailed);
            Ok::<_, DbErr>(())
        });
        assert_eq!(refusal(swallowed.await), UnitError::SavepointFailed);
        insert_mark(unit, "a").await?;
        Ok(true)
    }

    /// The savepoint's failure is passed on.
    async fn passes_on(&self, ctx: &Context<'_>) -> Result<bool> {
        let swallowed = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            let _ = insert_mark(tx, "undone").await;
            Ok::<_, DbErr>(true)
        });
        Ok(swallowed.await?)
    }

    async fn drops(&self, ctx: &Context<'_>) -> Result<bool> {
        drop_half_way(ctx.unit()).await;
        assert_eq!(refusal(count_marks(ctx.unit()).await), UnitError::Doomed);
        Ok(true)
    }

    /// A savepoint that is dropped inside another one makes that one fail, and no more.
    async fn drops_inside(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let outer = unit.savepoint(async |outer| {
            let inside = Notify::new();
            let endless = outer.savepoint(async |tx| -> Result<(), DbErr> {
                insert_mark(tx, "undone").await?;
                inside.notify_one();
                std::future::pending().await
            });
            tokio::select! {
                ended = endless => panic!("{ended:?}"),
                () = inside.notified() => {}
            }
            Ok::<_, DbErr>(())
        });
        assert_eq!(refusal(outer.await), UnitError::SavepointFailed);
        insert_mark(unit, "a").await?;
        Ok(true)
    }

    /// A statement that is dropped half way makes its savepoint fail, and no more.
    async fn abandons(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        let abandoned = unit.savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            let mut slow = Box::pin(tx.execute_unprepared(brief_sql(tx)));
            assert!(futures_util::poll!(&mut slow).is_pending());
            drop(slow);
            Ok::<_, DbErr>(())
        });
        assert_eq!(refusal(abandoned.await), UnitError::SavepointFailed);
        insert_mark(unit, "a").await?;
        Ok(true)
    }

    async fn panics(&self, ctx: &Context<'_>) -> Result<bool> {
        let panics = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            assert!(PATIENCE.is_zero(), "the body's own words");
            Ok::<_, DbErr>(true)
        });
        Ok(panics.await?)
    }

    /// Reads, waits for the test, and writes in a savepoint whose error it looks away from.
    async fn conflicts(&self, ctx: &Context<'_>) -> Result<bool> {
        let unit = ctx.unit();
        count_marks(unit).await?;
        cue(ctx).meet().await;
        let update = unit.savepoint(async |tx| {
            tx.execute_unprepared("UPDATE mark SET name = 'mine' WHERE name = 'a'")
                .await
        });
        let _ = update.await.expect_err("fails");
        assert_eq!(refusal(count_marks(unit).await), UnitError::Doomed);
        Ok(true)
    }

    /// The body waits for the test, in the middle.
    async fn meets(&self, ctx: &Context<'_>) -> Result<bool> {
        let met = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            cue(ctx).meet().await;
            insert_mark(tx, "undone as well").await
        });
        let _ = met.await;
        Ok(true)
    }
}

/// A statement that outlasts a turn of the operation, and not by much.
pub fn brief_sql(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        sea_orm::DbBackend::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT COUNT(*) FROM n"
        }
        sea_orm::DbBackend::MySql => "SELECT SLEEP(0.2)",
        _ => "SELECT pg_sleep(0.2)",
    }
}

pub(super) struct Pair;

#[Object]
impl Pair {
    /// Its savepoint is rolled back, once the sibling has tried to get in.
    async fn undone(&self, ctx: &Context<'_>) -> Result<bool> {
        let undone = ctx.unit().savepoint(async |tx| {
            insert_mark(tx, "undone").await?;
            ctx.unit().after_commit(leaves(ctx, "undone"));
            meeting(ctx).inside.notify_one();
            meeting(ctx).tried.notified().await;
            insert_mark(tx, "undone").await
        });
        undone.await.expect_err("is there already");
        Ok(true)
    }

    async fn beside(&self, ctx: &Context<'_>) -> Result<bool> {
        meeting(ctx).inside.notified().await;
        let mut insert = Box::pin(insert_mark(ctx.unit(), "beside"));
        assert!(futures_util::poll!(&mut insert).is_pending());
        ctx.unit().after_commit(leaves(ctx, "beside"));
        meeting(ctx).tried.notify_one();
        Ok(insert.await.map(|()| true)?)
    }
}
