//! One connection through the proxy: a pump for each direction.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Road;
use super::gate::{Barrier, Side};
use super::wire::{Conversation, Opening, ReadyScanner, Step, take_message, without_parameters};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// Serves one client until the server hangs up, or the client cannot be written to.
pub(super) async fn serve(mut client: TcpStream, connection: usize, road: &Road) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut received = Vec::new();
    let (opening, startup) = loop {
        let Some(message) = receive(&mut client, &mut received, 0).await? else {
            return Ok(());
        };
        road.passable(connection).await;
        match Opening::of(&message) {
            Opening::Encryption => client.write_all(b"N").await?,
            opening => break (opening, message),
        }
    };
    let startup = match opening {
        Opening::Startup => {
            let dropped = road.dropped_parameters.lock().unwrap().clone();
            without_parameters(&startup, &dropped)
        }
        _ => startup,
    };
    let place = road.server().clone();
    let server = TcpStream::connect(place).await?;
    server.set_nodelay(true)?;

    let held_replies = HeldReplies::default();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut requests = Requests {
        from_client,
        to_server,
        received,
        asked: 0,
        connection,
        road,
        held_replies: &held_replies,
    };
    let replies = Replies {
        from_server,
        to_client,
        connection,
        road,
        held_replies: &held_replies,
    };
    let requests = async {
        // A client that is gone is a client that has nothing more to say.
        let _ = requests.pump(opening, startup).await;
        let _ = requests.to_server.shutdown().await;
        pending::<()>().await;
    };
    tokio::select! {
        ended = replies.pump() => ended,
        () = requests => Ok(()),
    }
}

/// Reads until a whole message is there; `None` when the peer closes before.
async fn receive<R: AsyncReadExt + Unpin>(
    from: &mut R,
    received: &mut Vec<u8>,
    tag: usize,
) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(message) = take_message(received, tag) {
            return Ok(Some(message));
        }
        received.reserve(CHUNK);
        if from.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

/// The answers to hold, by the number of their ReadyForQuery on this connection, in order.
#[derive(Debug, Default)]
struct HeldReplies(Mutex<VecDeque<(usize, Arc<Barrier>)>>);

impl HeldReplies {
    fn push(&self, answer: usize, barrier: Arc<Barrier>) {
        self.lock().push_back((answer, barrier));
    }

    fn first(&self) -> Option<(usize, Arc<Barrier>)> {
        self.lock().front().cloned()
    }

    fn remove_first(&self) {
        self.lock().pop_front();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(usize, Arc<Barrier>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From the client to the server, flight by flight.
struct Requests<'a> {
    from_client: OwnedReadHalf,
    to_server: OwnedWriteHalf,
    received: Vec<u8>,
    /// How many answers the flights so far ask for.
    asked: usize,
    connection: usize,
    road: &'a Road,
    held_replies: &'a HeldReplies,
}

impl Requests<'_> {
    async fn pump(&mut self, opening: Opening, startup: Vec<u8>) -> io::Result<()> {
        if opening == Opening::Cancel {
            return self.send("CANCEL".to_owned(), false, &startup).await;
        }
        self.send("CONNECT".to_owned(), true, &startup).await?;

        let mut conversation = Conversation::default();
        let mut flight = Vec::new();
        while let Some(message) = receive(&mut self.from_client, &mut self.received, 1).await? {
            self.road.passable(self.connection).await;
            flight.extend_from_slice(&message);
            match conversation.follow(&message) {
                Step::Gather => {}
                Step::Pass => {
                    self.to_server.write_all(&flight).await?;
                    flight.clear();
                }
                Step::Complete { text, answered } => {
                    self.send(text, answered, &flight).await?;
                    flight.clear();
                }
            }
        }
        // A goodbye that is swallowed is not heard either.
        self.road.passable(self.connection).await;
        self.to_server.write_all(&flight).await?;
        self.to_server.write_all(&self.received).await
    }

    /// Logs a complete flight, waits where it is held, and forwards it.
    async fn send(&mut self, text: String, answered: bool, flight: &[u8]) -> io::Result<()> {
        if let Some(barrier) = self.road.arrive(self.connection, text) {
            match barrier.side {
                Side::Request => barrier.wait(self.connection).await,
                // Before the flight is forwarded, so that the answer cannot be faster.
                Side::Reply => self.held_replies.push(self.asked + 1, barrier),
            }
        }
        self.asked += usize::from(answered);
        self.road.passable(self.connection).await;
        self.to_server.write_all(flight).await
    }
}

/// From the server to the client, as the bytes come.
struct Replies<'a> {
    from_server: OwnedReadHalf,
    to_client: OwnedWriteHalf,
    connection: usize,
    road: &'a Road,
    held_replies: &'a HeldReplies,
}

impl Replies<'_> {
    async fn pump(mut self) -> io::Result<()> {
        let mut scanner = ReadyScanner::default();
        // Not yet forwarded, where the answers in it end, and how many answers were forwarded before it.
        let mut held = Vec::new();
        let mut ends = VecDeque::new();
        let mut answered = 0;
        loop {
            let old = held.len();
            held.reserve(CHUNK);
            // A server that was killed resets the connection: the end, as well.
            let closed = self.from_server.read_buf(&mut held).await.unwrap_or(0) == 0;
            self.road.passable(self.connection).await;
            ends.extend(scanner.scan(&held[old..]).iter().map(|end| old + end));

            while let Some((answer, barrier)) = self.held_replies.first() {
                // Earlier answers may pass.
                let earlier = ends.len().min(answer - 1 - answered);
                let free = match earlier {
                    _ if answered + earlier < answer - 1 => held.len(),
                    0 => 0,
                    earlier => ends[earlier - 1],
                };
                self.forward(&held[..free]).await?;
                held.drain(..free);
                ends.drain(..earlier);
                ends.iter_mut().for_each(|end| *end -= free);
                answered += earlier;

                let complete = answered == answer - 1 && !ends.is_empty();
                if !complete && !closed {
                    break;
                }
                barrier.wait(self.connection).await;
                self.held_replies.remove_first();
            }
            if self.held_replies.first().is_none() {
                self.forward(&held).await?;
                held.clear();
                answered += ends.len();
                ends.clear();
            }
            if closed {
                return self.to_client.shutdown().await;
            }
        }
    }

    async fn forward(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.road.passable(self.connection).await;
        self.to_client.write_all(bytes).await
    }
}
