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
    let kind = kind_of(&mut request)?;
    Ok(Admitted { request, kind })
}

/// The kind of the operation that will run. The request keeps the parsed document, so this is the one parse.
fn kind_of(request: &mut Request) -> Result<OperationType, Refusal> {
    let name = request.operation_name.clone();
    let document = request.parsed_query().map_err(Refusal::parse)?;
    let operation = operation::select(document, name.as_deref());
    let operation = operation.ok_or_else(|| Refusal::operation(name.as_deref()))?;
    Ok(operation.ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_told_is_not_admitted() {
        let kind = |text: &str, name: Option<&str>| {
            let mut request = Request::new(text);
            request.operation_name = name.map(str::to_owned);
            kind_of(&mut request).map_err(|refusal| refusal.into_graphql().errors.remove(0))
        };
        let two = "query A { a } mutation B { b }";
        assert_eq!(kind(two, Some("B")), Ok(OperationType::Mutation));
        for (text, name) in [
            (two, None),
            (two, Some("C")),
            ("mutation { a }", Some("A")),
            ("mutation { a", None),
            ("", None),
        ] {
            let error = kind(text, name).unwrap_err();
            assert!(error.extensions.is_some(), "{text}: {error:?}");
        }
    }
}
