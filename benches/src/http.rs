//! The load: a fixed number of connections that are kept alive, on one thread.
//!
//! It shares the machine's cores with what it measures, so it is as light as it can be: each connection is one task that
//! writes a request, reads until the response is complete, and looks at no more of it than its status, its length and its
//! first bytes. The cost that is left is measured and reported beside the others.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Mutex, mpsc},
};

/// Writes the JSON body of one request.
pub type Body = Arc<dyn Fn(&mut fastrand::Rng, &mut Vec<u8>) + Send + Sync>;

/// How requests arrive.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends its next request when it has the answer to the one before.
    Closed,
    /// This many a second over all connections, whether or not those before are answered; latency counts from when a
    /// request was due.
    Open(f64),
}

/// What a connection does with the consistency tokens of its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Nothing.
    Ignored,
    /// It shows the last one in its next request.
    Shown,
}

/// What a run of the load has seen.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests that were answered, and well.
    pub answered: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// How long each answer took, in nanoseconds, sorted.
    pub latencies: Vec<u64>,
}

/// Loads `address` for `duration`, and waits for every answer.
///
/// # Errors
/// When a connection breaks, or an answer is not what it should be: then the run measures nothing.
pub fn load(
    address: SocketAddr,
    path: &str,
    connections: usize,
    duration: Duration,
    pace: Pace,
    tokens: Tokens,
    body: &Body,
) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut links = Vec::new();
        for seed in 0..connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: "
            );
            links.push(Link {
                stream,
                head: head.into_bytes(),
                request: Vec::new(),
                body: Vec::new(),
                answer: vec![0; 256 * 1024],
                random: fastrand::Rng::with_seed(fastrand::u64(..) ^ seed as u64),
                tokens,
                token: match tokens {
                    Tokens::Ignored => Vec::new(),
                    Tokens::Shown => FIRST.to_vec(),
                },
            });
        }
        let start = Instant::now();
        let mut tasks = Vec::new();
        let due = match pace {
            Pace::Closed => None,
            Pace::Open(rate) => Some(Arc::new(Mutex::new(schedule(rate, duration)))),
        };
        for link in links {
            let body = Arc::clone(body);
            let due = due.clone();
            tasks.push(tokio::spawn(async move {
                match due {
                    None => link.closed(start + duration, &body).await,
                    Some(due) => link.open(&due, &body).await,
                }
            }));
        }
        let mut tally = Tally::default();
        for task in tasks {
            tally.latencies.extend(task.await??);
        }
        tally.elapsed = start.elapsed();
        tally.answered = tally.latencies.len() as u64;
        tally.latencies.sort_unstable();
        Ok(tally)
    })
}

/// Asks once, and answers the whole body.
///
/// # Errors
/// As [`load`].
pub async fn ask(address: SocketAddr, path: &str, body: &str) -> Result<String> {
    let mut link = Link {
        stream: TcpStream::connect(address).await?,
        head: format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: "
        )
        .into_bytes(),
        request: Vec::new(),
        body: body.as_bytes().to_vec(),
        answer: vec![0; 1024 * 1024],
        random: fastrand::Rng::new(),
        tokens: Tokens::Ignored,
        token: Vec::new(),
    };
    let answer = link.exchange().await?;
    Ok(String::from_utf8_lossy(answer).into_owned())
}

/// The instants at which requests are due, sent as they come: from a thread of its own, because tokio's timer is no finer
/// than a millisecond.
fn schedule(rate: f64, duration: Duration) -> mpsc::UnboundedReceiver<Instant> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let start = Instant::now();
        let mut random = fastrand::Rng::new();
        let mut at = 0.0;
        loop {
            // Arrivals that know nothing of each other: exponential gaps.
            at -= (1.0 - random.f64()).ln() / rate;
            let due = Duration::from_secs_f64(at);
            if due > duration {
                return;
            }
            if let Some(wait) = due.checked_sub(start.elapsed()) {
                std::thread::sleep(wait);
            }
            // The thread's own lateness is not the server's: the request is due when it is sent from here, unless the
            // thread is so late that the next ones are due as well.
            if sender.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    receiver
}

struct Link {
    stream: TcpStream,
    head: Vec<u8>,
    request: Vec<u8>,
    body: Vec<u8>,
    answer: Vec<u8>,
    random: fastrand::Rng,
    tokens: Tokens,
    /// The header line of the token to show, if one is to be shown.
    token: Vec<u8>,
}

impl Link {
    async fn closed(mut self, end: Instant, body: &Body) -> Result<Vec<u64>> {
        let mut latencies = Vec::with_capacity(16 * 1024);
        loop {
            let sent = Instant::now();
            if sent >= end {
                return Ok(latencies);
            }
            self.once(body).await?;
            latencies.push(nanoseconds(sent.elapsed()));
        }
    }

    async fn open(
        mut self,
        due: &Mutex<mpsc::UnboundedReceiver<Instant>>,
        body: &Body,
    ) -> Result<Vec<u64>> {
        let mut latencies = Vec::with_capacity(16 * 1024);
        loop {
            let Some(at) = due.lock().await.recv().await else {
                return Ok(latencies);
            };
            self.once(body).await?;
            latencies.push(nanoseconds(at.elapsed()));
        }
    }

    async fn once(&mut self, body: &Body) -> Result<()> {
        self.body.clear();
        body(&mut self.random, &mut self.body);
        let answer = self.exchange().await?;
        if !answer.starts_with(b"{\"data\":{") {
            bail!(
                "the answer is no success: {}",
                String::from_utf8_lossy(&answer[..answer.len().min(500)])
            );
        }
        Ok(())
    }

    /// Sends the body, and answers the body of the response.
    async fn exchange(&mut self) -> Result<&[u8]> {
        self.request.clear();
        self.request.extend_from_slice(&self.head);
        self.request
            .extend_from_slice(self.body.len().to_string().as_bytes());
        self.request.extend_from_slice(b"\r\n");
        self.request.extend_from_slice(&self.token);
        self.request.extend_from_slice(b"\r\n");
        self.request.extend_from_slice(&self.body);
        self.stream.write_all(&self.request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).await?;
            if read == 0 {
                bail!("the server closed a connection in the middle of an answer");
            }
            filled += read;
            if let Some((head, length)) = complete(&self.answer[..filled])?
                && filled >= head + length
            {
                if self.tokens == Tokens::Shown
                    && let Some(line) = token_in(&self.answer[..head])
                {
                    self.token.clear();
                    self.token.extend_from_slice(line);
                }
                return Ok(&self.answer[head..head + length]);
            }
            if filled == self.answer.len() {
                bail!("the answer is longer than {filled} bytes");
            }
        }
    }
}

/// The lengths of a response's head and body, once the head is there.
fn complete(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).context("the head of a response")?;
    if !head.starts_with("HTTP/1.1 200 ") {
        bail!("{}", String::from_utf8_lossy(bytes));
    }
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("a response without a length")?
        .1;
    Ok(Some((end + 4, length.trim().parse()?)))
}

/// The header line of a client that has no token yet.
const FIRST: &[u8] = b"x-consistency: 0\r\n";

/// The header line of the token in the head of a response.
fn token_in(head: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"x-consistency:";
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    lines.find(|line| line.starts_with(NAME))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
