//! GraphQL over WebSocket: the `graphql-transport-ws` subprotocol.
//!
//! The protocol is that of graphql-ws (`PROTOCOL.md`): `connection_init`, `connection_ack`, then `subscribe` for each
//! query, mutation or subscription, answered by `next` and `complete`, or by `error` when it never began. The older
//! dialect, subprotocol `graphql-ws`, is not spoken: its messages have the same names and another meaning.
//!
//! Each operation is a task of its own, so a client that does not read holds up its own output and nobody's unit of
//! work. A peer that has gone is found by pings. When the server stops, subscriptions end, queries and mutations under
//! way are finished and answered, and the socket is closed with 1001.

mod message;
mod operation;
pub(crate) mod options;
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

/// Where a socket's input is read to. The library's default is 128 KiB for each, which thousands of idle sockets would keep.
const READ_BUFFER: usize = 4 * 1024;

/// How many times as long as the limit a message may be and still be read to its end: while a client is sending, it hears
/// why the socket is closed only from a server that goes on reading.
const MOST_READ: usize = 2;

/// Messages of one socket's operations that wait for the client to read.
const OUTPUTS: usize = 16;

/// How long a peer may take to answer a close with its own.
const CLOSING: Duration = Duration::from_secs(1);

/// Completes the handshake. A client without the subprotocol is told so by 4406, which a plain refusal of the
/// handshake cannot say.
pub(crate) fn accept<E: Executor, A: Authentication>(
    upgrade: WebSocketUpgrade,
    state: Arc<GraphqlState<E, A>>,
    options: RequestOptions,
    caller: Option<A::Caller>,
    busy: Option<Busy>,
) -> Response {
    // Taken now, so that a server that is stopping waits for a socket that is just being opened.
    let token = state.lifecycle.sockets.token();
    let address = slots::current_address();
    let span = tracing::Span::current();
    let most_read = state.limits.body_bytes.saturating_mul(MOST_READ);
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
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
        let (outputs, outputs_of_operations) = mpsc::channel(OUTPUTS);
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
        // To go with something unread would reset the connection, and the reason would be lost with it (RFC 6455, section
        // 7.1.1).
        let _ = timeout(CLOSING, async {
            while let Some(Ok(_)) = socket.recv().await {}
        })
        .await;
    }
}
