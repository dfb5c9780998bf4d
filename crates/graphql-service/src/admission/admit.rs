//! What every operation passes before it reaches the executor, on whichever transport it came.

use async_graphql::{Request, parser::types::OperationType};
use graphql_operation::Preparer;

use crate::{
    admission::{access::Caller, slots::Cost},
    answer::refusal::Refusal,
};

/// What is known of a request that may be executed.
#[derive(Clone, Copy)]
pub(crate) struct Admitted {
    /// What scope, method and transport are asked about. Nothing is admitted whose kind is not known.
    pub(crate) kind: OperationType,
    /// What it asks of the server.
    pub(crate) cost: Cost,
}

impl Admitted {
    /// Makes the request this caller's, if it may run it.
    pub(crate) fn of(self, request: &mut Request, caller: &impl Caller) -> Result<Self, Refusal> {
        caller.may(self.kind)?;
        caller.mark(request);
        Ok(self)
    }
}

/// Prepares the operation of a request that has its document. `bytes`: how large the request was.
pub(crate) fn admit(
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
