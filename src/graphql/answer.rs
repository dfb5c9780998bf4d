//! How many fields an answer has, where that is known only when it is made.

use async_graphql::{Context, Result};
use graphql_operation::{AnswerCount, PreparedOperation};
use unit_of_work::{ContextExt as _, UnitLoader, UnitOfWork};

/// What one unit of work answers beyond what was counted before. It loads nothing: like a loader, it is made anew for each attempt
/// and for each event.
struct Answer(AnswerCount);

impl UnitLoader for Answer {
    fn from_unit(_: UnitOfWork) -> Self {
        Self(AnswerCount::default())
    }
}

/// Counts a list that a resolver is about to answer.
///
/// # Errors
/// Where the answer would have more fields than the limit of complexity allows.
pub(super) fn count_items(ctx: &Context<'_>, items: usize) -> Result<()> {
    match PreparedOperation::beyond(ctx, items) {
        0 => Ok(()),
        fields => ctx.loader::<Answer>().loader().0.add(ctx, fields),
    }
}
