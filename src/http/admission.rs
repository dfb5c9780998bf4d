//! What every operation passes before it reaches the executor, on whichever transport it came.

use std::sync::Arc;

use async_graphql::{Request, parser::types::OperationType};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    auth::Caller, limits::Limits, operation, parsed::Parsed, persisted::Documents, refusal::Refusal,
};

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
    /// `None` where the document does not parse, or does not say which operation is meant: the executor reports it.
    pub(super) kind: Option<OperationType>,
}

impl Admitted {
    /// The request as this caller's, if it may run it.
    pub(super) fn of(self, caller: &Caller) -> Result<Self, Refusal> {
        if let Some(kind) = self.kind {
            caller.may(kind)?;
        }
        Ok(Self {
            request: caller.mark(self.request),
            kind: self.kind,
        })
    }
}

/// Gives a request its document where it only names one, checks it against the limits, and tells the kind of its operation.
pub(super) fn admit(
    mut request: Request,
    documents: &Documents,
    parsed: &Parsed,
    limits: &Limits,
) -> Result<Admitted, Refusal> {
    documents.resolve(&mut request)?;
    // What was parsed before was short enough to be.
    if parsed.find(&mut request) {
        limits.check(&mut request)?;
    } else {
        let tokens = limits.check_text(&request.query)?;
        limits.check(&mut request)?;
        parsed.keep(&mut request, tokens);
    }
    let name = request.operation_name.clone();
    // The request keeps the parsed document, so this is the one parse.
    let kind = request
        .parsed_query()
        .ok()
        .and_then(|document| operation::select(document, name.as_deref()))
        .map(|operation| operation.ty);
    Ok(Admitted { request, kind })
}
