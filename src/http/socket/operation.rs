//! One operation of a socket, in a task of its own.

use std::panic::AssertUnwindSafe;

use async_graphql::{
    Executor, Request, Response,
    futures_util::{FutureExt, StreamExt},
    parser::types::OperationType,
};
use axum::extract::ws::Message;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::message::ServerMessage;
use crate::http::{operation::select, panic, request_error::RequestError};

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
}

impl Operation {
    /// Starts an operation. When nobody reads `outputs` it waits, and nothing else does.
    pub(super) fn start<E: Executor>(
        executor: E,
        mut request: Request,
        id: String,
        serial: u64,
        outputs: mpsc::Sender<Output>,
    ) -> Self {
        let name = request.operation_name.clone();
        let is_subscription = request
            .parsed_query()
            .ok()
            .and_then(|document| select(document, name.as_deref()))
            .is_some_and(|operation| operation.ty == OperationType::Subscription);
        let outlet = Outlet {
            id,
            serial,
            outputs,
        };
        let task = async move {
            let run = run(executor, request, is_subscription, &outlet);
            if let Err(panic) = AssertUnwindSafe(run).catch_unwind().await {
                let response = panic::response(panic.as_ref());
                outlet.error(&response).await;
            }
        };
        Self {
            serial,
            is_subscription,
            _task: AbortOnDropHandle::new(tokio::spawn(task.in_current_span())),
        }
    }
}

/// Queries and mutations take the road they take over HTTP; a subscription has a stream of responses.
async fn run<E: Executor>(executor: E, request: Request, is_subscription: bool, outlet: &Outlet) {
    if is_subscription {
        let mut responses = executor.execute_stream(request, None);
        while let Some(response) = responses.next().await {
            if RequestError::of(&response).is_some() {
                return outlet.error(&response).await;
            }
            outlet.next(&response).await;
        }
    } else {
        let response = executor.execute(request).await;
        if RequestError::of(&response).is_some() {
            return outlet.error(&response).await;
        }
        outlet.next(&response).await;
    }
    outlet.complete().await;
}

struct Outlet {
    id: String,
    serial: u64,
    outputs: mpsc::Sender<Output>,
}

impl Outlet {
    async fn next(&self, response: &Response) {
        self.send(&ServerMessage::next(&self.id, response), false)
            .await;
    }

    async fn error(&self, response: &Response) {
        let message = ServerMessage::Error {
            id: &self.id,
            payload: &response.errors,
        };
        self.send(&message, true).await;
    }

    async fn complete(&self) {
        self.send(&ServerMessage::Complete { id: &self.id }, true)
            .await;
    }

    async fn send(&self, message: &ServerMessage<'_>, is_last: bool) {
        let output = Output {
            id: self.id.clone(),
            serial: self.serial,
            message: message.to_message(),
            is_last,
        };
        // The socket has gone: this task is about to be dropped.
        let _ = self.outputs.send(output).await;
    }
}
