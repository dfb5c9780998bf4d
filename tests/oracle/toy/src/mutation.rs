//! The mutation root. What it executes, it writes down.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, MaybeUndefined, Object, Result};

use crate::{
    inputs::{Filter, Point, Spot, Style},
    objects::{Book, Thing},
    table::{Answer, Arguments, answer, arguments},
};

/// The mutation root.
pub struct Mutation;

/// Mutations with their arguments, in the order in which they were executed.
#[derive(Clone, Default)]
pub struct Executed(Arc<Mutex<Vec<String>>>);

impl Executed {
    fn add(&self, text: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    }

    /// All of them.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Waits once between the first and the second half of its work: a sibling that ran at the same time would be seen there.
async fn execute<T: Answer>(ctx: &Context<'_>, field: &str, arguments: &Arguments) -> T {
    let executed = ctx.data_unchecked::<Executed>();
    executed.add(format!("begin {field} {}", arguments.text()));
    tokio::task::yield_now().await;
    executed.add(format!("end {field}"));
    answer(ctx, 0, field, arguments)
}

#[Object]
impl Mutation {
    async fn put(
        &self,
        ctx: &Context<'_>,
        point: Point,
        #[graphql(default_with = "Some(\"none\".to_owned())")] note: Option<String>,
    ) -> Option<Result<Book>> {
        execute(ctx, "Mutation.put", &arguments!(point, note)).await
    }

    async fn bump(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 1)] by: i32,
    ) -> Result<Option<i32>> {
        execute(ctx, "Mutation.bump", &arguments!(by)).await
    }

    async fn set(&self, ctx: &Context<'_>, filter: Filter) -> Option<Result<Thing>> {
        execute(ctx, "Mutation.set", &arguments!(filter)).await
    }

    async fn paint(
        &self,
        ctx: &Context<'_>,
        spot: MaybeUndefined<Spot>,
        #[graphql(default_with = "Style::Bold")] style: Style,
    ) -> Result<Style> {
        execute(ctx, "Mutation.paint", &arguments!([spot], style)).await
    }
}
