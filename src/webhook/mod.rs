//! What a webhook sends, and where it may send it: addresses, signatures, and the client.
//!
//! Read `address.rs` first. Whoever may create a webhook has this server send requests to a place of their choice. So a server reaches
//! nothing by them that is not on the public Internet, unless its operator has said otherwise.
//!
//! Requests follow [Standard Webhooks](https://www.standardwebhooks.com), which has libraries to verify them in many languages
//! (`signature.rs`). When something is sent is decided in `src/jobs/webhooks/`; which event comes next, in `src/ledger/webhook/`.

mod address;
mod client;
mod options;
mod signature;

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use address::Addresses;
pub(crate) use client::{Answer, Client};
pub use options::WebhookOptions;
pub(crate) use signature::{new_secret, sign};

/// What the schema and the server have to know of webhooks, and how they wake and end the job that sends. Cheap to clone; all clones are
/// about the same job.
#[derive(Clone, Debug, Default)]
pub struct Webhooks {
    /// Where they may send.
    pub addresses: Addresses,
    changed: Arc<Notify>,
    stopping: CancellationToken,
    turns: TaskTracker,
}

impl Webhooks {
    /// Webhooks that may send to these addresses.
    #[must_use]
    pub fn new(addresses: Addresses) -> Self {
        Self {
            addresses,
            ..Self::default()
        }
    }

    /// Says that endpoints were changed.
    pub(crate) fn tell(&self) {
        self.changed.notify_one();
    }

    /// Waits until endpoints were changed by this process since the last call.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether no further event is to be sent by this process.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Waits until no further event is to be sent by this process.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// A turn of an endpoint, which [`Self::stop`] waits for.
    pub(crate) fn turn<F: Future>(&self, turn: F) -> impl Future<Output = F::Output> + use<F> {
        self.turns.track_future(turn)
    }

    /// Sends no further event, and waits until those that are under way were answered and recorded, and the endpoints given back.
    ///
    /// # Cancel safety
    /// Cancel safe: no further event is sent all the same.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.turns.close();
        self.turns.wait().await;
    }
}
