//! A schema has one extension of this crate: with two, the inner one would lend its units to all resolvers, and the outer one commit
//! nothing.
//!
//! async-graphql tells an extension nothing of the others, but they see the same request one after the other. The first request of a
//! schema is marked by each; who finds a mark there refuses that request, and all that follow.

use std::sync::OnceLock;

use async_graphql::{Request, ServerError};

use crate::{codes, operation::respond::coded};

/// What was found out about a schema's other extensions.
#[derive(Debug, Default)]
pub(super) struct Alone {
    has_run: OnceLock<()>,
    is_second: OnceLock<()>,
}

/// An extension of this crate has seen the request.
#[derive(Clone, Copy)]
pub(crate) struct Seen;

impl Alone {
    /// Looks for another extension that has prepared this request.
    pub(super) fn prepare(&self, request: &mut Request) -> Result<(), ServerError> {
        if request.data.contains_key(&std::any::TypeId::of::<Seen>()) {
            self.is_second.get_or_init(|| ());
        }
        if self.is_second.get().is_some() {
            tracing::error!("a schema has two of UnitOfWorkExtension; its operations are refused");
            return Err(coded(
                "The schema has two units of work for each operation, so nothing of it was run. The server has to register one \
                 `UnitOfWorkExtension`; `UnitOfWorkExtension::choosing` finds one of several databases for each operation.",
                codes::TWO_UNITS,
                false,
            ));
        }
        if self.has_run.get().is_none() {
            request.data.insert(Seen);
        }
        Ok(())
    }

    /// All extensions have prepared a request, and none has refused it.
    pub(super) fn runs(&self) {
        self.has_run.get_or_init(|| ());
    }
}
