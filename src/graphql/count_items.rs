//! Counts the fields of an answer whose number is known only when they are read.

use async_graphql::{Context, Result};
use graphql_operation::{AnswerCount, PreparedOperation};
use unit_of_work::{ContextExt as _, UnitLoader, UnitOfWork};

/// Counts the fields of one attempt or event, beyond those counted beforehand. It is registered as a loader, since loaders are created anew
/// for each attempt and each event.
struct Answer(AnswerCount);

impl UnitLoader for Answer {
    fn from_unit(_: UnitOfWork) -> Self {
        Self(AnswerCount::default())
    }
}

/// Counts a list that a resolver is about to answer.
///
/// # Errors
/// If the answer would have more fields than the limit of complexity allows.
pub(super) fn count_items(ctx: &Context<'_>, items: usize) -> Result<()> {
    match PreparedOperation::beyond(ctx, items) {
        0 => Ok(()),
        fields => ctx.loader::<Answer>().loader().0.add(ctx, fields),
    }
}
