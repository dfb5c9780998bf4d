//! The bytes of a connection: what comes is counted, and what is sent has to be read within a time.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use super::peer::{Peer, Reason};

/// How HTTP/2 begins, with or without TLS (RFC 9113, section 3.4).
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";

/// A connection with its peer. It lives as long as either HTTP or a WebSocket is spoken on it.
pub(super) struct Stream<I> {
    io: I,
    peer: Arc<Peer>,
    /// There while what is sent is not read.
    unread: Option<Pin<Box<Sleep>>>,
    /// How many of the first bytes are those of HTTP/2; `None` once it is known what is spoken.
    begun: Option<usize>,
}

impl<I> Stream<I> {
    pub(super) fn new(io: I, peer: Arc<Peer>) -> Self {
        Self {
            io,
            peer,
            unread: None,
            begun: Some(0),
        }
    }

    /// Fails once the connection is to be closed.
    fn check_open(&self, context: &Context<'_>) -> io::Result<()> {
        if self.peer.orders.is_stream_closed(context) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Hands on how a write went, and fails once the client has taken too long to make room for it.
    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.unread = None;
            return outcome;
        }
        self.check_open(context)?;
        let time = self.peer.options().write_timeout;
        let unread = self
            .unread
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        ready!(unread.as_mut().poll(context));
        self.peer.close(Reason::Unread);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Stream<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.io).poll_read(context, buffer);
        if outcome.is_pending() {
            this.check_open(context)?;
        }
        let bytes = &buffer.filled()[before..];
        if !bytes.is_empty() {
            if let Some(begun) = this.begun {
                let rest = &HTTP_2[begun..];
                let length = bytes.len().min(rest.len());
                this.begun = (bytes[..length] == rest[..length]).then_some(begun + length);
                if this.begun == Some(HTTP_2.len()) {
                    this.begun = None;
                    this.peer.speaks_http_2();
                }
            }
            this.peer.heard(bytes.len());
        }
        outcome
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Stream<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(context, bytes);
        this.written(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write_vectored(context, bytes);
        this.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_flush(context);
        this.written(context, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_shutdown(context);
        this.written(context, outcome)
    }
}
