//! One execution of an event for all subscribers who asked for the same.
//!
//! Each subscriber has a stream of its own, at a position of its own. Without sharing, each of them executes the operation for each
//! event. With it, the first subscriber who comes to an event executes it, and the others get the text of that response.
//!
//! # Layout
//!
//! Read `outlet` first: it is the way of a text past the engine, from the stream of one subscriber to its transport.
//!
//! | question | module |
//! |---|---|
//! | which subscribers may see the same response? | `question` |
//! | how does a shared response reach a transport, when the engine knows only responses of its own? | `outlet` |
//! | who executes an event, and who waits for that? | `flight` |
//! | what is kept of it, and for how long? | `events` |
//!
//! Two parties have to agree before anything is shared. The *transport* says who asks ([`Audience`]); without that, nothing is
//! shared. The *application* says, by [`redeliver_shared`](crate::redeliver_shared), that a response depends on nothing but the
//! operation, the audience and the event.
//!
//! # What a subscriber can rely on
//!
//! A shared response is never older than what its subscriber would have got alone: its execution began after the subscription did,
//! and after the execution of the event before it had ended. So a client that writes and then subscribes sees what it wrote, and
//! nobody sees the database go back.

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
