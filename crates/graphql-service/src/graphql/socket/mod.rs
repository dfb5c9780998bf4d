//! GraphQL over WebSocket: the `graphql-transport-ws` subprotocol.
//!
//! The protocol is that of graphql-ws (`PROTOCOL.md`): `connection_init`, `connection_ack`, then `subscribe` for each
//! query, mutation or subscription. An operation is answered by `next` and `complete`, or by `error` if it never began. The older
//! subprotocol `graphql-ws` is not supported: its messages have the same names and other meanings.
//!
//! Read `session.rs` first: it reads the client's messages and sends the answers. `operation.rs` runs each operation in a task of its own,
//! so that a client that does not read holds up its answers, but no unit of work. `message.rs` has the messages and close codes.
//!
//! Pings find out whether a client has gone. When the server stops, subscriptions end, queries and mutations that are running are
//! finished and answered, and the socket is closed with 1001.

mod message;
mod operation;
mod pace;
mod session;

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use async_graphql::Executor;
use axum::{
    extract::{WebSocketUpgrade, ws::WebSocket},
    response::Response,
};
use tokio::{sync::mpsc, time::timeout};
use tracing::Instrument;

use self::{
    message::Close,
    operation::Outputs,
    session::{End, Session},
};
use crate::{
    admission::{access::Authentication, slots},
    connection::Busy,
    graphql::state::GraphqlState,
    request::request_options::RequestOptions,
};

const SUBPROTOCOL: &str = "graphql-transport-ws";

/// The size of a socket's read buffer. With the library's default of 128 KiB, thousands of idle sockets would take too much memory.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// A message up to this many times the limit is read to its end before it is refused. A client that is still sending would not see the
/// reason for the close from a server that has stopped reading.
const READ_BEYOND_LIMIT: usize = 2;

/// How many messages of one socket may wait for the client to read.
const MAX_WAITING_MESSAGES: usize = 16;

/// How long a client may take to answer a close with its own.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Completes the handshake, and runs the session. A client without the subprotocol is closed with 4406: a refused handshake could not
/// tell it the reason.
pub(crate) fn accept<E: Executor, A: Authentication>(
    upgrade: WebSocketUpgrade,
    state: Arc<GraphqlState<E, A>>,
    options: RequestOptions,
    caller: Option<A::Caller>,
    busy: Option<Busy>,
) -> Response {
    // Taken before the upgrade, so that a stopping server waits for a socket that is just being opened.
    let token = state.lifecycle.sockets.token();
    let address = slots::current_address();
    let span = tracing::Span::current();
    let most_read = state.limits.body_bytes.saturating_mul(READ_BEYOND_LIMIT);
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(most_read)
        .max_frame_size(most_read)
        .on_upgrade(move |socket| {
            let session = async move {
                let _token = token;
                let cut = state.lifecycle.cut.clone();
                cut.run_until_cancelled(serve(socket, state, options, caller, address, busy))
                    .await;
            };
            session.instrument(span)
        })
}

async fn serve<E: Executor, A: Authentication>(
    mut socket: WebSocket,
    state: Arc<GraphqlState<E, A>>,
    options: RequestOptions,
    caller: Option<A::Caller>,
    address: Option<IpAddr>,
    busy: Option<Busy>,
) {
    let send_timeout = state.socket.send_timeout;
    let message = if socket.protocol().is_some() {
        let (outputs, outputs_of_operations) = mpsc::channel(MAX_WAITING_MESSAGES);
        let mut session = Session {
            socket,
            state,
            options,
            caller,
            address,
            is_acknowledged: false,
            operations: HashMap::new(),
            serial: 0,
            outputs: Outputs::new(outputs, busy),
        };
        let end = session.run(outputs_of_operations).await;
        socket = session.socket;
        end
    } else {
        End::Close(Close::subprotocol())
    };
    if let End::Close(close) = message
        && let Ok(Ok(())) = timeout(send_timeout, socket.send(close.into())).await
    {
        // Closing TCP while input is unread would reset the connection, and the client would not see the reason (RFC 6455, section
        // 7.1.1).
        let _ = timeout(CLOSE_TIMEOUT, async {
            while let Some(Ok(_)) = socket.recv().await {}
        })
        .await;
    }
}
