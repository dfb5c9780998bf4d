//! What every operation passes before it reaches the executor, on whichever transport it came.

use std::sync::Arc;

use async_graphql::{Request, parser::types::OperationType};
use graphql_operation::Preparer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{auth::Caller, persisted::Documents, refusal::Refusal};

/// The operations that may be under way at once. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    limit: usize,
}

/// The right to run an operation, or a batch one after the other. Dropping it gives it to somebody else.
pub(super) struct Slot(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

impl Slots {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(limit)),
            limit,
        }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.limit - self.free.available_permits()
    }

    /// Takes a slot if one is free. Nobody waits for one: a queue here would only grow, and its operations be run for
    /// clients that have given up.
    pub(super) fn take(&self) -> Result<Slot, Refusal> {
        Arc::clone(&self.free)
            .try_acquire_owned()
            .map(Slot)
            .map_err(|_| {
                metrics::counter!("graphql_overloaded_total").increment(1);
                Refusal::overloaded(self.limit)
            })
    }
}

/// A request that may be executed.
pub(super) struct Admitted {
    pub(super) request: Request,
    /// What scope, method and transport are asked about. Nothing is admitted whose kind is not known.
    pub(super) kind: OperationType,
}

impl Admitted {
    /// The request as this caller's, if it may run it.
    pub(super) fn of(self, caller: &Caller) -> Result<Self, Refusal> {
        caller.may(self.kind)?;
        Ok(Self {
            request: caller.mark(self.request),
            kind: self.kind,
        })
    }
}

/// Gives a request its document where it only names one, and prepares its operation.
pub(super) fn admit(
    mut request: Request,
    documents: &Documents,
    preparer: &Preparer,
) -> Result<Admitted, Refusal> {
    documents.resolve(&mut request)?;
    let prepared = preparer.admit(&mut request)?;
    Ok(Admitted {
        kind: prepared.kind(),
        request,
    })
}
