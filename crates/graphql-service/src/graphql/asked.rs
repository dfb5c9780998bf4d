//! What the headers of an HTTP request say: who sends it, with which switches, and which form of an answer is accepted.

use async_graphql::Response as GraphqlResponse;
use axum::response::Response;

use super::stream::events;
use crate::{
    admission::{
        access::Caller,
        slots::{self, Client},
    },
    answer::{media::Accept, response},
    request::request_options::RequestOptions,
};

/// What the headers of an HTTP request say.
#[derive(Clone)]
pub(crate) struct Asked<C> {
    pub(crate) caller: C,
    pub(crate) options: RequestOptions,
    pub(crate) accept: Accept,
}

/// On which threads a request is being handled.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// On the threads of all requests. If the operation turns out to be heavy, it moves to a heavy slot. `bytes` is the size of the
    /// request.
    Shared { bytes: usize },
    /// In a heavy slot, on the threads for heavy work.
    Heavy,
}

impl Place {
    /// The size of the request where it may still make the operation heavy, otherwise 0.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Shared { bytes } => bytes,
            Self::Heavy => 0,
        }
    }

    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Shared { .. })
    }
}

impl<C: Caller> Asked<C> {
    pub(crate) fn client(&self) -> Client {
        Client::of(self.caller.name(), slots::current_address())
    }

    /// Writes a response, or a document's errors, in the form that the client accepts.
    pub(crate) async fn write(&self, response: GraphqlResponse) -> Response {
        if self.accept.only_events() {
            events::single(response).await
        } else {
            response::single(response, self.accept.json()).await
        }
    }
}
