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

/// An operation under way. Dropping it ends the operation, which rolls back.
pub(super) struct Operation {
    /// Tells this operation from an earlier one with the same id, some of whose output may still be on its way.
    pub(super) serial: u64,
    /// Whether it goes on until someone ends it.
    pub(super) is_subscription: bool,
    _task: AbortOnDropHandle<()>,
}

/// Something that an operation wants sent.
pub(super) struct Output {
    pub(super) id: String,
    pub(super) serial: u64,
    pub(super) message: Message,
    pub(super) is_last: bool,
    /// A part of what the socket may have waiting, until it is sent.
    _room: Option<OwnedSemaphorePermit>,
    _unread: Option<Unread>,
}

/// Bytes of one socket's messages that may wait for the client to read. A longer one waits alone.
const WAITING: u32 = 1024 * 1024;

/// Where the operations of a socket leave what they have to say. Clones share the room that there is for it.
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
            room: Arc::new(Semaphore::new(WAITING as usize)),
            busy,
        }
    }

    /// Waits for room, and does not come back where the socket has gone: the operation is about to be dropped.
    async fn send(&self, id: &str, serial: u64, message: Message, is_last: bool) {
        let bytes = match &message {
            Message::Text(text) => text.len(),
            _ => 0,
        };
        let share = u32::try_from(bytes).unwrap_or(u32::MAX).min(WAITING);
        let output = Output {
            id: id.to_owned(),
            serial,
            _room: self.room.clone().acquire_many_owned(share).await.ok(),
            _unread: self.busy.as_ref().map(|busy| busy.unread(bytes)),
            message,
            is_last,
        };
        let _ = self.sender.send(output).await;
    }
}

impl Operation {
    /// Starts an operation. When nobody reads `outputs` it waits, and nothing else does.
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
        // Also where nobody looks at that span, in that of the socket.
        let task = task.instrument(span).in_current_span();
        Self {
            serial,
            is_subscription,
            _task: AbortOnDropHandle::new(tokio::spawn(task)),
        }
    }
}

/// What an operation is to do.
pub(super) enum Run {
    /// A query or a mutation takes the road it takes over HTTP.
    Once(Box<Request>, Slot),
    /// A heavy one waits for this client's turn first.
    Heavy(Box<Request>, Slots, Client),
    /// A subscription has a stream of responses. It holds no slot: most of the time it does nothing.
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
                // The client's reading is not the server's doing.
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

    /// The response to a query or a mutation, and the end.
    async fn only(&self, response: Response) {
        if RequestError::of(&response).is_some() {
            return self.error(&response).await;
        }
        self.next(response).await;
        self.complete().await;
    }

    /// A response whose text was written already.
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
