//! What a request and its response hold, from the headers of the one to the end of the other.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{Method, Version, header},
    response::Response,
};
use futures_util::future::BoxFuture;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};
use tower::Service;

use super::peer::{Busy, Peer};
use crate::{App, media::MediaType, refusal::Refusal, slots::of_address};

/// How long a body may take before its rate is looked at.
const FIRST: Duration = Duration::from_secs(5);

/// Bodies up to this long are not counted after they have come, as operations at once are bounded.
const SMALL: u64 = 16 * 1024;

/// Headers up to this long are not counted where a connection has one request at a time.
const SMALL_HEAD: usize = 4 * 1024;

/// What headers take beside their names and values, at most: the heads of frames, lengths, and what a client says as it ends a stream.
const AROUND_HEAD: usize = 1024;

/// Responses are handed to the connection in pieces of this size, which it takes as the client reads.
const PIECE: usize = 16 * 1024;

/// The service of one connection.
#[derive(Clone)]
pub(super) struct PeerService {
    pub(super) app: App,
    pub(super) peer: Arc<Peer>,
}

impl hyper::service::Service<hyper::Request<Incoming>> for PeerService {
    type Response = hyper::Response<Leaving>;
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
        // Of HTTP/2 a few bytes can be headers of the full size, a hundred times on one connection.
        let is_counted = is_large || head > SMALL_HEAD || request.version() == Version::HTTP_2;
        let body = is_counted.then(|| Arc::new(BodyBytes::new(self.peer.clone())));
        if let Some(body) = &body
            && !body.add(head)
        {
            return refuse(Refusal::no_room(), busy);
        }
        let mut request: Request = request.map(|incoming| match incoming.is_end_stream() {
            true => Body::new(incoming),
            false => Body::new(Arriving::new(incoming, self.peer.clone(), body.clone())),
        });
        // A WebSocket outlives its request.
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

/// The response to a request, once it is there.
pub(super) struct Answer {
    answer: BoxFuture<'static, Result<Response, std::convert::Infallible>>,
    busy: Option<Busy>,
    /// What the request holds until it is answered.
    body: Option<Arc<BodyBytes>>,
}

impl Future for Answer {
    type Output = Result<hyper::Response<Leaving>, std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // `None` only where it is polled again after its end, which a future is not.
        let address = this.busy.as_ref().map(Busy::address);
        let address = address.unwrap_or_else(|| unreachable!());
        let answer = of_address(address, || this.answer.as_mut().poll(context));
        let Ok(response) = ready!(answer);
        self.body = None;
        // A future is not polled again once it is ready.
        let busy = self.busy.take().unwrap_or_else(|| unreachable!());
        Poll::Ready(Ok(Leaving::wrap(response, busy)))
    }
}

/// The bytes of one body.
struct BodyBytes {
    peer: Arc<Peer>,
    bytes: AtomicUsize,
}

impl BodyBytes {
    fn new(peer: Arc<Peer>) -> Self {
        Self {
            peer,
            bytes: AtomicUsize::new(0),
        }
    }

    fn add(&self, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, Relaxed);
        self.peer.hold_body(bytes)
    }
}

impl Drop for BodyBytes {
    fn drop(&mut self) {
        self.peer.release_body(*self.bytes.get_mut());
    }
}

/// Why a body did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArrivalError {
    #[error("the body takes too long")]
    Late,
    #[error("the bodies that are arriving leave no room for another")]
    Full,
}

/// The body of a request, which comes within a time and at a rate, and is counted.
struct Arriving {
    incoming: Incoming,
    peer: Arc<Peer>,
    counted: Option<Arc<BodyBytes>>,
    /// When it first had to be waited for.
    began: Option<Instant>,
    received: usize,
    /// Bytes that are counted until the body has come.
    held: usize,
    /// There once it had to be waited for.
    due: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

impl Arriving {
    fn new(incoming: Incoming, peer: Arc<Peer>, counted: Option<Arc<BodyBytes>>) -> Self {
        peer.begin_arriving();
        Self {
            incoming,
            peer,
            counted,
            began: None,
            received: 0,
            held: 0,
            due: None,
            is_over: false,
        }
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.peer.end_arriving();
            self.peer.release_body(std::mem::take(&mut self.held));
        }
    }

    /// When the next byte has to be there, of a body that began to be waited for then.
    fn deadline(&self, began: Instant) -> Instant {
        let options = self.peer.options();
        let rate = u64::try_from(options.body_rate.max(1)).unwrap_or(u64::MAX);
        let earned = Duration::from_secs(u64::try_from(self.received).unwrap_or(u64::MAX) / rate);
        let time = FIRST.saturating_add(earned).min(options.body_timeout);
        began + time
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.received += bytes;
                // With the head of its frame, of which there is one for each kilobyte at least where a client means well.
                this.peer.allow(bytes + bytes / 64);
                let has_room = match &this.counted {
                    Some(counted) => counted.add(bytes),
                    None => {
                        this.held += bytes;
                        this.peer.hold_body(bytes)
                    }
                };
                if !has_room {
                    this.end();
                    return Poll::Ready(Some(Err(ArrivalError::Full.into())));
                }
                if this
                    .began
                    .is_some_and(|began| Instant::now() > this.deadline(began))
                {
                    this.end();
                    return Poll::Ready(Some(Err(ArrivalError::Late.into())));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.end();
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let began = *this.began.get_or_insert_with(Instant::now);
                let deadline = this.deadline(began);
                let due = this
                    .due
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                if due.deadline() != deadline {
                    due.as_mut().reset(deadline);
                }
                ready!(due.as_mut().poll(context));
                this.end();
                Poll::Ready(Some(Err(ArrivalError::Late.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says of a compressed response how many bytes it is made of, which are in memory until it has been read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed(pub(crate) usize);

/// The body of a response, which is counted until the client has read it, and given to it piece by piece.
pub(super) struct Leaving {
    body: Body,
    /// What is left of a piece that was larger than [`PIECE`].
    rest: Bytes,
    /// Bytes that are counted until the end.
    held: usize,
    /// Bytes of `rest` that are counted by themselves, where the whole has no end that is known.
    rest_held: usize,
    is_stream: bool,
    /// Whether a piece was handed over, and nothing was asked for since.
    is_handed_over: bool,
    busy: Busy,
}

impl Leaving {
    fn wrap(mut response: Response, busy: Busy) -> hyper::Response<Self> {
        let packed = response.extensions_mut().remove::<Packed>();
        let exact = response.body().size_hint().exact().unwrap_or(0);
        let held =
            packed.map_or(0, |Packed(bytes)| bytes) + usize::try_from(exact).unwrap_or(usize::MAX);
        response.map(|body| {
            let peer = &busy.0;
            peer.hand_over();
            if held > 0 {
                peer.hold_unread(held);
            }
            Self {
                body,
                rest: Bytes::new(),
                held,
                rest_held: 0,
                is_stream: held == 0,
                is_handed_over: true,
                busy,
            }
        })
    }

    fn hand_over(
        &mut self,
        frame: Frame<Bytes>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_handed_over = true;
        self.busy.0.hand_over();
        Poll::Ready(Some(Ok(frame)))
    }

    /// A piece of its own memory: as a part of the whole it would keep all of that.
    fn piece(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(PIECE.min(self.rest.len()));
        let piece = Bytes::copy_from_slice(&piece);
        // The client says as it reads that there may be more.
        self.busy.0.allow(piece.len() / 64);
        if self.rest.is_empty() {
            self.rest = Bytes::new();
            self.busy
                .0
                .release_unread(std::mem::take(&mut self.rest_held));
        }
        Frame::data(piece)
    }
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.is_handed_over) {
            this.busy.0.take();
        }
        if !this.rest.is_empty() {
            let piece = this.piece();
            return this.hand_over(piece);
        }
        match ready!(Pin::new(&mut this.body).poll_frame(context)) {
            Some(Ok(frame)) => {
                let frame = match frame.into_data() {
                    Ok(data) if data.len() > PIECE => {
                        if this.is_stream {
                            this.rest_held = data.len();
                            this.busy.0.hold_unread(data.len());
                        }
                        this.rest = data;
                        this.piece()
                    }
                    Ok(data) => Frame::data(data),
                    Err(frame) => frame,
                };
                this.hand_over(frame)
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let peer = &self.busy.0;
        if self.is_handed_over {
            peer.take();
        }
        if self.held + self.rest_held > 0 {
            peer.release_unread(self.held + self.rest_held);
        }
    }
}
