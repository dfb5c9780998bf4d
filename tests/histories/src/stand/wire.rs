//! A wire between two programs that can be cut, slowed and darkened, each direction by itself.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::AbortHandle,
    time::sleep,
};

/// How bytes go in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    #[default]
    Free,
    /// So much later.
    Slow(Duration),
    /// Not at all, and nobody is told: what a firewall does that forgets a connection.
    Dark,
}

/// How things are on the wire now.
#[derive(Clone, Copy, Debug)]
struct Weather {
    /// Where new connections lead.
    target: SocketAddr,
    there: Flow,
    back: Flow,
    /// Connections up to this number are cut.
    cut: u64,
    /// Connections up to this number are dark for ever, while new ones pass.
    forgotten: u64,
    /// The number of the last connection.
    last: u64,
}

/// A TCP proxy. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Wire {
    pub address: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
    listener: AbortHandle,
}

impl Wire {
    /// A wire to `target`, from a free port of the loopback address.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let weather = Arc::new(watch::Sender::new(Weather {
            target,
            there: Flow::Free,
            back: Flow::Free,
            cut: 0,
            forgotten: 0,
            last: 0,
        }));
        Ok(Self {
            address: listener.local_addr()?,
            listener: tokio::spawn(accept(listener, Arc::clone(&weather))).abort_handle(),
            weather,
        })
    }

    /// How bytes go from now on.
    pub fn set(&self, there: Flow, back: Flow) {
        self.weather.send_modify(|weather| {
            weather.there = there;
            weather.back = back;
        });
    }

    /// Leads new connections elsewhere.
    pub fn lead_to(&self, target: SocketAddr) {
        self.weather.send_modify(|weather| weather.target = target);
    }

    /// Cuts all connections; new ones are welcome.
    pub fn cut(&self) {
        self.weather
            .send_modify(|weather| weather.cut = weather.last);
    }

    /// Darkens all connections for ever; new ones are welcome.
    pub fn forget(&self) {
        self.weather
            .send_modify(|weather| weather.forgotten = weather.last);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
        self.weather.send_modify(|weather| weather.cut = u64::MAX);
    }
}

async fn accept(listener: TcpListener, weather: Arc<watch::Sender<Weather>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (mut number, mut target) = (0, weather.borrow().target);
        weather.send_modify(|weather| {
            weather.last += 1;
            (number, target) = (weather.last, weather.target);
        });
        let weather = weather.subscribe();
        tokio::spawn(async move {
            let mut ended = weather.clone();
            let cut = async {
                // Where the sender has gone, the wire has too.
                let _ = ended.wait_for(|weather| weather.cut >= number).await;
            };
            tokio::select! {
                () = cut => {}
                // An error here is a peer that went away.
                _ = carry(client, target, number, weather) => {}
            }
        });
    }
}

async fn carry(
    client: TcpStream,
    target: SocketAddr,
    number: u64,
    weather: watch::Receiver<Weather>,
) -> Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        pump(from_client, to_server, number, weather.clone(), |weather| {
            weather.there
        }),
        pump(from_server, to_client, number, weather, |weather| weather
            .back),
    )?;
    Ok(())
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    mut weather: watch::Receiver<Weather>,
    flow: impl Fn(&Weather) -> Flow,
) -> Result<()> {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut chunk).await?;
        let passable =
            |weather: &Weather| flow(weather) != Flow::Dark && weather.forgotten < number;
        // Copied, for the watch is locked while it is borrowed.
        let now = *weather.wait_for(passable).await?;
        if let Flow::Slow(delay) = flow(&now) {
            sleep(delay).await;
        }
        if length == 0 {
            // The end goes the way of the bytes before it.
            to.shutdown().await?;
            return Ok(());
        }
        to.write_all(&chunk[..length]).await?;
    }
}
