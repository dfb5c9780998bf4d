//! The connections of clients: how many there are, how long each may take, and how much memory each may hold.
//!
//! Read `peer.rs` first: the state of one connection. `table.rs` has all connections: it admits new ones, closes others to make room, and
//! enforces their time limits. `open.rs` tells which one is closed first, and `network.rs` which of them belong to one client. `held.rs`
//! counts the bytes of all. `orders.rs` tells a connection to end. `stream.rs` is its byte stream, which counts what is read and fails
//! when the client does not read; `pace.rs` limits the rate. `request_body.rs` and `response_body.rs` count the bytes of bodies.
//! `listener.rs` is the source of connections, and `descriptors.rs` says how many the process can have. The module `server` puts all this
//! together.
//!
//! A client costs memory by what it has half sent (headers, a body) and by what it has not read (responses). Both are counted, for each
//! connection and for all together. If all together hold more than they may, the server closes the connection that holds the most, among
//! those that wait for their client. It never closes one whose client waits for the server.
//!
//! Nothing here knows GraphQL.

pub use self::{
    descriptors::{most_connections, most_descriptors},
    listener::{Connection, Listener, is_out_of_descriptors},
    network::network,
    options::ConnectionOptions,
};
pub(crate) use self::{
    peer::{Busy, Unread},
    request_body::BodyError,
    response_body::UncompressedBytes,
    table::{Admission, Table},
};

mod descriptors;
mod held;
pub(crate) mod listener;
mod network;
mod open;
pub(crate) mod options;
pub(crate) mod orders;
mod pace;
pub(crate) mod peer;
pub(crate) mod request_body;
pub(crate) mod response_body;
pub(crate) mod stream;
mod table;
