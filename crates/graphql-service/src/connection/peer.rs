//! The state of one connection: its requests, the memory that it holds, and who waits for whom.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{held::Held, options::ConnectionOptions, orders::Orders};

/// Why the server closes a connection. The metric has the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The headers of a request did not come in time.
    Headers,
    /// It was idle for too long.
    Idle,
    /// It has reached its greatest age.
    Lifetime,
    /// Its client does not read what was sent to it.
    Unread,
    /// It was closed for another connection.
    Room,
    /// It held the most memory while all together held too much.
    Memory,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Unread => "unread",
            Self::Room => "room",
            Self::Memory => "memory",
        }
    }
}

/// For how long a connection that has just come may take to send its first request, before it is closed for another one.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// What a connection asks of the server's connections, itself among them.
pub(crate) trait Neighbours: std::fmt::Debug + Send + Sync {
    /// Makes room where all connections together hold too much. Answers whether the connection that asks may go on.
    fn make_room(&self, asking: u64) -> bool;

    /// Forgets a connection that has ended.
    fn remove(&self, id: u64, address: IpAddr);
}

/// One connection. From its counters follows whether it waits for its client, or the client for it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: u64,
    pub(crate) address: IpAddr,
    began: Instant,
    options: Arc<ConnectionOptions>,
    held: Arc<Held>,
    neighbours: Arc<dyn Neighbours>,
    pub(crate) orders: Orders,
    /// Requests between their headers and the end of their response, and open WebSockets.
    requests: AtomicUsize,
    /// Those of them whose body is still arriving.
    arriving: AtomicUsize,
    /// Pieces of responses that were handed to HTTP, and for which it has not asked for the next piece: the client does not read.
    stuck: AtomicUsize,
    /// Whether there has been a request.
    has_asked: AtomicBool,
    /// Whether the connection speaks HTTP/2, where bytes between requests need not be headers.
    is_http_2: AtomicBool,
    /// Of HTTP/2: bytes that belong to requests, or acknowledge responses, since [`Peer::take_allowed`] was last called.
    asked: AtomicUsize,
    /// Bytes of headers that are half sent.
    head: AtomicUsize,
    /// When the first byte of `head` came, in milliseconds since `began`.
    head_since: AtomicU64,
    /// Bytes of bodies that are half sent.
    body: AtomicUsize,
    /// Bytes of responses that are unread.
    unread: AtomicUsize,
    /// When the last request or response ended, in milliseconds since `began`.
    idle_since: AtomicU64,
    /// When the client last read a piece of a response, in milliseconds since `began`.
    moved: AtomicU64,
}

impl Peer {
    pub(crate) fn new(
        id: u64,
        address: IpAddr,
        options: Arc<ConnectionOptions>,
        held: Arc<Held>,
        neighbours: Arc<dyn Neighbours>,
    ) -> Self {
        Self {
            id,
            address,
            began: Instant::now(),
            options,
            held,
            neighbours,
            orders: Orders::default(),
            requests: AtomicUsize::new(0),
            arriving: AtomicUsize::new(0),
            stuck: AtomicUsize::new(0),
            has_asked: AtomicBool::new(false),
            is_http_2: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            head: AtomicUsize::new(0),
            head_since: AtomicU64::new(0),
            body: AtomicUsize::new(0),
            unread: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            moved: AtomicU64::new(0),
        }
    }

    pub(crate) fn options(&self) -> &ConnectionOptions {
        &self.options
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Closes the connection, unless it is being closed already.
    pub(crate) fn close(&self, reason: Reason) {
        if self.orders.close() {
            metrics::counter!("http_connections_closed_total", "reason" => reason.name())
                .increment(1);
        }
    }

    /// Accepts no more requests, and ends when the running ones have ended.
    fn go_away(&self, reason: Reason) {
        if self.orders.go_away() {
            metrics::counter!("http_connections_closed_total", "reason" => reason.name())
                .increment(1);
        }
    }

    /// Notes that the connection speaks HTTP/2.
    pub(crate) fn speaks_http_2(&self) {
        self.is_http_2.store(true, Relaxed);
        self.forget_head();
    }

    /// Counts bytes that were read. While no request is running, they are a part of the next request's headers.
    pub(crate) fn heard(&self, bytes: usize) {
        if self.requests.load(Relaxed) > 0 || self.is_http_2.load(Relaxed) {
            return;
        }
        if self.head.fetch_add(bytes, Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
        }
        self.held.hold(bytes);
    }

    fn forget_head(&self) {
        self.held.release(self.head.swap(0, Relaxed));
    }

    /// Notes that this many bytes were asked for, so that they do not count against the pace.
    pub(crate) fn allow(&self, bytes: usize) {
        if self.is_http_2.load(Relaxed) {
            self.asked.fetch_add(bytes, Relaxed);
        }
    }

    /// The bytes that were allowed since the last call.
    pub(crate) fn take_allowed(&self) -> usize {
        self.asked.swap(0, Relaxed)
    }

    pub(crate) fn is_http_2(&self) -> bool {
        self.is_http_2.load(Relaxed)
    }

    /// Counts a request until the returned guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.has_asked.store(true, Relaxed);
        self.forget_head();
        Busy(self.clone())
    }

    /// Whether the unread responses exceed what one connection may hold.
    pub(crate) fn holds_too_much(&self) -> bool {
        self.unread.load(Relaxed) > self.options().held_per_connection
    }

    pub(crate) fn begin_arriving(&self) {
        self.arriving.fetch_add(1, Relaxed);
    }

    pub(crate) fn end_arriving(&self) {
        self.arriving.fetch_sub(1, Relaxed);
    }

    /// Counts bytes of a body. `false` where there is no room for them.
    pub(crate) fn hold_body(&self, bytes: usize) -> bool {
        self.body.fetch_add(bytes, Relaxed);
        self.held.hold(bytes);
        self.held.is_within_limit() || self.neighbours.make_room(self.id)
    }

    pub(crate) fn release_body(&self, bytes: usize) {
        self.body.fetch_sub(bytes, Relaxed);
        self.held.release(bytes);
    }

    pub(crate) fn hold_unread(&self, bytes: usize) {
        self.unread.fetch_add(bytes, Relaxed);
        self.held.hold(bytes);
        if !self.held.is_within_limit() {
            self.neighbours.make_room(self.id);
        }
    }

    pub(crate) fn release_unread(&self, bytes: usize) {
        self.unread.fetch_sub(bytes, Relaxed);
        self.held.release(bytes);
    }

    /// Notes that a piece of a response was handed to HTTP.
    pub(crate) fn hand_over(&self) {
        if self.stuck.fetch_add(1, Relaxed) == 0 {
            self.moved.store(self.now(), Relaxed);
        }
    }

    /// Notes that such a piece was sent: HTTP asks for more, or the response has ended.
    pub(crate) fn take(&self) {
        // If no other piece waits, the next `hand_over` sets the time.
        if self.stuck.fetch_sub(1, Relaxed) > 1 {
            self.moved.store(self.now(), Relaxed);
        }
    }

    /// For how much longer it is too new to be closed for another one: its first request may be there, and was not read yet.
    pub(crate) fn is_new_for(&self, now: Instant) -> Option<Duration> {
        if self.has_asked.load(Relaxed) {
            return None;
        }
        let left = GRACE.checked_sub(now.saturating_duration_since(self.began))?;
        (!left.is_zero()).then_some(left)
    }

    /// Since when the connection is idle, in milliseconds since `began`; `None` while a request is running.
    pub(crate) fn idle_since(&self) -> Option<u64> {
        (self.requests.load(Relaxed) == 0).then(|| self.idle_since.load(Relaxed))
    }

    /// For how many milliseconds the connection has waited for its client to begin a request, or to send more of one; `None` if it does
    /// not wait.
    pub(crate) fn waits_for(&self) -> Option<u64> {
        let requests = self.requests.load(Relaxed);
        let waits = requests == 0 || requests == self.arriving.load(Relaxed);
        waits.then(|| self.now().saturating_sub(self.idle_since.load(Relaxed)))
    }

    /// The bytes that it holds, for whatever reason.
    pub(crate) fn holds(&self) -> usize {
        [&self.head, &self.body, &self.unread]
            .map(|bytes| bytes.load(Relaxed))
            .iter()
            .sum()
    }

    /// The bytes that it holds because of its client.
    pub(crate) fn weight(&self) -> usize {
        let waits = |count: &AtomicUsize| count.load(Relaxed) > 0;
        let mut weight = self.head.load(Relaxed);
        if waits(&self.arriving) {
            weight += self.body.load(Relaxed);
        }
        if waits(&self.stuck) {
            weight += self.unread.load(Relaxed);
        }
        weight
    }

    /// Enforces the time limits of the connection.
    pub(crate) fn enforce_times(&self) {
        let options = self.options();
        let now = self.now();
        let is_over =
            |since: u64, time: Duration| u128::from(now.saturating_sub(since)) > time.as_millis();
        if let Some(idle_since) = self.idle_since() {
            let has_asked = self.has_asked.load(Relaxed);
            let is_reading = self.head.load(Relaxed) > 0;
            if !has_asked && is_over(0, options.header_timeout)
                || is_reading && is_over(self.head_since.load(Relaxed), options.header_timeout)
            {
                return self.close(Reason::Headers);
            }
            // Not `close`: over HTTP/2, a request that is just arriving is answered, or refused so that the client can send it again.
            if is_over(idle_since, options.idle_timeout) {
                self.go_away(Reason::Idle);
            }
        }
        if self.stuck.load(Relaxed) > 0 && is_over(self.moved.load(Relaxed), options.write_timeout)
        {
            return self.close(Reason::Unread);
        }
        if is_over(0, options.lifetime) {
            self.go_away(Reason::Lifetime);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.forget_head();
        self.neighbours.remove(self.id, self.address);
    }
}

/// Counts a running request, or an open WebSocket, until it is dropped.
#[derive(Debug)]
pub(crate) struct Busy(pub(crate) Arc<Peer>);

impl Busy {
    /// The client's address (with IPv6: its network).
    pub(crate) fn address(&self) -> IpAddr {
        self.0.address
    }

    /// Counts a message that waits for the client to read it, until the returned guard is dropped.
    pub(crate) fn unread(&self, bytes: usize) -> Unread {
        self.0.hold_unread(bytes);
        self.0.hand_over();
        Unread {
            peer: self.0.clone(),
            bytes,
        }
    }
}

/// Counts a message that waits for the client to read it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Unread {
    peer: Arc<Peer>,
    bytes: usize,
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.peer.take();
        self.peer.release_unread(self.bytes);
    }
}

/// A clone counts as a further request of the same connection.
impl Clone for Busy {
    fn clone(&self) -> Self {
        self.0.begin()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}
