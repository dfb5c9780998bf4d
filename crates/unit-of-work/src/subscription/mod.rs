//! Subscriptions: each event is an operation with a unit of its own.
//!
//! `streaming` watches a stream from its creation to its end, `redelivery` runs an event again whose read was lost, and `sharing`
//! executes an event once for all subscribers who asked for the same.

pub(crate) mod redelivery;
pub(crate) mod sharing;
pub(crate) mod streaming;
