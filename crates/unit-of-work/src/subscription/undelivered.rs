//! Why an event does not reach its subscriber.

use async_graphql::{Response, Value};

/// Why an event was not delivered: the error of its response.
///
/// ```
/// use async_graphql::{Error, ErrorExtensions};
/// use unit_of_work::Undelivered;
///
/// fn interrupted(why: Undelivered) -> Error {
///     Error::new("The feed was interrupted.").extend_with(|_, extensions| {
///         extensions.set("retryable", why.retryable);
///     })
/// }
/// # let _ = interrupted;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// `extensions.code` of the first error.
    pub code: Option<String>,
    /// `extensions.id` of the first error. The log has the cause under this id.
    pub id: Option<String>,
    /// Whether another attempt to deliver the same event may succeed.
    pub retryable: bool,
}

impl Undelivered {
    pub(super) fn of(response: &Response) -> Self {
        let extensions = response
            .errors
            .first()
            .and_then(|it| it.extensions.as_ref());
        let text = |name| match extensions.and_then(|extensions| extensions.get(name)) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        let retryable = extensions.and_then(|extensions| extensions.get("retryable"));
        Self {
            code: text("code"),
            id: text("id"),
            retryable: retryable == Some(&Value::Boolean(true)),
        }
    }
}
