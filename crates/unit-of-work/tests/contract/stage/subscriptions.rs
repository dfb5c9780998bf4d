//! Streams.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, Subscription};
use futures_util::{Stream, StreamExt, stream};
use unit_of_work::ContextExt;

use super::{
    cue::{cue, lock},
    query::panics,
    sql::count_marks,
};

pub struct Subscriptions;

#[Subscription]
impl Subscriptions {
    /// One event at once and one after the cue; each counts the marks it sees.
    async fn ticks(&self, ctx: &Context<'_>) -> impl Stream<Item = Tick> {
        let cue = Arc::clone(cue(ctx));
        *lock(&cue.streams) += 1;
        stream::iter([false, true]).then(move |wait| {
            let cue = Arc::clone(&cue);
            async move {
                if wait {
                    cue.meet().await;
                }
                Tick
            }
        })
    }

    async fn panics_when_polled(&self) -> impl Stream<Item = i32> {
        stream::once(async { panic!("the stream's own words") })
    }

    async fn panics_when_resolved(&self) -> impl Stream<Item = Bad> {
        stream::iter([Bad, Bad])
    }
}

pub struct Tick;

#[Object]
impl Tick {
    async fn marks(&self, ctx: &Context<'_>) -> Result<i64> {
        Ok(count_marks(ctx.unit()).await?)
    }
}

pub struct Bad;

#[Object]
impl Bad {
    async fn panics(&self) -> i32 {
        panics()
    }
}
