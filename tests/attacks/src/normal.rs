//! A client that means well: it asks for something small again and again, and measures how long that takes.
//!
//! It has a thread of its own, so that what it waits for is the server, and not the attackers of the same program. It also has an address
//! of its own, as clients have: the server counts by address what one of them may take.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::server::Server;

const QUERY: &str = r#"{"query":"{ account(by: { code: \"a\" }) { code balances { version } } }"}"#;

/// How long it thinks between two questions.
const PAUSE: Duration = Duration::from_millis(5);

/// Another address of loopback than that of the attackers, and any port.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0);

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client saw.
#[derive(Default)]
pub struct Seen {
    times: Vec<Duration>,
    pub failed: usize,
}

impl Seen {
    /// The time within which so many in a hundred were answered, in milliseconds.
    pub fn at(&self, part: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        let time = times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.1} / {:.1}", self.at(50), self.at(99))
    }
}

pub struct Normal {
    end: oneshot::Sender<()>,
    seen: oneshot::Receiver<Seen>,
}

impl Normal {
    pub fn start(server: &Server) -> Result<Self> {
        let (end, ended) = oneshot::channel();
        let (tell, seen) = oneshot::channel();
        let address = server.address.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("normal".to_owned())
            .spawn(move || tell.send(runtime.block_on(go_on(&address, ended))))?;
        Ok(Self { end, seen })
    }

    pub async fn end(self) -> Seen {
        let _ = self.end.send(());
        self.seen.await.unwrap_or_default()
    }

    pub async fn measure(server: &Server, time: Duration) -> Result<Seen> {
        let normal = Self::start(server)?;
        sleep(time).await;
        Ok(normal.end().await)
    }
}

async fn go_on(address: &str, mut ended: oneshot::Receiver<()>) -> Seen {
    let mut seen = Seen::default();
    let mut connection = None;
    while ended.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
        let began = Instant::now();
        match timeout(PATIENCE, ask_again(&mut connection, address)).await {
            Ok(Ok(answer)) if answer.contains("\"version\"") => {
                seen.times.push(began.elapsed());
            }
            _ => {
                seen.failed += 1;
                connection = None;
            }
        }
        sleep(PAUSE).await;
    }
    seen
}

/// Asks on the connection that there is, or on a new one from its own address.
async fn ask_again(connection: &mut Option<TcpStream>, address: &str) -> Result<String> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => {
            let socket = TcpSocket::new_v4()?;
            socket.bind(ADDRESS)?;
            socket.connect(address.parse()?).await?
        }
    };
    let answer = ask(&mut stream, QUERY).await?;
    *connection = Some(stream);
    Ok(answer)
}

/// One POST on a connection of its own.
pub async fn post(address: &str, body: &str) -> Result<String> {
    ask(&mut TcpStream::connect(address).await?, body).await
}

async fn ask(stream: &mut TcpStream, body: &str) -> Result<String> {
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(&[head.as_bytes(), body.as_bytes()].concat())
        .await?;
    read_answer(stream).await
}

/// The body of an answer that says how long it is.
pub async fn read_answer(stream: &mut TcpStream) -> Result<String> {
    let mut said = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "it closed the connection");
        said.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&said);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.context("no length")?.parse()?;
            if body.len() >= length {
                return Ok(body.to_owned());
            }
        }
    }
}
