//! One socket: reads the messages of its client, and sends the answers of its operations.

use std::{collections::HashMap, net::IpAddr, ops::ControlFlow, sync::Arc};

use async_graphql::{Executor, parser::types::OperationType};
use axum::extract::ws::{Message, WebSocket};
use futures_util::SinkExt;
use tokio::{
    sync::mpsc,
    task::yield_now,
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout},
};

use super::{
    MAX_WAITING_MESSAGES,
    message::{ClientMessage, Close, ServerMessage},
    operation::{Operation, Output, Outputs, Run},
    pace::Pace,
};
use crate::{
    admission::{
        access::{Authentication, Caller, Init, expired},
        admit,
        slots::{Class, Client},
    },
    answer::{refusal::Refusal, wire::WireErrors},
    graphql::{state::GraphqlState, stream::event_text::Subscribe},
    request::request_options::RequestOptions,
};

/// Whether a message was too long to be read.
fn is_too_big(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    matches!(
        source.and_then(|source| source.downcast_ref()),
        Some(tungstenite::Error::Capacity(_))
    )
}

/// Why a session ended.
pub(super) enum End {
    /// The client closed the socket, or has gone.
    Gone,
    /// The server closes it.
    Close(Close),
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

pub(super) struct Session<E, A: Authentication> {
    pub(super) socket: WebSocket,
    pub(super) state: Arc<GraphqlState<E, A>>,
    pub(super) options: RequestOptions,
    /// The caller, once the handshake or `connection_init` has identified one.
    pub(super) caller: Option<A::Caller>,
    /// The address that the client connected from.
    pub(super) address: Option<IpAddr>,
    pub(super) is_acknowledged: bool,
    pub(super) operations: HashMap<String, Operation>,
    pub(super) serial: u64,
    pub(super) outputs: Outputs,
}

impl<E: Executor, A: Authentication> Session<E, A> {
    pub(super) async fn run(&mut self, mut outputs: mpsc::Receiver<Output>) -> End {
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
        let mut pace = Pace::new();
        // Until when no message is read, because the client has sent too many that ask for nothing.
        let mut silent_until = None;

        loop {
            if is_draining && self.operations.is_empty() {
                return Close::going_away().into();
            }
            let expired = expired(self.caller.clone());
            let step = tokio::select! {
                () = draining.cancelled(), if !is_draining => {
                    is_draining = true;
                    // Subscriptions do not end by themselves; the client subscribes again elsewhere.
                    self.operations.retain(|_, operation| !operation.is_subscription);
                    ControlFlow::Continue(())
                }
                () = &mut init_deadline, if !self.is_acknowledged => {
                    ControlFlow::Break(Close::init_timeout().into())
                }
                () = expired => ControlFlow::Break(Close::expired().into()),
                _ = pings.tick() => {
                    if heard.elapsed() > 2 * options.ping_interval {
                        ControlFlow::Break(End::Gone)
                    } else {
                        self.send(Message::Ping(axum::body::Bytes::new())).await
                    }
                }
                Some(output) = outputs.recv() => self.forward(output, &mut outputs).await,
                () = sleep_until(silent_until.unwrap_or(heard)), if silent_until.is_some() => {
                    silent_until = None;
                    ControlFlow::Continue(())
                }
                message = self.socket.recv(), if silent_until.is_none() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) if text.len() > self.state.limits.body_bytes => {
                            ControlFlow::Break(Close::too_big().into())
                        }
                        Some(Ok(Message::Text(text))) => {
                            let (step, asks) = self.hear(&text, is_draining).await;
                            if asks {
                                // The next message may be there already; other tasks run first.
                                yield_now().await;
                            } else {
                                silent_until = pace.count();
                            }
                            step
                        }
                        Some(Ok(Message::Binary(_))) => {
                            ControlFlow::Break(Close::bad_message("a message is text").into())
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                            silent_until = pace.count();
                            ControlFlow::Continue(())
                        }
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

    /// Handles a message, and answers whether it asked for anything.
    async fn hear(&mut self, text: &str, is_draining: bool) -> (ControlFlow<End>, bool) {
        let message = match self.parse(text).await {
            Ok(message) => message,
            Err(close) => return (ControlFlow::Break(close.into()), true),
        };
        let asks = match &message {
            ClientMessage::ConnectionInit { .. } | ClientMessage::Subscribe { .. } => true,
            // `complete` of an operation that does not exist asks for nothing.
            ClientMessage::Complete { id } => self.operations.contains_key(id),
            ClientMessage::Ping { .. } | ClientMessage::Pong => false,
        };
        (self.obey(message, text, is_draining).await, asks)
    }

    async fn obey(
        &mut self,
        message: ClientMessage,
        text: &str,
        is_draining: bool,
    ) -> ControlFlow<End> {
        match message {
            ClientMessage::ConnectionInit { .. } if self.is_acknowledged => {
                ControlFlow::Break(Close::second_init().into())
            }
            ClientMessage::ConnectionInit { payload } => {
                if let Some(payload) = &payload {
                    match self.options.with_init(payload) {
                        Ok(options) => self.options = options,
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
            // Not answered: the close that follows tells the client to connect elsewhere.
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

    /// Parses a message. A large message waits for a heavy slot, and the socket waits with it.
    async fn parse(&mut self, text: &str) -> Result<ClientMessage, Close> {
        if !self.state.slots.is_large(text.len()) {
            return ClientMessage::parse(text);
        }
        let text = text.to_owned();
        let parsed = self.heavily(async move { ClientMessage::parse(&text) });
        parsed.await.unwrap_or_else(|_| Err(Close::try_again()))
    }

    /// Does work for a large message in a heavy slot, before its operation runs.
    fn heavily<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Refusal>> {
        // Boxed, because it is rare and would make the future of every socket larger.
        let slots = &self.state.slots;
        Box::pin(slots.heavy(self.client(), self.options.deadline(), work))
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
        // A persisted document may be long although the message was short.
        let bytes = bytes.max(request.query.len());
        let admitted = if self.state.slots.is_large(bytes) {
            let state = Arc::clone(&self.state);
            let admit = async move {
                let admitted = admit::admit(&mut request, bytes, &state.preparer)?;
                Ok::<_, Refusal>((request, admitted))
            };
            let admitted;
            (request, admitted) = self.heavily(admit).await??;
            admitted
        } else {
            admit::admit(&mut request, bytes, &self.state.preparer)?
        };
        let caller = self.caller.as_ref();
        let caller = caller.ok_or_else(|| Refusal::forbidden("the caller is not known"))?;
        let admitted = admitted.for_caller(&mut request, caller)?;
        self.options.attach(&mut request)?;
        Ok(match admitted.kind {
            OperationType::Subscription => {
                let share = self.state.slots.subscribe(caller.name(), self.address)?;
                Run::Stream(Box::new(Subscribe::new(request, caller, share)))
            }
            OperationType::Query | OperationType::Mutation => {
                let slots = &self.state.slots;
                // A large message may be as large to execute as it was to parse.
                let is_heavy = slots.is_large(bytes) || slots.class(admitted.cost) == Class::Heavy;
                if is_heavy {
                    Run::Heavy(Box::new(request), slots.clone(), self.client())
                } else {
                    let viewer = self.caller.as_ref().and_then(Caller::name);
                    let slot = slots.take(viewer, self.address)?;
                    Run::Once(Box::new(request), slot)
                }
            }
        })
    }

    /// Sends a message of an operation, and those that wait behind it, in one write: an event reaches all operations of a socket at
    /// about the same time.
    async fn forward(
        &mut self,
        first: Output,
        outputs: &mut mpsc::Receiver<Output>,
    ) -> ControlFlow<End> {
        let send_timeout = self.state.socket.send_timeout;
        let send = async {
            // What they hold of the bounds, until they are sent.
            let mut held = Vec::new();
            let mut next = Some(first);
            while let Some(output) = next {
                if self.is_current(&output) {
                    if output.is_last {
                        self.operations.remove(&output.id);
                    }
                    self.socket.feed(output.message).await?;
                }
                held.push(output.held);
                let is_full = held.len() == MAX_WAITING_MESSAGES;
                next = if is_full {
                    None
                } else {
                    outputs.try_recv().ok()
                };
            }
            self.socket.flush().await
        };
        match timeout(send_timeout, send).await {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(_)) | Err(_) => ControlFlow::Break(End::Gone),
        }
    }

    /// Whether the client has not ended the operation meanwhile.
    fn is_current(&self, output: &Output) -> bool {
        let operation = self.operations.get(&output.id);
        operation.is_some_and(|operation| operation.serial == output.serial)
    }

    async fn send(&mut self, message: Message) -> ControlFlow<End> {
        match timeout(self.state.socket.send_timeout, self.socket.send(message)).await {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(_)) | Err(_) => ControlFlow::Break(End::Gone),
        }
    }
}
