//! The byte stream of a connection: it counts what it reads, and fails when the client does not read.

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

use super::{
    pace::Pace,
    peer::{Peer, Reason},
};

/// How HTTP/2 begins, with or without TLS (RFC 9113, section 3.4).
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";

/// How many bytes are read before other tasks run. A few bytes can be a message that costs work (a ping, an empty frame), and a client can
/// send thousands of them faster than they are handled.
const TURN: usize = 4 * 1024;

/// The stream of a connection, over which either HTTP or a WebSocket is spoken.
pub(crate) struct Stream<I> {
    io: I,
    peer: Arc<Peer>,
    /// The time-out of a write, while the client does not read.
    unread: Option<Pin<Box<Sleep>>>,
    /// How many bytes of HTTP/2's beginning were read so far; `None` once it is known which protocol is spoken.
    begun: Option<usize>,
    /// Bytes that were read since other tasks could last run.
    turn: usize,
    /// Only for HTTP/2.
    pace: Option<Pace>,
    /// The end of a pause in reading, after too much came that asks for nothing.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<I> Stream<I> {
    pub(crate) fn new(io: I, peer: Arc<Peer>) -> Self {
        Self {
            io,
            peer,
            unread: None,
            begun: Some(0),
            turn: 0,
            pace: None,
            pause: None,
        }
    }

    /// Fails if the connection was ordered to end now.
    fn check_open(&self, context: &Context<'_>) -> io::Result<()> {
        if self.peer.orders.is_stream_closed(context) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Passes the outcome of a write on, and fails if the client has not read for too long.
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
        if this.turn >= TURN {
            this.turn = 0;
            this.check_open(context)?;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(pause) = &mut this.pause {
            if pause.as_mut().poll(context).is_pending() {
                this.check_open(context)?;
                return Poll::Pending;
            }
            this.pause = None;
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.io).poll_read(context, buffer);
        if outcome.is_pending() {
            this.turn = 0;
            this.check_open(context)?;
        }
        let bytes = &buffer.filled()[before..];
        this.turn += bytes.len();
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
            if this.peer.is_http_2() {
                let pace = this.pace.get_or_insert_with(Pace::new);
                let pause = pace.count(bytes.len(), this.peer.take_allowed());
                this.pause = pause.map(|time| Box::pin(tokio::time::sleep(time)));
            }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::connection::{Admission, Table, options::ConnectionOptions};

    /// A client that always has something more to say.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let length = buffer.remaining().min(100);
            buffer.put_slice(&[b'x'; 100][..length]);
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn who_always_has_more_to_say_lets_others_have_a_turn() {
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Relaxed);
            }
        }
        let table = Arc::new(Table::new(ConnectionOptions::default()));
        let Admission::Admitted(peer) = table.admit([127, 0, 0, 1].into()) else {
            panic!("there is room");
        };
        let mut stream = Stream::new(Endless, peer);
        let woken = Arc::new(Count(0.into()));
        let waker = Arc::clone(&woken).into();
        let mut context = Context::from_waker(&waker);
        for turns in 1..=3 {
            let mut read = 0;
            loop {
                let mut bytes = [0; 1000];
                let mut buffer = ReadBuf::new(&mut bytes);
                match Pin::new(&mut stream).poll_read(&mut context, &mut buffer) {
                    Poll::Ready(outcome) => outcome.unwrap(),
                    Poll::Pending => break,
                }
                read += buffer.filled().len();
                assert!(read < 2 * TURN, "it never pauses");
            }
            assert!(read >= TURN);
            // It is its turn again after the others.
            assert_eq!(woken.0.load(Relaxed), turns);
        }
    }
}
