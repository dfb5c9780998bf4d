//! Connections of clients: how many there are, how long each may take, and how much memory each may hold.
//!
//! Read `peer.rs` first: what is known of one connection. `orders.rs` is what it is told to do. `table.rs` has all of them, decides who may come and who has to go, and
//! looks at their times twice in each of the shortest. `stream.rs` is the connection itself, which counts what is read and does not
//! wait for a client that does not read; `pace.rs` says how fast. `arriving.rs` counts what a request holds, `leaving.rs` what a response holds. `listener.rs` is where connections come from,
//! `descriptors.rs` how many there can be. `server` puts them together.
//!
//! A client costs memory by what it leaves half sent (headers, a body) and by what it leaves unread (responses). Both are counted,
//! for each connection and for all. Where all of them hold more than they may, the one that holds the most and is being waited for
//! is closed: never one that waits for us.
//!
//! Nothing here knows GraphQL.

pub(crate) use self::{
    arriving::ArrivalError,
    leaving::Packed,
    peer::{Busy, Unread},
    table::Table,
};
pub use self::{
    descriptors::{most_connections, most_descriptors},
    listener::{Connection, Listener, is_out_of_descriptors},
    options::ConnectionOptions,
    table::network,
};

pub(crate) mod arriving;
mod descriptors;
pub(crate) mod leaving;
pub(crate) mod listener;
pub(crate) mod options;
pub(crate) mod orders;
mod pace;
pub(crate) mod peer;
pub(crate) mod stream;
mod table;
