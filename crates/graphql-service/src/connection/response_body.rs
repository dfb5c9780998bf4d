//! The body of a response: its bytes are counted until the client has read them.

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

/// Bodies are handed to HTTP in pieces of this size, as the client reads.
const PIECE: usize = 16 * 1024;

/// The size of a compressed response before compression. That much is in memory until the client has read the response. In the response's
/// extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UncompressedBytes(pub(crate) usize);

/// The body of a response, which is sent piece by piece and counted until the client has read it.
pub(crate) struct ResponseBody {
    body: Body,
    /// What is left of data that was larger than [`PIECE`].
    rest: Bytes,
    /// Bytes that are counted until the end.
    held: usize,
    /// Bytes of `rest` that are counted, where the length of the body is not known.
    rest_held: usize,
    is_stream: bool,
    /// Whether a piece was handed to HTTP, which has not asked for the next one.
    is_handed_over: bool,
    busy: Busy,
}

impl ResponseBody {
    pub(crate) fn wrap(mut response: Response, busy: Busy) -> hyper::Response<Self> {
        let uncompressed = response.extensions_mut().remove::<UncompressedBytes>();
        let exact = response.body().size_hint().exact().unwrap_or(0);
        let held = uncompressed.map_or(0, |UncompressedBytes(bytes)| bytes)
            + usize::try_from(exact).unwrap_or(usize::MAX);
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

    /// A copy of the next piece. A slice of the data would keep all of it in memory.
    fn piece(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(PIECE.min(self.rest.len()));
        let piece = Bytes::copy_from_slice(&piece);
        // As it reads, an HTTP/2 client acknowledges with window updates.
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

impl HttpBody for ResponseBody {
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

impl Drop for ResponseBody {
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
