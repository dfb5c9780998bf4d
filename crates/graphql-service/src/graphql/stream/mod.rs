//! Subscriptions over HTTP.
//!
//! Read `event_text.rs` first: it executes a subscription and makes one text of each response, for WebSockets too. `events.rs` sends
//! these texts as server-sent events, `multipart.rs` as the parts of a multipart response.

pub(crate) mod event_text;
pub(crate) mod events;
pub(crate) mod multipart;
