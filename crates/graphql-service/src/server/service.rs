//! Hands the requests of one connection to the app, and counts the memory that each request and its response hold.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{Method, Version, header},
    response::Response,
};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use tower::Service;

use crate::{
    admission::slots::of_address,
    answer::{media::MediaType, refusal::Refusal},
    connection::{
        peer::{Busy, Peer},
        request_body::{BodyBytes, RequestBody},
        response_body::ResponseBody,
    },
    edge::app::App,
};

/// The bytes of a shorter body are no longer counted once it has arrived, since the number of operations is limited.
const SMALL: u64 = 16 * 1024;

/// Shorter headers are not counted where a connection has one request at a time.
const SMALL_HEAD: usize = 4 * 1024;

/// The most bytes that headers take beside their names and values: heads of frames, lengths, and the frames that end a stream.
const AROUND_HEAD: usize = 1024;

/// The service of one connection.
#[derive(Clone)]
pub(super) struct PeerService {
    pub(super) app: App,
    pub(super) peer: Arc<Peer>,
}

impl hyper::service::Service<hyper::Request<Incoming>> for PeerService {
    type Response = hyper::Response<ResponseBody>;
    type Error = std::convert::Infallible;
    type Future = Answer;

    fn call(&self, request: hyper::Request<Incoming>) -> Answer {
        let busy = self.peer.begin();
        let refuse = |refusal: Refusal, busy| Answer {
            answer: Box::pin(std::future::ready(Ok(refusal.into_http(MediaType::Json)))),
            busy: Some(busy),
            body: None,
        };
        let head = head_bytes(&request);
        self.peer.allow(head + AROUND_HEAD);
        if self.peer.holds_too_much() {
            return refuse(Refusal::unread(), busy);
        }
        let is_large = request
            .body()
            .size_hint()
            .upper()
            .is_none_or(|bytes| bytes > SMALL);
        // With HTTP/2, a few bytes can stand for headers of the full size, a hundred times on one connection.
        let is_counted = is_large || head > SMALL_HEAD || request.version() == Version::HTTP_2;
        let body = is_counted.then(|| Arc::new(BodyBytes::new(self.peer.clone())));
        if let Some(body) = &body
            && !body.add(head)
        {
            return refuse(Refusal::no_room(), busy);
        }
        let mut request: Request = request.map(|incoming| match incoming.is_end_stream() {
            true => Body::new(incoming),
            false => Body::new(RequestBody::new(incoming, self.peer.clone(), body.clone())),
        });
        // For a WebSocket, which goes on after its request has ended.
        if request.method() == Method::CONNECT || request.headers().contains_key(header::UPGRADE) {
            request.extensions_mut().insert(busy.clone());
        }
        Answer {
            answer: self.app.clone().call(request),
            busy: Some(busy),
            body,
        }
    }
}

fn head_bytes<B>(request: &hyper::Request<B>) -> usize {
    let target = request.uri().path_and_query();
    let target = target.map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
    target + headers.sum::<usize>()
}

/// The future of a response.
pub(super) struct Answer {
    answer: BoxFuture<'static, Result<Response, std::convert::Infallible>>,
    busy: Option<Busy>,
    /// The bytes that the request holds until it is answered.
    body: Option<Arc<BodyBytes>>,
}

impl Future for Answer {
    type Output = Result<hyper::Response<ResponseBody>, std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // `busy` is `None` only after the end, and no future is polled after its end.
        let address = this.busy.as_ref().map(Busy::address);
        let address = address.unwrap_or_else(|| unreachable!());
        let answer = of_address(address, || this.answer.as_mut().poll(context));
        let Ok(response) = ready!(answer);
        self.body = None;
        let busy = self.busy.take().unwrap_or_else(|| unreachable!());
        Poll::Ready(Ok(ResponseBody::wrap(response, busy)))
    }
}
