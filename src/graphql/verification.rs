//! Who may have the ledger recomputed, and how many at once.
//!
//! `verifyLedger` reads every line there is. One at a time is enough, and those who ask meanwhile are told so at once: if they
//! waited, they would take the slots of others.

use std::sync::Arc;

use async_graphql::{Context, Error, ErrorExtensions, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::scopes::{VERIFY, require};

/// The right to verify, which one operation has at a time.
#[derive(Clone)]
pub(super) struct Slot(Arc<Semaphore>);

impl Default for Slot {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// Takes the right to verify, for as long as what is returned lives.
pub(super) fn begin(ctx: &Context<'_>) -> Result<Option<OwnedSemaphorePermit>> {
    require(ctx, VERIFY)?;
    // A schema without a slot is one that is only printed.
    let Some(Slot(slot)) = ctx.data_opt() else {
        return Ok(None);
    };
    slot.clone().try_acquire_owned().map(Some).map_err(|_| {
        let message = "the ledger is being verified already, which one operation can do at a time: try again later";
        Error::new(message).extend_with(|_, extensions| {
            extensions.set("code", "OVERLOADED");
            extensions.set("retryable", true);
            extensions.set("limit", "verifications");
            extensions.set("max", 1);
        })
    })
}
