//! What every operation passes before it reaches the executor, on whichever transport it came.

use async_graphql::{Request, parser::types::OperationType};
use graphql_operation::Preparer;

use super::{access::Caller, refusal::Refusal, slots::Cost};

/// A request that may be executed.
pub(super) struct Admitted {
    pub(super) request: Request,
    /// What scope, method and transport are asked about. Nothing is admitted whose kind is not known.
    pub(super) kind: OperationType,
    /// What it asks of the server.
    pub(super) cost: Cost,
}

impl Admitted {
    /// The request as this caller's, if it may run it.
    pub(super) fn of(self, caller: &impl Caller) -> Result<Self, Refusal> {
        caller.may(self.kind)?;
        Ok(Self {
            request: caller.mark(self.request),
            ..self
        })
    }
}

/// Prepares the operation of a request that has its document. `bytes`: how large the request was.
pub(super) fn admit(
    mut request: Request,
    bytes: usize,
    preparer: &Preparer,
) -> Result<Admitted, Refusal> {
    let prepared = preparer.admit(&mut request)?;
    Ok(Admitted {
        kind: prepared.kind(),
        cost: Cost::of(&prepared, bytes),
        request,
    })
}
