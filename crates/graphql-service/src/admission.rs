//! What every operation passes before it reaches the executor, on whichever transport it came.

use async_graphql::{Request, parser::types::OperationType};
use graphql_operation::Preparer;

use super::{access::Caller, refusal::Refusal, slots::Cost};

/// What is known of a request that may be executed.
#[derive(Clone, Copy)]
pub(super) struct Admitted {
    /// What scope, method and transport are asked about. Nothing is admitted whose kind is not known.
    pub(super) kind: OperationType,
    /// What it asks of the server.
    pub(super) cost: Cost,
}

impl Admitted {
    /// Makes the request this caller's, if it may run it.
    pub(super) fn of(self, request: &mut Request, caller: &impl Caller) -> Result<Self, Refusal> {
        caller.may(self.kind)?;
        caller.mark(request);
        Ok(self)
    }
}

/// Prepares the operation of a request that has its document. `bytes`: how large the request was.
pub(super) fn admit(
    request: &mut Request,
    bytes: usize,
    preparer: &Preparer,
) -> Result<Admitted, Refusal> {
    let prepared = preparer.admit(request)?;
    Ok(Admitted {
        kind: prepared.kind(),
        cost: Cost::of(&prepared, bytes),
    })
}
