//! All connections of a server.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    descriptors,
    options::ConnectionOptions,
    peer::{Peer, Reason},
};

/// The connections of a server, and what they hold together.
#[derive(Debug)]
pub(crate) struct Table {
    options: ConnectionOptions,
    /// Locked at most for a pass over all connections: some ten microseconds for a thousand.
    open: Mutex<Open>,
    serial: AtomicU64,
    held: AtomicUsize,
}

#[derive(Debug, Default)]
struct Open {
    peers: HashMap<u64, Weak<Peer>>,
    addresses: HashMap<IpAddr, usize>,
}

impl Open {
    fn living(&self) -> impl Iterator<Item = Arc<Peer>> {
        self.peers.values().filter_map(Weak::upgrade)
    }
}

impl Table {
    pub(crate) fn new(mut options: ConnectionOptions) -> Self {
        let room = descriptors::most_connections();
        if options.connections > room {
            tracing::info!(
                wanted = options.connections,
                room,
                "the process may open too few files for that many connections: raise `ulimit -n`"
            );
            options.connections = room;
        }
        Self {
            options,
            open: Mutex::default(),
            serial: AtomicU64::new(0),
            held: AtomicUsize::new(0),
        }
    }

    pub(crate) fn options(&self) -> &ConnectionOptions {
        &self.options
    }

    /// How many connections are open.
    pub(crate) fn len(&self) -> usize {
        self.open().peers.len()
    }

    /// How many bytes all connections hold together.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing can panic while the lock is held.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a connection. At a limit, it is admitted if another can be closed for it: the one that has waited for its client for
    /// longest, where idle connections come before those in the middle of a request.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Arc<Peer>> {
        let address = network(address);
        let refuse = |limit: &'static str| {
            metrics::counter!("http_connections_refused_total", "limit" => limit).increment(1);
            None
        };
        // Kept until the lock is released: dropping a peer locks the table.
        let mut leaving = Vec::new();
        let mut open = self.open();
        let of_address = open.addresses.get(&address).copied().unwrap_or(0);
        if of_address >= self.options.per_address {
            match longest_waiting(&open, &mut leaving, |peer| peer.address == address) {
                Some(peer) => peer.close(Reason::Room),
                None => {
                    drop(open);
                    return refuse("address");
                }
            }
        } else if open.peers.len() >= self.options.connections {
            match longest_waiting(&open, &mut leaving, |_| true) {
                Some(peer) => peer.close(Reason::Room),
                None => {
                    drop(open);
                    return refuse("connections");
                }
            }
        }
        let id = self.serial.fetch_add(1, Relaxed);
        let peer = Arc::new(Peer::new(id, address, self.clone()));
        open.peers.insert(id, Arc::downgrade(&peer));
        *open.addresses.entry(address).or_default() += 1;
        drop(open);
        Some(peer)
    }

    /// Closes the connection that has been idle for longest, if any is idle, to free its file descriptor.
    pub(crate) fn close_idle(&self) {
        // Kept until the lock is released: dropping a peer locks the table.
        let mut leaving = Vec::new();
        let open = self.open();
        let idle = longest_waiting(&open, &mut leaving, |peer| peer.idle_since().is_some());
        drop(open);
        if let Some(peer) = idle {
            peer.close(Reason::Room);
        }
    }

    pub(crate) fn remove(&self, id: u64, address: IpAddr) {
        let mut open = self.open();
        open.peers.remove(&id);
        if let Some(count) = open.addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.addresses.remove(&address);
            }
        }
    }

    pub(crate) fn hold(&self, bytes: usize) {
        self.held.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn release(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// Whether all connections together hold no more than they may.
    pub(crate) fn is_within_limit(&self) -> bool {
        self.held() <= self.options.held_bytes
    }

    /// Closes the connection that holds the most because of its client. `false` where that is the one that asks, or there is none.
    pub(crate) fn make_room(&self, asking: u64) -> bool {
        let peers: Vec<_> = self.open().living().collect();
        let is_open = |peer: &&Arc<Peer>| !peer.orders.is_closed();
        let heaviest = peers
            .iter()
            .filter(is_open)
            .max_by_key(|peer| peer.weight());
        match heaviest {
            Some(peer) if peer.weight() > 0 => {
                peer.close(Reason::Memory);
                peer.id != asking
            }
            _ => false,
        }
    }

    /// Tells all connections to end when their running requests have ended.
    pub(crate) fn go_away(&self) {
        let peers: Vec<_> = self.open().living().collect();
        for peer in peers {
            peer.orders.go_away();
        }
    }

    /// Enforces the time limits of all connections, at an interval, without an end.
    pub(crate) async fn watch(&self) {
        let options = &self.options;
        let times = [
            options.header_timeout,
            options.idle_timeout,
            options.write_timeout,
            options.lifetime,
        ];
        let shortest = times.into_iter().min().unwrap_or_default();
        let every = (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(2));
        loop {
            tokio::time::sleep(every).await;
            let peers: Vec<_> = self.open().living().collect();
            for peer in peers {
                peer.enforce_times();
            }
        }
    }
}

/// Which connection to close first: idle or not, then the longest wait, then the oldest.
type Rank = (bool, u64, Reverse<u64>);

/// The connection that has waited for its client for longest, among those that are not being closed.
fn longest_waiting(
    open: &Open,
    leaving: &mut Vec<Arc<Peer>>,
    is_meant: impl Fn(&Peer) -> bool,
) -> Option<Arc<Peer>> {
    let mut found: Option<(Rank, Arc<Peer>)> = None;
    for peer in open.living() {
        let waits = peer
            .waits_for()
            .filter(|_| is_meant(&peer) && !peer.orders.is_closed());
        if let Some(waits) = waits {
            let rank = (peer.idle_since().is_some(), waits, Reverse(peer.id));
            match &found {
                Some((best, _)) if *best >= rank => leaving.push(peer),
                _ => leaving.extend(found.replace((rank, peer)).map(|(_, peer)| peer)),
            }
        } else {
            leaving.push(peer);
        }
    }
    let (_, peer) = found?;
    leaving.push(peer.clone());
    Some(peer)
}

/// The address by which a client's connections are counted: with IPv6 its network of 64 bits, since a client usually has all of it.
///
/// ```
/// use graphql_service::network;
///
/// let (one, another) = ("2001:db8::1", "2001:db8::2");
/// assert_eq!(network(one.parse()?), network(another.parse()?));
/// // IPv4 in IPv6 is IPv4.
/// assert_eq!(network("::ffff:192.0.2.1".parse()?).to_string(), "192.0.2.1");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(connections: usize, per_address: usize) -> Arc<Table> {
        Arc::new(Table::new(ConnectionOptions {
            connections,
            per_address,
            held_bytes: 1000,
            ..ConnectionOptions::default()
        }))
    }

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn idle_connections_make_room_and_busy_ones_do_not() {
        let table = table(2, 2);
        let first = table.admit(A).unwrap();
        let second = table.admit(A).unwrap();
        let busy = first.begin();
        let third = table.admit(B).unwrap();
        assert!(second.orders.is_closed() && !first.orders.is_closed());
        drop(second);
        let _third = third.begin();
        assert!(table.admit(B).is_none());
        assert_eq!(table.len(), 2);
        drop((busy, first));
        assert!(table.admit(B).is_some());
    }

    #[test]
    fn one_address_has_a_limit_of_its_own() {
        let table = table(10, 1);
        let first = table.admit(A).unwrap();
        let _busy = first.begin();
        assert!(table.admit(A).is_none());
        assert!(table.admit(B).is_some());
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), A);
    }

    #[test]
    fn who_holds_most_and_is_waited_for_makes_room() {
        let table = table(10, 10);
        let (light, heavy, working) = (
            table.admit(A).unwrap(),
            table.admit(A).unwrap(),
            table.admit(A).unwrap(),
        );
        light.heard(400);
        heavy.heard(500);
        let _working = working.begin();
        // It is answered, and its client has not been given anything to read yet.
        working.hold_unread(600);
        assert!(
            heavy.orders.is_closed() && !light.orders.is_closed() && !working.orders.is_closed()
        );
        assert_eq!(table.held(), 1500);
        drop(heavy);
        assert_eq!(table.held(), 1000);
        working.hand_over();
        assert!(light.hold_body(1));
        assert!(working.orders.is_closed() && !light.orders.is_closed());
        working.release_unread(600);
        light.release_body(1);
        drop((light, working));
        assert_eq!(table.held(), 0);
    }
}
