//! Resolves one field, or item of a list.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_graphql::{ServerResult, Value};

use super::PerRequest;
use crate::{
    FieldRule, ResolvedField,
    operation::{failures::InField, located},
};

pin_project_lite::pin_project! {
    /// Waits for its turn, asks the rule, resolves the field, and passes the result to the rule.
    pub(super) struct Resolving<'a, F> {
        request: &'a PerRequest,
        rule: Option<&'a dyn FieldRule>,
        field: ResolvedField<'a>,
        place: InField<'a>,
        has_begun: bool,
        #[pin]
        resolve: F,
    }
}

impl<'a, F> Resolving<'a, F> {
    pub(super) fn new(
        request: &'a PerRequest,
        rule: Option<&'a dyn FieldRule>,
        field: ResolvedField<'a>,
        resolve: F,
    ) -> Self {
        Self {
            request,
            rule,
            field,
            place: InField::new(field.path),
            has_begun: false,
            resolve,
        }
    }
}

impl<F: Future<Output = ServerResult<Option<Value>>>> Future for Resolving<'_, F> {
    type Output = ServerResult<Option<Value>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if !*this.has_begun {
            ready!(this.request.turn.poll_field(context));
            *this.has_begun = true;
            if let Some(rule) = this.rule {
                rule.before()?;
            }
        }
        let resolve = this.resolve;
        let resolved = ready!(this.place.enter(|| resolve.poll(context)));
        let path = this.field.path;
        let resolved = resolved.map_err(|error| located::remember(located::at(error, path)));
        Poll::Ready(match this.rule {
            Some(rule) => rule.resolved(*this.field, resolved),
            None => resolved,
        })
    }
}
