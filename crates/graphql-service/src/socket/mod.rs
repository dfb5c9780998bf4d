//! GraphQL over WebSocket: the `graphql-transport-ws` subprotocol.
//!
//! The protocol is that of graphql-ws (`PROTOCOL.md`): `connection_init`, `connection_ack`, then `subscribe` for each
//! query, mutation or subscription, answered by `next` and `complete`, or by `error` when it never began. The older
//! dialect, subprotocol `graphql-ws`, is not spoken: its messages have the same names and another meaning.
//!
//! Each operation is a task of its own, so a client that does not read holds up its own output and nobody's unit of
//! work. A peer that has gone is found by pings. When the server stops, subscriptions end, queries and mutations under
//! way are finished and answered, and the socket is closed with 1001.

use std::{collections::HashMap, net::IpAddr, ops::ControlFlow, sync::Arc, time::Duration};

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    extract::{
        WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tracing::Instrument;

use self::{
    message::{ClientMessage, Close, ServerMessage},
    operation::{Operation, Output, Outputs, Run},
};
use super::{
    access::{Authentication, Caller, Init, until},
    admission,
    connection::Busy,
    event_text::Subscribe,
    refusal::Refusal,
    response::WireErrors,
    routes::GraphqlState,
    slots::{self, Class, Client},
    wishes::Wishes,
};

mod message;
mod operation;

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

/// The times and limits of a socket.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SocketOptions {
    /// How long a client may take to send `connection_init` (then 4408).
    pub init_timeout: Duration,
    /// How often the peer is asked whether it lives; after two of these without a word it is taken for gone.
    pub ping_interval: Duration,
    /// How long the client may leave one message unread.
    pub send_timeout: Duration,
    /// Operations under way at once.
    pub operations: usize,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(12),
            send_timeout: Duration::from_secs(20),
            operations: 100,
        }
    }
}

/// Completes the handshake. A client without the subprotocol is told so by 4406, which a plain refusal of the
/// handshake cannot say.
pub(super) fn accept<E: Executor, A: Authentication>(
    upgrade: WebSocketUpgrade,
    state: Arc<GraphqlState<E, A>>,
    wishes: Wishes,
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
                cut.run_until_cancelled(serve(socket, state, wishes, caller, address, busy))
                    .await;
            };
            session.instrument(span)
        })
}

async fn serve<E: Executor, A: Authentication>(
    mut socket: WebSocket,
    state: Arc<GraphqlState<E, A>>,
    wishes: Wishes,
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
            wishes,
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

/// Whether a message was too long to be read at all.
fn is_too_big(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    matches!(
        source.and_then(|source| source.downcast_ref()),
        Some(tungstenite::Error::Capacity(_))
    )
}

/// Why a session ended.
enum End {
    /// The peer closed the socket, or has gone.
    Gone,
    /// The server closes it.
    Close(Close),
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

struct Session<E, A: Authentication> {
    socket: WebSocket,
    state: Arc<GraphqlState<E, A>>,
    wishes: Wishes,
    /// Who opened the socket, once that is known.
    caller: Option<A::Caller>,
    /// Where it was opened from.
    address: Option<IpAddr>,
    is_acknowledged: bool,
    operations: HashMap<String, Operation>,
    serial: u64,
    outputs: Outputs,
}

impl<E: Executor, A: Authentication> Session<E, A> {
    async fn run(&mut self, mut outputs: mpsc::Receiver<Output>) -> End {
        let options = self.state.socket;
        let draining = self.state.lifecycle.draining.clone();
        let mut is_draining = false;
        let mut init_deadline = std::pin::pin!(sleep(options.init_timeout));
        let mut pings = interval_at(
            Instant::now() + options.ping_interval,
            options.ping_interval,
        );
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();

        loop {
            if is_draining && self.operations.is_empty() {
                return Close::going_away().into();
            }
            let expires = self.caller.as_ref().and_then(Caller::expires);
            let step = tokio::select! {
                () = draining.cancelled(), if !is_draining => {
                    is_draining = true;
                    // Subscriptions have no end of their own; the client takes them up again elsewhere.
                    self.operations.retain(|_, operation| !operation.is_subscription);
                    ControlFlow::Continue(())
                }
                () = &mut init_deadline, if !self.is_acknowledged => {
                    ControlFlow::Break(Close::init_timeout().into())
                }
                () = until(expires) => ControlFlow::Break(Close::expired().into()),
                _ = pings.tick() => {
                    if heard.elapsed() > 2 * options.ping_interval {
                        ControlFlow::Break(End::Gone)
                    } else {
                        self.send(Message::Ping(axum::body::Bytes::new())).await
                    }
                }
                Some(output) = outputs.recv() => self.forward(output).await,
                message = self.socket.recv() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) if text.len() > self.state.limits.body_bytes => {
                            ControlFlow::Break(Close::too_big().into())
                        }
                        Some(Ok(Message::Text(text))) => self.hear(&text, is_draining).await,
                        Some(Ok(Message::Binary(_))) => {
                            ControlFlow::Break(Close::bad_message("a message is text").into())
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => ControlFlow::Continue(()),
                        Some(Err(error)) if is_too_big(&error) => {
                            ControlFlow::Break(Close::too_big().into())
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => ControlFlow::Break(End::Gone),
                    }
                }
            };
            if let ControlFlow::Break(end) = step {
                return end;
            }
        }
    }

    async fn hear(&mut self, text: &str, is_draining: bool) -> ControlFlow<End> {
        let message = match self.parse(text).await {
            Ok(message) => message,
            Err(close) => return ControlFlow::Break(close.into()),
        };
        match message {
            ClientMessage::ConnectionInit { .. } if self.is_acknowledged => {
                ControlFlow::Break(Close::second_init().into())
            }
            ClientMessage::ConnectionInit { payload } => {
                if let Some(payload) = &payload {
                    match self.wishes.with_init(payload) {
                        Ok(wishes) => self.wishes = wishes,
                        Err(refusal) => {
                            return ControlFlow::Break(
                                Close::bad_message(refusal.message()).into(),
                            );
                        }
                    }
                }
                let said = match &payload {
                    Some(payload) => self.state.authentication.of_init(payload).await,
                    None => Init::Silent,
                };
                match said {
                    Init::Silent => {}
                    Init::Caller(caller) => self.caller = Some(caller),
                    Init::Refused => self.caller = None,
                }
                if self.caller.is_none() {
                    return ControlFlow::Break(Close::forbidden().into());
                }
                self.is_acknowledged = true;
                self.send(ServerMessage::ConnectionAck.to_message()).await
            }
            ClientMessage::Ping { payload } => {
                let payload = payload.as_ref();
                self.send(ServerMessage::Pong { payload }.to_message())
                    .await
            }
            ClientMessage::Pong => ControlFlow::Continue(()),
            ClientMessage::Subscribe { .. } if !self.is_acknowledged => {
                ControlFlow::Break(Close::unauthorized().into())
            }
            // Unanswered: the close that follows tells the client to ask elsewhere.
            ClientMessage::Subscribe { .. } if is_draining => ControlFlow::Continue(()),
            ClientMessage::Subscribe { id, .. } if self.operations.contains_key(&id) => {
                ControlFlow::Break(Close::id_in_use(&id).into())
            }
            ClientMessage::Subscribe { id, request } => {
                self.subscribe(id, *request, text.len()).await
            }
            ClientMessage::Complete { id } => {
                self.operations.remove(&id);
                ControlFlow::Continue(())
            }
        }
    }

    /// Reads a message. A large one waits for a slot for heavy work, and the socket with it.
    async fn parse(&mut self, text: &str) -> Result<ClientMessage, Close> {
        if !self.state.slots.is_large(text.len()) {
            return ClientMessage::parse(text);
        }
        let text = text.to_owned();
        let parsed = self.heavily(async move { ClientMessage::parse(&text) });
        parsed.await.unwrap_or_else(|_| Err(Close::try_again()))
    }

    /// Does heavy work that comes before an operation.
    fn heavily<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Refusal>> {
        // Boxed: it is rare, and would make the future of every socket larger.
        let slots = &self.state.slots;
        Box::pin(slots.heavy(self.client(), self.wishes.deadline(), work))
    }

    fn client(&self) -> Client {
        let viewer = self.caller.as_ref().and_then(Caller::name);
        Client::of(viewer, self.address)
    }

    async fn subscribe(
        &mut self,
        id: String,
        request: async_graphql::Request,
        bytes: usize,
    ) -> ControlFlow<End> {
        let run = match self.admit(request, bytes).await {
            Ok(run) => run,
            Err(refusal) => {
                let response = refusal.into_graphql();
                let payload = WireErrors(&response.errors);
                return self
                    .send(ServerMessage::Error { id: &id, payload }.to_message())
                    .await;
            }
        };
        self.serial += 1;
        let operation = Operation::start(
            self.state.executor.clone(),
            run,
            id.clone(),
            self.serial,
            self.outputs.clone(),
        );
        self.operations.insert(id, operation);
        ControlFlow::Continue(())
    }

    async fn admit(
        &mut self,
        mut request: async_graphql::Request,
        bytes: usize,
    ) -> Result<Run, Refusal> {
        let limit = self.state.socket.operations;
        if self.operations.len() >= limit {
            return Err(Refusal::bad_request(format!(
                "more than {limit} operations on one socket"
            )));
        }
        self.state.documents.resolve(&mut request)?;
        // A few bytes can name a long document.
        let bytes = bytes.max(request.query.len());
        let admitted = if self.state.slots.is_large(bytes) {
            let state = Arc::clone(&self.state);
            self.heavily(async move { admission::admit(request, bytes, &state.preparer) })
                .await??
        } else {
            admission::admit(request, bytes, &self.state.preparer)?
        };
        let caller = self.caller.as_ref();
        // Nothing is subscribed to before the caller is known.
        let caller = caller.ok_or_else(|| Refusal::forbidden("the caller is not known"))?;
        let admitted = admitted.of(caller)?;
        let request = self.wishes.mark(admitted.request)?;
        Ok(match admitted.kind {
            OperationType::Subscription => Run::Stream(Box::new(Subscribe::new(request, caller))),
            OperationType::Query | OperationType::Mutation => {
                let slots = &self.state.slots;
                // What was large to read may be as large to run.
                let is_heavy = slots.is_large(bytes) || slots.class(admitted.cost) == Class::Heavy;
                if is_heavy {
                    Run::Heavy(Box::new(request), slots.clone(), self.client())
                } else {
                    Run::Once(Box::new(request), slots.take()?)
                }
            }
        })
    }

    /// Sends what an operation has to say, unless the client has ended it meanwhile.
    async fn forward(&mut self, output: Output) -> ControlFlow<End> {
        let is_current = self
            .operations
            .get(&output.id)
            .is_some_and(|operation| operation.serial == output.serial);
        if !is_current {
            return ControlFlow::Continue(());
        }
        if output.is_last {
            self.operations.remove(&output.id);
        }
        self.send(output.message).await
    }

    async fn send(&mut self, message: Message) -> ControlFlow<End> {
        match timeout(self.state.socket.send_timeout, self.socket.send(message)).await {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(_)) | Err(_) => ControlFlow::Break(End::Gone),
        }
    }
}
