//! Counts the fields that an answer has beyond those that were counted before it ran.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{Context, Error, ErrorExtensions, QueryPathNode, QueryPathSegment, Result};

use crate::{
    measure::{Answered, List},
    prepared_operation::PreparedOperation,
};

/// Counts lists of an answer that are longer than usual, so that the limit of complexity holds for answers too. It is needed for lists
/// whose length is only known as [`Size::Usually`](crate::Size::Usually).
///
/// There must be one for each execution: each attempt at an operation and each event of a subscription has an answer of its own. Resolvers
/// get it from wherever the server keeps the data of one execution.
///
/// ```
/// # use async_graphql::{Context, Object, Result};
/// use graphql_operation::AnswerCount;
///
/// struct Entry { lines: Vec<i32> }
///
/// #[Object]
/// impl Entry {
///     async fn lines(&self, ctx: &Context<'_>) -> Result<&[i32]> {
///         ctx.data_unchecked::<AnswerCount>().list(ctx, self.lines.len())?;
///         Ok(&self.lines)
///     }
/// }
/// ```
#[derive(Debug, Default)]
pub struct AnswerCount(AtomicUsize);

impl AnswerCount {
    /// Counts a list that a resolver is about to return.
    ///
    /// # Errors
    /// As [`AnswerCount::add`].
    pub fn list(&self, ctx: &Context<'_>, items: usize) -> Result<()> {
        self.add(ctx, PreparedOperation::beyond(ctx, items))
    }

    /// Counts fields beyond those that were counted before the operation ran, as [`PreparedOperation::beyond`] returns them for a list.
    ///
    /// # Errors
    /// If the answer would have more fields than [`Limits::complexity`](crate::Limits::complexity) allows: the code
    /// `ANSWER_TOO_LARGE`, with `limit`, `max` and `value`.
    pub fn add(&self, ctx: &Context<'_>, fields: usize) -> Result<()> {
        let prepared = ctx.data_opt::<Arc<PreparedOperation>>();
        let Some(prepared) = prepared.filter(|_| fields > 0) else {
            return Ok(());
        };
        let add = |beyond: usize| Some(beyond.saturating_add(fields));
        // `fetch_update` cannot fail here: there is always a sum.
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .unwrap_or(usize::MAX);
        let beyond = before.saturating_add(fields);
        let total = prepared.measure().complexity.saturating_add(beyond);
        let max = prepared.options().limits.complexity;
        if total <= max {
            return Ok(());
        }
        let message = format!("the limit of complexity is {max}, and this answer has {total}");
        Err(Error::new(message).extend_with(|_, extensions| {
            extensions.set("code", "ANSWER_TOO_LARGE");
            extensions.set("limit", "complexity");
            extensions.set("max", max);
            extensions.set("value", total.min(i64::MAX as usize));
        }))
    }
}

impl PreparedOperation {
    /// How many fields a list that a resolver is about to return adds to those that were counted before the operation ran. 0 for a list
    /// that is no longer than usual, which is found out cheaply, and for an operation that was not prepared, which has no limits.
    #[must_use]
    pub fn beyond(ctx: &Context<'_>, items: usize) -> usize {
        let Some(prepared) = ctx.data_opt::<Arc<Self>>() else {
            return 0;
        };
        let Some(path) = &ctx.path_node else {
            return 0;
        };
        if items <= prepared.options().sizes.least_usual() {
            return 0;
        }
        // For an unknown list, nothing was counted beforehand.
        let List { counted, fields } = prepared.list(ctx, path).unwrap_or(List {
            counted: 0,
            fields: 1,
        });
        items.saturating_sub(counted).saturating_mul(fields)
    }

    fn list(&self, ctx: &Context<'_>, path: &QueryPathNode<'_>) -> Option<List> {
        let mut keys = Vec::new();
        let mut next = Some(path);
        while let Some(node) = next {
            if let QueryPathSegment::Name(name) = node.segment {
                keys.push(name);
            }
            next = node.parent;
        }
        keys.reverse();
        let answered = Answered {
            schema: self.schema(),
            sizes: &self.options().sizes,
            variables: &ctx.query_env.variables,
        };
        let (root, selections) = self.root()?;
        answered.list(selections, root, &keys)
    }
}
