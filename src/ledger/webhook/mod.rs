//! Webhooks: endpoints that events of the outbox are sent to, in their order, each at least once.
//!
//! An endpoint has a *position*: everything up to this number was delivered to it, or is on its list of *dead letters*, which could not be
//! delivered. `change` has what people do with endpoints, and `delivery` what the job does that sends. Neither sends anything: that is
//! `src/jobs/webhooks/`.
//!
//! **One server at a time** delivers to an endpoint: the one that has its lease. A lease is a number that rises when the endpoint is
//! taken, given back, or when an attempt is recorded; who records has to name the last one. So a server that was thought dead and is not
//! can record nothing, whatever its clock says. The position moves only together with the lease, which the database itself asks for.

mod change;
mod delivery;
mod error;
mod find;
mod start;

pub use change::{
    CreateWebhook, RotateWebhookSecret, UpdateWebhook, WebhookState, create_webhook,
    delete_webhook, redeliver_webhook_events, rotate_webhook_secret, update_webhook,
};
pub use delivery::{
    Attempt, NextDelivery, Outcome, Searched, WebhookDue, due_webhooks, lease_webhook,
    next_delivery, pass_over, record_attempt, release_webhook,
};
pub use error::WebhookError;
pub use find::{
    accounts_of_webhooks, count_dead_letters, dead_letters, webhook, webhook_kinds, webhooks,
};
pub use start::StartAfter;

/// How many endpoints there can be. The database keeps to it.
pub const MOST_WEBHOOKS: usize = 100;

/// How many accounts an endpoint can choose.
pub const MOST_WEBHOOK_ACCOUNTS: usize = 100;
