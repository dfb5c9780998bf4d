//! Subscriptions: each event is an operation with a unit of its own.
//!
//! `streaming` watches a stream from its creation to its end. `redelivery` runs an event again if its read failed. `sharing` executes an
//! event once for all subscribers with the same operation. `undelivered` says why one does not reach its subscriber.

pub(crate) mod redelivery;
pub(crate) mod sharing;
pub(crate) mod streaming;
pub(crate) mod undelivered;
