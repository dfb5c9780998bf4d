//! What every operation passes before it reaches the executor, on whichever transport it came.

use async_graphql::{Request, parser::types::OperationType};
use graphql_operation::Preparer;

use crate::{
    admission::{access::Caller, slots::Cost},
    answer::refusal::Refusal,
};

/// What is known about an operation that was prepared.
#[derive(Clone, Copy)]
pub(crate) struct Admitted {
    /// Callers, HTTP methods and transports allow some kinds and refuse others.
    pub(crate) kind: OperationType,
    /// How much it asks of the server.
    pub(crate) cost: Cost,
}

impl Admitted {
    /// Attaches the caller to the request, or refuses where the caller may not run operations of this kind.
    pub(crate) fn for_caller(
        self,
        request: &mut Request,
        caller: &impl Caller,
    ) -> Result<Self, Refusal> {
        caller.may(self.kind)?;
        caller.attach(request, self.kind);
        Ok(self)
    }
}

/// Prepares the operation of a request that has its document. `bytes` is the size of the request.
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
