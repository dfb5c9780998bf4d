//! What is known of an HTTP request before its operation: who asks, how, and for what form of an answer.

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

/// Who asks, how, and for what form of an answer.
#[derive(Clone)]
pub(crate) struct Asked<C> {
    pub(crate) caller: C,
    pub(crate) options: RequestOptions,
    pub(crate) accept: Accept,
}

/// Where a request is being handled.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// On a thread of everybody: what turns out to be heavy goes elsewhere. The request has so many bytes.
    Shared { bytes: usize },
    /// In a heavy slot, on a thread for heavy work.
    Heavy,
}

impl Place {
    /// The bytes of the request, where they may still make it heavy.
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

    /// What is wrong with a document is answered as the executor answers it, and so is a response.
    pub(crate) async fn write(&self, response: GraphqlResponse) -> Response {
        if self.accept.only_events() {
            events::single(response).await
        } else {
            response::single(response, self.accept.json()).await
        }
    }
}
