//! Refuses a schema that has two extensions of this crate. The inner one would lend its units to the resolvers, and the outer one would
//! commit units that nobody used.
//!
//! async-graphql does not tell an extension which others there are, but all of them see the same request. Until a schema has run its first
//! operation, the extension marks each request. If it finds a mark, another one has already seen the request.

use std::{any::TypeId, sync::OnceLock};

use async_graphql::{Request, SchemaEnv, ServerError};

use crate::{codes, operation::respond::coded};

/// Whether the extension is the only one of its schema. Its clones share this, and may be on other schemas.
#[derive(Default)]
pub(super) struct Alone {
    /// The first schema that ran an operation. Held, so that no other schema gets its address.
    known: OnceLock<SchemaEnv>,
}

/// Marks a request that an extension of this crate has seen.
#[derive(Clone, Copy)]
struct Seen;

impl Alone {
    /// Refuses a request that another extension has seen.
    pub(super) fn prepare(
        &self,
        schema: &SchemaEnv,
        request: &mut Request,
    ) -> Result<(), ServerError> {
        if self.known.get().is_some_and(|known| is_same(known, schema)) {
            return Ok(());
        }
        if request.data.contains_key(&TypeId::of::<Seen>()) {
            tracing::error!("a schema has two of UnitOfWorkExtension; its operations are refused");
            return Err(coded(
                "The schema has two units of work for each operation, so nothing of it was run. The server has to register one \
                 `UnitOfWorkExtension`; `UnitOfWorkExtension::choosing` finds one of several databases for each operation.",
                codes::TWO_UNITS,
                false,
            ));
        }
        request.data.insert(Seen);
        Ok(())
    }

    /// Notes that an operation runs: all extensions of the schema have prepared its request, and none has refused it.
    pub(super) fn runs(&self, schema: &SchemaEnv) {
        self.known.get_or_init(|| schema.clone());
    }
}

fn is_same(one: &SchemaEnv, other: &SchemaEnv) -> bool {
    std::ptr::eq(&raw const one.registry, &raw const other.registry)
}

impl std::fmt::Debug for Alone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Alone").finish_non_exhaustive()
    }
}
