//! One operation of a socket, in a task of its own.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{
    Executor, Request, Response,
    futures_util::{FutureExt, StreamExt},
};
use axum::extract::ws::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::message::{self, ServerMessage};
use crate::{
    admission::slots::{Client, Slot, Slots},
    answer::{panic, refusal::Refusal, request_error::RequestError, wire::WireErrors},
    connection::{Busy, Unread},
    graphql::stream::event_text::{EventText, Next, Subscribe},
    observe::trace_context,
    request::request_options,
};

/// A running operation. Dropping it ends the operation, which rolls back.
pub(super) struct Operation {
    /// Distinguishes the operation from an earlier one with the same id, whose last messages may still be queued.
    pub(super) serial: u64,
    /// A subscription may go on until the client or the server ends it.
    pub(super) is_subscription: bool,
    _task: AbortOnDropHandle<()>,
}

/// A message that an operation sends.
pub(super) struct Output {
    pub(super) id: String,
    pub(super) serial: u64,
    pub(super) message: Message,
    pub(super) is_last: bool,
    pub(super) held: Held,
}

/// What a message holds of the bounds, until it is sent.
pub(super) struct Held {
    /// Its part of [`MAX_WAITING_BYTES`].
    _room: Option<OwnedSemaphorePermit>,
    /// Its part of what the connection and all connections may leave unread.
    _unread: Option<Unread>,
}

/// How many bytes of messages of one socket may wait for the client to read. A longer message waits alone.
const MAX_WAITING_BYTES: u32 = 1024 * 1024;

/// The queue of a socket's messages. Clones share its bounds.
#[derive(Clone)]
pub(super) struct Outputs {
    sender: mpsc::Sender<Output>,
    room: Arc<Semaphore>,
    busy: Option<Busy>,
}

impl Outputs {
    pub(super) fn new(sender: mpsc::Sender<Output>, busy: Option<Busy>) -> Self {
        Self {
            sender,
            room: Arc::new(Semaphore::new(MAX_WAITING_BYTES as usize)),
            busy,
        }
    }

    /// Queues a message, and waits while the queue is full. If the socket has gone, the operation is about to be dropped.
    async fn send(&self, id: &str, serial: u64, message: Message, is_last: bool) {
        let bytes = match &message {
            Message::Text(text) => text.len(),
            _ => 0,
        };
        let share = u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .min(MAX_WAITING_BYTES);
        let output = Output {
            id: id.to_owned(),
            serial,
            held: Held {
                _room: self.room.clone().acquire_many_owned(share).await.ok(),
                _unread: self.busy.as_ref().map(|busy| busy.unread(bytes)),
            },
            message,
            is_last,
        };
        let _ = self.sender.send(output).await;
    }
}

impl Operation {
    /// Starts an operation. While nobody reads `outputs`, this operation waits, and no other does.
    pub(super) fn start<E: Executor>(
        executor: E,
        run: Run,
        id: String,
        serial: u64,
        outputs: Outputs,
    ) -> Self {
        let is_subscription = run.is_subscription();
        let outlet = Outlet {
            id,
            serial,
            outputs,
        };
        let task = async move {
            let run = run.drive(executor, &outlet);
            if let Err(panic) = AssertUnwindSafe(run).catch_unwind().await {
                let response = panic::response(panic.as_ref());
                outlet.error(&response).await;
            }
        };
        let span = tracing::debug_span!("graphql.socket.operation");
        trace_context::leave(&span);
        // Also in the span of the socket, since the span above exists at the level of debugging only.
        let task = task.instrument(span).in_current_span();
        Self {
            serial,
            is_subscription,
            _task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }
}

/// How an operation is run.
pub(super) enum Run {
    /// A cheap query or mutation, with its slot.
    Once(Box<Request>, Slot),
    /// A heavy query or mutation, which first waits for this client's turn.
    Heavy(Box<Request>, Slots, Client),
    /// A subscription. It holds no slot, because most of the time it is idle.
    Stream(Box<Subscribe>),
}

impl Run {
    fn is_subscription(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    async fn drive<E: Executor>(self, executor: E, outlet: &Outlet) {
        match self {
            Self::Stream(subscribe) => {
                let mut responses = subscribe.responses(&executor);
                while let Some(response) = responses.next().await {
                    match response {
                        Next::Event(text) => outlet.event(&text).await,
                        Next::Refused(response) => return outlet.error(&response).await,
                    }
                }
            }
            Self::Once(request, slot) => {
                let response = executor.execute(*request).await;
                // The slot is free while the client reads.
                drop(slot);
                return outlet.only(response).await;
            }
            Self::Heavy(request, slots, client) => {
                let deadline = request_options::deadline(&request);
                let work = async move { executor.execute(*request).await };
                let response = Box::pin(slots.heavy(client, deadline, work)).await;
                return outlet
                    .only(response.unwrap_or_else(Refusal::into_graphql))
                    .await;
            }
        }
        outlet.complete().await;
    }
}

struct Outlet {
    id: String,
    serial: u64,
    outputs: Outputs,
}

impl Outlet {
    async fn next(&self, response: Response) {
        let message = message::next(&self.id, response).await;
        let outputs = &self.outputs;
        outputs.send(&self.id, self.serial, message, false).await;
    }

    /// Sends the response to a query or a mutation, and ends the operation.
    async fn only(&self, response: Response) {
        if RequestError::of(&response).is_some() {
            return self.error(&response).await;
        }
        self.next(response).await;
        self.complete().await;
    }

    /// Sends a response whose text was written already.
    async fn event(&self, text: &EventText) {
        let message = message::next_of_text(&self.id, text.json());
        self.outputs
            .send(&self.id, self.serial, message, false)
            .await;
    }

    async fn error(&self, response: &Response) {
        let message = ServerMessage::Error {
            id: &self.id,
            payload: WireErrors(&response.errors),
        };
        self.send(&message, true).await;
    }

    async fn complete(&self) {
        self.send(&ServerMessage::Complete { id: &self.id }, true)
            .await;
    }

    async fn send(&self, message: &ServerMessage<'_>, is_last: bool) {
        let message = message.to_message();
        self.outputs
            .send(&self.id, self.serial, message, is_last)
            .await;
    }
}
