//! What is known of one connection.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{options::ConnectionOptions, orders::Orders, table::Table};

/// Why a connection is closed. The names are those of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The headers of a request did not come in time.
    Headers,
    /// It was idle for too long.
    Idle,
    /// It is as old as a connection may be.
    Lifetime,
    /// It does not read what was sent to it.
    Unread,
    /// It made room for another connection.
    Room,
    /// It held more memory than any other while all held too much.
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

/// One connection. Its counters say who is waiting for whom.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: u64,
    pub(crate) address: IpAddr,
    began: Instant,
    table: Arc<Table>,
    pub(crate) orders: Orders,
    /// Requests between their headers and the end of their response, and open WebSockets.
    requests: AtomicUsize,
    /// Those of them whose body is still coming.
    arriving: AtomicUsize,
    /// Pieces of responses that were handed to the connection, which has not asked for more since.
    stuck: AtomicUsize,
    /// Whether a request has come at all.
    has_asked: AtomicBool,
    /// Whether HTTP/2 is spoken: its first bytes are no headers.
    is_http_2: AtomicBool,
    /// Bytes of HTTP/2 that belong to requests, or may come because responses are read, since they were last asked for.
    asked: AtomicUsize,
    /// Bytes of headers that are half sent.
    head: AtomicUsize,
    /// When their first byte came, in milliseconds since `began`.
    head_since: AtomicU64,
    /// Bytes of bodies that are half sent.
    body: AtomicUsize,
    /// Bytes of responses that are unread.
    unread: AtomicUsize,
    /// When the last request or response ended, in milliseconds since `began`.
    idle_since: AtomicU64,
    /// When the client last read a piece of a response, likewise.
    moved: AtomicU64,
}

impl Peer {
    pub(crate) fn new(id: u64, address: IpAddr, table: Arc<Table>) -> Self {
        Self {
            id,
            address,
            began: Instant::now(),
            table,
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
        self.table.options()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Closes the connection, if nobody has yet.
    pub(crate) fn close(&self, reason: Reason) {
        if self.orders.close() {
            metrics::counter!("http_connections_closed_total", "reason" => reason.name())
                .increment(1);
        }
    }

    /// Takes no more requests.
    fn go_away(&self, reason: Reason) {
        if self.orders.go_away() {
            metrics::counter!("http_connections_closed_total", "reason" => reason.name())
                .increment(1);
        }
    }

    /// Says that HTTP/2 is spoken.
    pub(crate) fn speaks_http_2(&self) {
        self.is_http_2.store(true, Relaxed);
        self.forget_head();
    }

    /// Counts bytes that came while no request is under way: a part of the headers of the next one.
    pub(crate) fn heard(&self, bytes: usize) {
        if self.requests.load(Relaxed) > 0 || self.is_http_2.load(Relaxed) {
            return;
        }
        if self.head.fetch_add(bytes, Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
        }
        self.table.hold(bytes);
    }

    fn forget_head(&self) {
        self.table.release(self.head.swap(0, Relaxed));
    }

    /// Says that bytes which came, or so many that may come, are of use.
    pub(crate) fn allow(&self, bytes: usize) {
        if self.is_http_2.load(Relaxed) {
            self.asked.fetch_add(bytes, Relaxed);
        }
    }

    /// What was allowed since this was last asked.
    pub(crate) fn take_allowed(&self) -> usize {
        self.asked.swap(0, Relaxed)
    }

    pub(crate) fn is_http_2(&self) -> bool {
        self.is_http_2.load(Relaxed)
    }

    /// Counts a request, for as long as what is returned lives.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.has_asked.store(true, Relaxed);
        self.forget_head();
        Busy(self.clone())
    }

    /// Whether it holds as much as one connection may.
    pub(crate) fn holds_too_much(&self) -> bool {
        self.unread.load(Relaxed) > self.options().held_per_connection
    }

    pub(crate) fn begin_arriving(&self) {
        self.arriving.fetch_add(1, Relaxed);
    }

    pub(crate) fn end_arriving(&self) {
        self.arriving.fetch_sub(1, Relaxed);
    }

    /// Counts bytes of a body; `false` where there is no room for them.
    pub(crate) fn hold_body(&self, bytes: usize) -> bool {
        self.body.fetch_add(bytes, Relaxed);
        self.table.hold(bytes);
        self.table.is_within_limit() || self.table.make_room(self.id)
    }

    pub(crate) fn release_body(&self, bytes: usize) {
        self.body.fetch_sub(bytes, Relaxed);
        self.table.release(bytes);
    }

    pub(crate) fn hold_unread(&self, bytes: usize) {
        self.unread.fetch_add(bytes, Relaxed);
        self.table.hold(bytes);
        if !self.table.is_within_limit() {
            self.table.make_room(self.id);
        }
    }

    pub(crate) fn release_unread(&self, bytes: usize) {
        self.unread.fetch_sub(bytes, Relaxed);
        self.table.release(bytes);
    }

    /// A piece of a response was handed over.
    pub(crate) fn hand_over(&self) {
        if self.stuck.fetch_add(1, Relaxed) == 0 {
            self.moved.store(self.now(), Relaxed);
        }
    }

    /// It was taken: more is asked for, or the response has ended.
    pub(crate) fn take(&self) {
        // Where nothing else waits, the next piece that is handed over says since when it does.
        if self.stuck.fetch_sub(1, Relaxed) > 1 {
            self.moved.store(self.now(), Relaxed);
        }
    }

    /// Since when the connection waits for its client to begin a request, in milliseconds; `None` where one is under way.
    pub(crate) fn idle_since(&self) -> Option<u64> {
        (self.requests.load(Relaxed) == 0).then(|| self.idle_since.load(Relaxed))
    }

    /// For how long it has waited for its client to begin a request, or to go on with one; `None` where it does not.
    pub(crate) fn waits_for(&self) -> Option<u64> {
        let requests = self.requests.load(Relaxed);
        let waits = requests == 0 || requests == self.arriving.load(Relaxed);
        waits.then(|| self.now().saturating_sub(self.idle_since.load(Relaxed)))
    }

    /// The bytes that it holds and its client could free.
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

    /// What has to happen to it by now.
    pub(crate) fn look(&self) {
        let options = self.options();
        let now = self.now();
        let is_over = |since: u64, time: std::time::Duration| {
            u128::from(now.saturating_sub(since)) > time.as_millis()
        };
        if let Some(idle_since) = self.idle_since() {
            let has_asked = self.has_asked.load(Relaxed);
            let is_reading = self.head.load(Relaxed) > 0;
            if !has_asked && is_over(0, options.header_timeout)
                || is_reading && is_over(self.head_since.load(Relaxed), options.header_timeout)
            {
                return self.close(Reason::Headers);
            }
            // A request that is just coming over HTTP/2 is answered, or refused in a way that lets the client send it again.
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
        self.table.remove(self.id, self.address);
    }
}

/// A request that is under way, or a WebSocket that is open.
#[derive(Debug)]
pub(crate) struct Busy(pub(crate) Arc<Peer>);

impl Busy {
    /// Where the connection comes from (of IPv6: from which network).
    pub(crate) fn address(&self) -> IpAddr {
        self.0.address
    }

    /// Counts a message that waits for the client to read it, for as long as what is returned lives.
    pub(crate) fn unread(&self, bytes: usize) -> Unread {
        self.0.hold_unread(bytes);
        self.0.hand_over();
        Unread {
            peer: self.0.clone(),
            bytes,
        }
    }
}

/// A message that waits for the client to read it.
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

/// Another reason for which the same connection is busy.
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
