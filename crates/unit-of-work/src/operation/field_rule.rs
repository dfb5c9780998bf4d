//! Rules of an answer that can only be kept field by field, inside the unit of work.
//!
//! Another extension of the schema could keep them too, but it would cost an allocation for each field of each operation. And it would have
//! to be registered inside, since what an outer extension adds to a response comes after COMMIT.

use std::{fmt, sync::Arc};

use async_graphql::{
    QueryPathNode, Request, Response, ServerResult, Value, extensions::ExtensionContext,
    parser::types::Field,
};

/// A field, or an item of a list, that was resolved. There is an example at [`FieldRule`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResolvedField<'a> {
    /// The path in the response.
    pub path: &'a QueryPathNode<'a>,
    /// The type of the value, as the schema writes it.
    pub return_type: &'a str,
    /// The field in the document.
    pub field: &'a Field,
}

/// Can replace the value or error of each field of one request, including introspection, before the unit is finished.
///
/// Its errors are errors of the operation like any others: they are masked, and roll back a mutation.
///
/// ```
/// # use async_graphql::{Response, ServerError, ServerResult, Value};
/// # use unit_of_work::{FieldRule, ResolvedField};
/// /// No text is longer than a tweet.
/// struct Short;
///
/// impl FieldRule for Short {
///     fn resolved(
///         &self,
///         _: ResolvedField<'_>,
///         result: ServerResult<Option<Value>>,
///     ) -> ServerResult<Option<Value>> {
///         match result {
///             Ok(Some(Value::String(text))) if text.len() > 280 => {
///                 Err(ServerError::new("This text is too long.", None))
///             }
///             other => other,
///         }
///     }
/// }
/// ```
pub trait FieldRule: Send + Sync + 'static {
    /// Called before each execution of the operation or of a subscription's event. Another attempt at an operation has a new rule; all
    /// events of a subscription have the same one.
    fn begin(&self) {}

    /// Called before a field is resolved.
    ///
    /// # Errors
    /// The error that the field gets. Then it is not resolved, and [`resolved`](Self::resolved) is not called.
    fn before(&self) -> ServerResult<()> {
        Ok(())
    }

    /// Called with the value or error of a field; returns the outcome that the engine uses. Inner fields come before the fields around
    /// them. It is called for every field, so it must be cheap.
    ///
    /// # Errors
    /// The error that the field gets.
    fn resolved(
        &self,
        field: ResolvedField<'_>,
        result: ServerResult<Option<Value>>,
    ) -> ServerResult<Option<Value>>;

    /// Called after the execution, before the unit is finished: the response may still be changed. It is not called if the deadline or a
    /// panic has ended the operation.
    fn finish(&self, response: &mut Response) {
        let _ = response;
    }
}

/// Makes the rule of each request.
#[derive(Clone)]
pub(crate) struct FieldRules(Arc<Make>);

type Make =
    dyn Fn(&ExtensionContext<'_>, &Request) -> Option<Box<dyn FieldRule>> + Send + Sync + 'static;

impl FieldRules {
    pub(crate) fn new(
        make: impl Fn(&ExtensionContext<'_>, &Request) -> Option<Box<dyn FieldRule>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn of(
        &self,
        ctx: &ExtensionContext<'_>,
        request: &Request,
    ) -> Option<Box<dyn FieldRule>> {
        (self.0)(ctx, request)
    }
}

impl fmt::Debug for FieldRules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FieldRules")
    }
}
