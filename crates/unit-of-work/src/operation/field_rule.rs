//! Rules of an operation's answer that can only be kept field by field, inside the unit of work.
//!
//! An extension of the schema could keep them too, and would cost each field of each operation a box. And it would have to be
//! registered inside: what it adds to a response outside comes after COMMIT.

use std::{fmt, sync::Arc};

use async_graphql::{
    QueryPathNode, Request, Response, ServerResult, Value, extensions::ExtensionContext,
    parser::types::Field,
};

/// A field, or an item of a list, that was resolved.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResolvedField<'a> {
    /// Where it is in the response.
    pub path: &'a QueryPathNode<'a>,
    /// The type of its value, as it is written in the schema.
    pub return_type: &'a str,
    /// What the document asks for.
    pub field: &'a Field,
}

/// Decides what becomes of the value or the error of each field of one request, introspection included, before the unit is
/// finished.
///
/// Errors that it makes or hands over are errors of the operation as any others: they are masked, and a mutation that has one
/// is rolled back.
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
    /// Execution begins: of the operation, or of an event of a subscription. One that is run again has a rule of its own, but
    /// for an event, which has that of its subscription.
    fn begin(&self) {}

    /// A field is about to be resolved.
    ///
    /// # Errors
    /// The error that the field has instead. It is not resolved then, and [`resolved`](Self::resolved) is not asked.
    fn before(&self) -> ServerResult<()> {
        Ok(())
    }

    /// What becomes of the value, or the error, of a field. Fields come before what they are in. It is called for every field,
    /// and should cost next to nothing.
    ///
    /// # Errors
    /// The error that the field has.
    fn resolved(
        &self,
        field: ResolvedField<'_>,
        result: ServerResult<Option<Value>>,
    ) -> ServerResult<Option<Value>>;

    /// Execution is over, and the unit not finished: the response may still be changed. It is not called where the operation
    /// was cut short by its deadline or a panic.
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
