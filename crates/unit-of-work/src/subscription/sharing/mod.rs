//! Executes an event once for all subscribers with the same operation.
//!
//! Each subscriber has a stream of its own, at its own position. Without sharing, each executes the operation for each event. With sharing,
//! the first subscriber that comes to an event executes it, and the others get the text of that response.
//!
//! # Layout
//!
//! Read `outlet` first: it brings a text from a subscriber's stream to its transport, past the engine.
//!
//! | question | module |
//! |---|---|
//! | which subscribers may see the same response? | `question` |
//! | how does a shared response reach a transport past the engine? | `outlet` |
//! | who executes an event, and who waits for it? | `flight` |
//! | what is kept, and for how long? | `events` |
//!
//! Two parties must agree before anything is shared. The *transport* says who asks ([`Audience`]). The *application* says, by
//! [`redeliver_shared`](crate::redeliver_shared), that a response depends only on the operation, the audience and the event.
//!
//! # What a subscriber can rely on
//!
//! A shared response is never older than one of the subscriber's own would be: its execution began after the subscription, and after the
//! execution of the previous event had ended. So a client that writes and then subscribes sees what it wrote, and nobody sees the database
//! go back.

mod events;
mod flight;
mod outlet;
mod question;

pub use self::{
    events::SharedEvents,
    outlet::{Audience, Streamed},
};
pub(crate) use self::{
    events::{Asked, Joined},
    outlet::Outlet,
};
