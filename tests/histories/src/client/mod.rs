//! Clients: each sends one operation after the other, over HTTP or a WebSocket, and writes down what it was answered.

mod answer;
mod http;
mod operation;
mod random;
mod socket;
mod subscriber;
pub mod tokens;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::history::{self, Answer, Attempt, Finding, FindingKind, Moment};
use answer::Heard;
use http::Http;
use operation::Operation;
use random::Random;
use socket::Socket;
use tokens::Tokens;

pub use operation::{open_where_missing, setup};
pub use subscriber::{Habit, Subscribing, subscribe};

/// How often an operation whose outcome is not known is sent again with its key.
const SENT_AGAIN: usize = 4;

/// What all clients share.
#[derive(Debug)]
pub struct Shared {
    pub addresses: Vec<SocketAddr>,
    pub started: Instant,
    /// Deadline, bound and slack: how long an answer may take. Clients wait a little longer.
    pub answered_within: Duration,
    pub known: Mutex<random::Known>,
    tokens: Tokens,
    /// The next number of a tag, of all clients.
    numbers: AtomicUsize,
}

impl Shared {
    pub fn new(addresses: Vec<SocketAddr>, answered_within: Duration, shows_tokens: bool) -> Self {
        Self {
            addresses,
            started: Instant::now(),
            answered_within,
            known: Mutex::default(),
            tokens: Tokens::new(shows_tokens),
            numbers: AtomicUsize::new(0),
        }
    }

    pub fn now(&self) -> Moment {
        self.started.elapsed()
    }

    fn tag(&self) -> String {
        format!("e{}", self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, random::Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client, and what it has written down.
pub struct Client {
    number: usize,
    shared: Arc<Shared>,
    random: Random,
    rng: Rng,
    /// The server that it is used to.
    server: usize,
    transport: Transport,
    pub operations: Vec<history::Operation>,
    pub findings: Vec<Finding>,
}

enum Transport {
    Http(Http),
    Socket(Box<Socket>),
}

impl Client {
    pub fn new(number: usize, seed: u64, shared: Arc<Shared>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let transport = if number % 4 == 3 {
            Transport::Socket(Box::default())
        } else {
            Transport::Http(Http::default())
        };
        Self {
            number,
            random: Random::new(rng.fork()),
            server: number % shared.addresses.len(),
            rng,
            shared,
            transport,
            operations: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// A client that looks at everything once, at one server, when all is over.
    pub fn last(server: usize, shared: Arc<Shared>) -> Self {
        let mut client = Self::new(0, 0, shared);
        client.number = usize::MAX;
        client.server = server;
        client
    }

    /// Reads every account.
    pub async fn read_everything(&mut self) {
        self.carry_out(Operation::query_all()).await;
    }

    /// Whether its last operation succeeded.
    pub fn has_succeeded(&self) -> bool {
        let last = self.operations.last();
        last.is_some_and(|last| last.answer == Answer::Acknowledged)
    }

    /// Sends operations until it is told to stop; the last one is answered, or given up.
    pub async fn run(mut self, stop: CancellationToken, pause: Duration) -> Self {
        while !stop.is_cancelled() {
            let operation = self.random.operation(&self.shared);
            self.carry_out(operation).await;
            let pause = pause.mul_f64(2.0 * self.rng.f64());
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        self
    }

    /// Sends an operation, again while its outcome is not known and it has a key, and writes down what became of it.
    async fn carry_out(&mut self, operation: Operation) {
        let mut attempts = Vec::new();
        let mut heards = Vec::new();
        loop {
            let (attempt, heard) = self.attempt(&operation).await;
            attempts.push(attempt);
            let is_unknown = heard.answer.is_unknown();
            heards.push(heard);
            let again = operation.key.is_some() && attempts.len() < SENT_AGAIN;
            if !is_unknown || !again {
                break;
            }
            sleep(Duration::from_millis(self.rng.u64(20..300))).await;
        }
        for heard in &mut heards {
            let broken = heard.broken.take();
            self.findings.extend(broken.map(|text| Finding {
                kind: FindingKind::BrokenAnswer,
                text,
            }));
        }
        let written = operation.written(self.number, attempts, heards);
        self.random.learn(&self.shared, &operation, &written);
        self.operations.push(written);
    }

    async fn attempt(&mut self, operation: &Operation) -> (Attempt, Heard) {
        let server = self.server;
        let address = self.shared.addresses[server];
        let begun = self.shared.now();
        // Two seconds more: a late answer is to be seen as such.
        let patience = operation
            .patience
            .unwrap_or(self.shared.answered_within + Duration::from_secs(2));
        let answered = match &mut self.transport {
            Transport::Http(http) => {
                let tokens = &self.shared.tokens;
                http.send(address, operation, tokens, patience).await
            }
            Transport::Socket(socket) => {
                let tokens = &self.shared.tokens;
                socket.send(address, operation, tokens, patience).await
            }
        };
        let ended = self.shared.now();
        let heard = match answered.answer {
            Ok(value) => operation.hear(&value),
            Err(why) => Heard::nothing(why),
        };
        let is_answered =
            !matches!(&heard.answer, Answer::Unknown(why) if why != answer::OUTCOME_UNKNOWN);
        // Who was not answered asks another server.
        if !is_answered || self.rng.u8(..) < 8 {
            self.server = self.rng.usize(..self.shared.addresses.len());
        }
        let attempt = Attempt {
            server,
            begun,
            ended,
            is_answered,
            is_abandoned: operation.patience.is_some() && !is_answered,
            shown: answered.shown,
            told: answered.told,
        };
        (attempt, heard)
    }
}
