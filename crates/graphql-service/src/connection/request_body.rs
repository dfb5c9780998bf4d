//! The body of a request: it has to arrive in time and fast enough, and its bytes are counted.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::peer::Peer;

/// How long a body may take before its rate is checked.
const WITHOUT_RATE: Duration = Duration::from_secs(5);

/// Counts bytes of one request until it is dropped.
pub(crate) struct BodyBytes {
    peer: Arc<Peer>,
    bytes: AtomicUsize,
}

impl BodyBytes {
    pub(crate) fn new(peer: Arc<Peer>) -> Self {
        Self {
            peer,
            bytes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn add(&self, bytes: usize) -> bool {
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
pub(crate) enum BodyError {
    #[error("the body takes too long")]
    Late,
    #[error("the bodies that are arriving leave no room for another")]
    Full,
}

/// The body of a request, which has to arrive in time and fast enough, and is counted.
pub(crate) struct RequestBody {
    incoming: Incoming,
    peer: Arc<Peer>,
    counted: Option<Arc<BodyBytes>>,
    /// When the server first had to wait for it.
    began: Option<Instant>,
    received: usize,
    /// Bytes that are counted until the body has arrived.
    held: usize,
    /// The time-out, once the server had to wait.
    due: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

impl RequestBody {
    pub(crate) fn new(
        incoming: Incoming,
        peer: Arc<Peer>,
        counted: Option<Arc<BodyBytes>>,
    ) -> Self {
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

    /// When the next byte has to arrive. `began` is when the server first had to wait.
    fn deadline(&self, began: Instant) -> Instant {
        let options = self.peer.options();
        let rate = u64::try_from(options.body_rate.max(1)).unwrap_or(u64::MAX);
        let earned = Duration::from_secs(u64::try_from(self.received).unwrap_or(u64::MAX) / rate);
        let time = WITHOUT_RATE
            .saturating_add(earned)
            .min(options.body_timeout);
        began + time
    }
}

impl HttpBody for RequestBody {
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
                // With the head of its frame: well-behaved clients send at least a kilobyte in each.
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
                    return Poll::Ready(Some(Err(BodyError::Full.into())));
                }
                if this
                    .began
                    .is_some_and(|began| Instant::now() > this.deadline(began))
                {
                    this.end();
                    return Poll::Ready(Some(Err(BodyError::Late.into())));
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
                Poll::Ready(Some(Err(BodyError::Late.into())))
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

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.end();
    }
}
