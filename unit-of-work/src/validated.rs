//! Requests whose validation is known.

use std::sync::{Arc, OnceLock};

use async_graphql::ValidationResult;

/// What validation has found of a request, for other requests that it cannot tell from that one.
///
/// Clients send the same few documents again and again, and to validate one costs as much as to execute it. A server that
/// knows its documents puts one of these into the data of each request: the first one that is valid is noted in it, and those
/// after it are not validated again. What is refused is never noted.
///
/// ```
/// # use async_graphql::Request;
/// # use unit_of_work::Validated;
/// let known = Validated::default();
/// let first = Request::new("{ one }").data(known.clone());
/// let second = Request::new("{ one }").data(known);
/// ```
///
/// Share one only between requests to one schema with the same document, the same operation name, and variables that are
/// alike: validation refuses an argument whose value does not fit its type, and adds up complexities that may be computed from
/// arguments. Extensions that are registered after (inside) [`UnitOfWorkExtension`](crate::UnitOfWorkExtension) are not
/// asked for what is known.
#[derive(Clone, Debug, Default)]
pub struct Validated(Arc<OnceLock<ValidationResult>>);

impl Validated {
    pub(crate) fn get(&self) -> Option<ValidationResult> {
        self.0.get().copied()
    }

    pub(crate) fn note(&self, result: ValidationResult) {
        // Whoever was first found the same.
        let _ = self.0.set(result);
    }
}
