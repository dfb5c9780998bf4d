//! A proxy on the PostgreSQL wire: it watches what the client sends and can disturb it.
//!
//! Bytes pass through unchanged and in order. What the client sends is cut into *flights*, each being what it sends
//! before it waits for an answer, and each leaves one line in the log:
//!
//! | line | flight |
//! |---|---|
//! | the SQL | a simple query, or the statements executed before a Sync (joined by `; ` when several) |
//! | `PREPARE <sql>` | a statement parsed before a Sync but not executed |
//! | `CLOSE <sql>` | a prepared statement closed before a Sync, and nothing else |
//! | `PING` | a Sync with nothing before it |
//! | `CONNECT` | the start of a connection |
//! | `CANCEL` | a cancel request, on a connection of its own |
//! | `TERMINATE` | the client's goodbye |
//!
//! A request for encryption is answered with "no", so that the wire stays readable.

mod connection;
mod gate;
mod wire;

use std::collections::HashMap;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use url::Url;

pub use gate::Gate;
use gate::{Barrier, Side};

/// What a client sent before it waited for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// Which connection sent it: 1 is the first that the proxy accepted.
    pub connection: usize,
    /// The SQL, or one of the words of the [log](WireProxy::log).
    pub text: String,
}

/// A TCP proxy in front of a PostgreSQL server that logs, holds, cuts and swallows.
///
/// It lives on the runtime that started it; dropping it cuts every connection.
#[derive(Debug)]
pub struct WireProxy {
    url: String,
    road: Arc<Road>,
    listener: AbortHandle,
}

/// What the proxy and its connections share.
#[derive(Debug)]
struct Road {
    /// Where the server listens.
    server: Mutex<String>,
    blackholed: watch::Sender<BlackHole>,
    /// Whether connections are taken and closed at once.
    turned_away: AtomicBool,
    /// Parameters of a startup message that the server does not get.
    dropped_parameters: Mutex<Vec<String>>,
    state: Mutex<State>,
}

/// Which connections are silent.
#[derive(Debug, Default)]
struct BlackHole {
    all: bool,
    /// Those up to this one.
    up_to: usize,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<Flight>,
    /// Armed and not yet reached, oldest first.
    barriers: Vec<Arc<Barrier>>,
    connections: HashMap<usize, AbortHandle>,
}

impl WireProxy {
    /// Listens on a free loopback port in front of the server that `url` names.
    ///
    /// # Panics
    ///
    /// When `url` is not a PostgreSQL URL, or no port is free.
    pub async fn start(url: &str) -> Self {
        let mut url = Url::parse(url).expect("a PostgreSQL URL");
        let road = Arc::new(Road {
            server: Mutex::new(place(&url)),
            blackholed: watch::Sender::default(),
            turned_away: AtomicBool::new(false),
            dropped_parameters: Mutex::default(),
            state: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("no free port on 127.0.0.1");
        let port = listener.local_addr().unwrap().port();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        Self {
            url: url.into(),
            listener: tokio::spawn(accept(listener, Arc::clone(&road))).abort_handle(),
            road,
        }
    }

    /// The URL of the database through this proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The texts of the flights so far, in the order in which they arrived. A flight is logged when the client has sent
    /// it, before it is held.
    pub fn log(&self) -> Vec<String> {
        self.flights()
            .into_iter()
            .map(|flight| flight.text)
            .collect()
    }

    /// The flights so far with their connections, in the order in which they arrived.
    pub fn flights(&self) -> Vec<Flight> {
        self.road.state().log.clone()
    }

    /// Forgets the flights so far.
    pub fn clear_log(&self) {
        self.road.state().log.clear();
    }

    /// Holds back the next flight that `matcher` accepts, before the server sees any of it. The connection waits; the
    /// others go on.
    pub fn hold(&self, matcher: impl FnMut(&str) -> bool + Send + 'static) -> Gate {
        self.arm(Side::Request, Box::new(matcher))
    }

    /// Lets the next flight that `matcher` accepts pass to the server, and holds back the server's answer to it: the
    /// work is done, the client has not heard.
    pub fn hold_reply(&self, matcher: impl FnMut(&str) -> bool + Send + 'static) -> Gate {
        self.arm(Side::Reply, Box::new(matcher))
    }

    fn arm(&self, side: Side, matcher: gate::Matcher) -> Gate {
        let barrier = Arc::new(Barrier::new(side, matcher));
        self.road.state().barriers.push(Arc::clone(&barrier));
        Gate::new(barrier, Arc::clone(&self.road))
    }

    /// Leads new connections to the server that `url` names: another has taken over.
    ///
    /// # Panics
    ///
    /// When `url` is not a PostgreSQL URL.
    pub fn lead_to(&self, url: &str) {
        let url = Url::parse(url).expect("a PostgreSQL URL");
        *self.road.server() = place(&url);
    }

    /// Closes both sockets of every connection; new ones are welcome.
    pub fn cut_all(&self) {
        for (_, connection) in self.road.state().connections.drain() {
            connection.abort();
        }
    }

    /// Stops forwarding in both directions, on every connection and on those that come, without closing any: what a
    /// firewall does that forgets a connection. Nothing that is sent meanwhile is logged until [`Self::restore`].
    pub fn blackhole(&self) {
        self.road.blackholed.send_modify(|hole| hole.all = true);
    }

    /// Takes every connection that comes and closes it without a word, as a proxy does that has no server to lead to; or
    /// no longer does. Those that are there stay.
    pub fn turn_away(&self, turned_away: bool) {
        self.road.turned_away.store(turned_away, Ordering::SeqCst);
    }

    /// Keeps a parameter of the startup message (`options`) from the server, as a pooler may, on every connection that
    /// comes.
    pub fn drop_parameter(&self, name: &str) {
        let mut dropped = self.road.dropped_parameters.lock().unwrap();
        dropped.push(name.to_owned());
    }

    /// As [`Self::blackhole`], for the connections that there are: those that come are forwarded.
    pub fn forget(&self) {
        let newest = self.road.state().connections.keys().max().copied();
        let newest = newest.unwrap_or_default();
        self.road.blackholed.send_modify(|hole| hole.up_to = newest);
    }

    /// Ends [`Self::blackhole`] and [`Self::forget`]: what was sent meanwhile arrives, in order.
    pub fn restore(&self) {
        self.road.blackholed.send_replace(BlackHole::default());
    }
}

impl Drop for WireProxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut_all();
    }
}

fn place(url: &Url) -> String {
    let host = url.host_str().expect("a URL with a host");
    format!("{host}:{}", url.port().unwrap_or(5432))
}

impl Road {
    fn server(&self) -> MutexGuard<'_, String> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A matcher of a test may panic in here; the state is whole all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a flight and returns the barrier that stops it, which no other flight can meet from then on.
    fn arrive(&self, connection: usize, text: String) -> Option<Arc<Barrier>> {
        let mut state = self.state();
        let met = state
            .barriers
            .iter()
            .position(|barrier| barrier.stops(&text));
        state.log.push(Flight { connection, text });
        let barrier = state.barriers.remove(met?);
        barrier.take(connection);
        Some(barrier)
    }

    fn disarm(&self, barrier: &Arc<Barrier>) {
        self.state()
            .barriers
            .retain(|armed| !Arc::ptr_eq(armed, barrier));
    }

    fn cut(&self, connection: usize) {
        if let Some(connection) = self.state().connections.remove(&connection) {
            connection.abort();
        }
    }

    /// Waits while the proxy is a black hole for this connection.
    async fn passable(&self, connection: usize) {
        let mut blackholed = self.blackholed.subscribe();
        // The sender is a field of `self`, so it outlives the wait.
        let is_silent = |hole: &BlackHole| hole.all || connection <= hole.up_to;
        let _ = blackholed.wait_for(|hole| !is_silent(hole)).await;
    }
}

async fn accept(listener: TcpListener, road: Arc<Road>) {
    for connection in 1.. {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        if road.turned_away.load(Ordering::SeqCst) {
            continue;
        }
        // Locked across the spawn, so that the connection cannot log before it can be cut.
        let mut state = road.state();
        state.connections.retain(|_, task| !task.is_finished());
        let task = tokio::spawn(serve(client, connection, Arc::clone(&road)));
        state.connections.insert(connection, task.abort_handle());
    }
}

async fn serve(client: TcpStream, connection: usize, road: Arc<Road>) {
    // An error here is a peer that went away: closing both sockets, by dropping them, is all there is to do.
    let _ = connection::serve(client, connection, &road).await;
}
