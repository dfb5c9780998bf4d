//! The subscription root. Each stream has a few events, and ends.

use async_graphql::{Context, MaybeUndefined, Object, Result, Subscription};
use futures_util::{Stream, stream};

use crate::{
    inputs::Filter,
    objects::{Book, Thing},
    table::{Answer, answer, arguments},
};

/// The subscription root.
pub struct Subscription;

/// An event.
pub struct Tick(u32);

impl Answer for Tick {
    fn of(number: u32) -> Self {
        Self(number.max(1))
    }
}

/// An event.
#[Object]
impl Tick {
    async fn number(&self, ctx: &Context<'_>) -> Result<i32> {
        answer(ctx, self.0, "Tick.number", &arguments!())
    }

    async fn thing(&self, ctx: &Context<'_>) -> Option<Result<Thing>> {
        answer(ctx, self.0, "Tick.thing", &arguments!())
    }

    async fn book(&self, ctx: &Context<'_>) -> Option<Result<Book>> {
        answer(ctx, self.0, "Tick.book", &arguments!())
    }
}

#[Subscription]
impl Subscription {
    async fn ticks(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 1)] from: i32,
        filter: MaybeUndefined<Filter>,
    ) -> impl Stream<Item = Tick> + use<> {
        let ticks: Vec<Tick> = answer(ctx, 0, "Subscription.ticks", &arguments!(from, [filter]));
        stream::iter(ticks)
    }

    async fn books(&self, ctx: &Context<'_>) -> impl Stream<Item = Option<Book>> + use<> {
        let books: Vec<Option<Book>> = answer(ctx, 0, "Subscription.books", &arguments!());
        stream::iter(books)
    }

    async fn counts(&self, ctx: &Context<'_>) -> impl Stream<Item = i32> + use<> {
        let counts: Vec<i32> = answer(ctx, 0, "Subscription.counts", &arguments!());
        stream::iter(counts)
    }
}
