//! The bodies of responses, which are counted until the client has read them.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use hyper::body::{Frame, SizeHint};

use super::peer::Busy;

/// Responses are handed to the connection in pieces of this size, which it takes as the client reads.
const PIECE: usize = 16 * 1024;

/// Says of a compressed response how many bytes it is made of, which are in memory until it has been read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed(pub(crate) usize);

/// The body of a response, which is counted until the client has read it, and given to it piece by piece.
pub(crate) struct Leaving {
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
    pub(crate) fn wrap(mut response: Response, busy: Busy) -> hyper::Response<Self> {
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
