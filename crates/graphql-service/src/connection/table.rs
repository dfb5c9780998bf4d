//! All connections of a server.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    descriptors,
    held::Held,
    network::network,
    open::Open,
    options::ConnectionOptions,
    peer::{Neighbours, Peer, Reason},
};

/// The connections of a server, and what they hold together.
#[derive(Debug)]
pub(crate) struct Table {
    options: Arc<ConnectionOptions>,
    /// Locked at most for a pass over all connections: some ten microseconds for a thousand.
    open: Mutex<Open>,
    serial: AtomicU64,
    held: Arc<Held>,
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
            held: Arc::new(Held::new(options.held_bytes)),
            options: Arc::new(options),
            open: Mutex::default(),
            serial: AtomicU64::new(0),
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
        self.held.bytes()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing can panic while the lock is held.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a connection. At a limit, it is admitted if another can be closed for it: the one that has waited for its client for
    /// longest, where idle connections come before those in the middle of a request, and those that have just come are left alone.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Admission {
        self.admit_at(address, Instant::now())
    }

    fn admit_at(self: &Arc<Self>, address: IpAddr, now: Instant) -> Admission {
        let address = network(address);
        // Kept until the lock is released: dropping a peer locks the table.
        let mut leaving = Vec::new();
        let mut open = self.open();
        let of_address = open.addresses.get(&address).copied().unwrap_or(0);
        let limit = if of_address >= self.options.per_address {
            Some("address")
        } else if open.peers.len() >= self.options.connections {
            Some("connections")
        } else {
            None
        };
        if let Some(limit) = limit {
            let is_meant = |peer: &Peer| limit != "address" || peer.address == address;
            let Some(peer) = open.longest_waiting(&mut leaving, now, is_meant) else {
                drop(open);
                metrics::counter!("http_connections_refused_total", "limit" => limit).increment(1);
                return Admission::Refused;
            };
            // Many connections of one address make room among themselves: others do not wait for them.
            if limit == "connections"
                && let Some(time) = peer.is_new_for(now)
            {
                return Admission::Later(time);
            }
            peer.close(Reason::Room);
        }
        let id = self.serial.fetch_add(1, Relaxed);
        let peer = Arc::new(Peer::new(
            id,
            address,
            self.options.clone(),
            self.held.clone(),
            self.clone(),
        ));
        open.peers.insert(id, Arc::downgrade(&peer));
        *open.addresses.entry(address).or_default() += 1;
        drop(open);
        Admission::Admitted(peer)
    }

    /// Closes the connection that has been idle for longest, to free its file descriptor. Answers whether there is one that is idle and has
    /// not just come.
    pub(crate) fn close_idle(&self) -> bool {
        // Kept until the lock is released: dropping a peer locks the table.
        let mut leaving = Vec::new();
        let open = self.open();
        let now = Instant::now();
        let is_idle = |peer: &Peer| peer.idle_since().is_some() && peer.is_new_for(now).is_none();
        let idle = open.longest_waiting(&mut leaving, now, is_idle);
        drop(open);
        idle.is_some_and(|peer| {
            peer.close(Reason::Room);
            true
        })
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

impl Neighbours for Table {
    fn remove(&self, id: u64, address: IpAddr) {
        let mut open = self.open();
        open.peers.remove(&id);
        if let Some(count) = open.addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.addresses.remove(&address);
            }
        }
    }

    /// Closes the connection that holds the most because of its client.
    ///
    /// What is being closed gives its memory back when its task runs next, so its bytes count as free. A connection that holds less than an
    /// equal share is never closed: a client that holds little must not pay for those that hold much. All shares together are the limit, so
    /// this allows at most as much again as requests hold that are being executed.
    fn make_room(&self, asking: u64) -> bool {
        let peers: Vec<_> = self.open().living().collect();
        let (closing, peers): (Vec<_>, Vec<_>) =
            peers.iter().partition(|peer| peer.orders.is_closed());
        let freed: usize = closing.iter().map(|peer| peer.holds()).sum();
        if self.held.fits_without(freed) {
            return true;
        }
        let share = self.options.held_bytes / peers.len().max(1);
        let heaviest = peers.iter().max_by_key(|peer| peer.weight());
        match heaviest {
            Some(peer) if peer.weight() > share => {
                peer.close(Reason::Memory);
                peer.id != asking
            }
            _ => true,
        }
    }
}

/// What becomes of a connection that has come.
#[derive(Debug)]
pub(crate) enum Admission {
    Admitted(Arc<Peer>),
    /// There are as many as there may be, and none can be closed for it.
    Refused,
    /// The others came only just before: one of them can be closed for it after this time, or ends until then.
    Later(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::peer::GRACE;

    fn table(connections: usize, per_address: usize) -> Arc<Table> {
        Arc::new(Table::new(ConnectionOptions {
            connections,
            per_address,
            held_bytes: 1000,
            ..ConnectionOptions::default()
        }))
    }

    /// Admits a connection once those that are there are no longer new.
    fn admit(table: &Arc<Table>, address: IpAddr) -> Option<Arc<Peer>> {
        match table.admit_at(address, Instant::now() + 2 * GRACE) {
            Admission::Admitted(peer) => Some(peer),
            Admission::Refused => None,
            Admission::Later(time) => panic!("not for another {time:?}"),
        }
    }

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn idle_connections_make_room_and_busy_ones_do_not() {
        let table = table(2, 2);
        let first = admit(&table, A).unwrap();
        let second = admit(&table, A).unwrap();
        let busy = first.begin();
        let third = admit(&table, B).unwrap();
        assert!(second.orders.is_closed() && !first.orders.is_closed());
        drop(second);
        let _third = third.begin();
        assert!(admit(&table, B).is_none());
        assert_eq!(table.len(), 2);
        drop((busy, first));
        assert!(admit(&table, B).is_some());
    }

    /// A request may be there already, and was not read yet.
    #[test]
    fn connections_that_have_just_come_do_not_make_room() {
        let table = table(2, 2);
        let served = admit(&table, A).unwrap();
        drop(served.begin());
        let new = admit(&table, A).unwrap();
        // The one that was served has waited for no time at all.
        let Admission::Admitted(other) = table.admit(B) else {
            panic!("there is room");
        };
        assert!(served.orders.is_closed() && !new.orders.is_closed());
        drop(served);
        let came = Instant::now();
        let Admission::Later(time) = table.admit_at(A, came) else {
            panic!("both have just come");
        };
        assert!(time <= GRACE);
        assert!(!new.orders.is_closed() && !other.orders.is_closed());
        assert!(!table.close_idle());
        assert!(!new.orders.is_closed() && !other.orders.is_closed());
        // The older one goes first.
        let third = admit(&table, A);
        assert!(third.is_some() && new.orders.is_closed() && !other.orders.is_closed());
    }

    #[test]
    fn one_address_has_a_limit_of_its_own() {
        let table = table(10, 1);
        let first = admit(&table, A).unwrap();
        let _busy = first.begin();
        assert!(admit(&table, A).is_none());
        assert!(admit(&table, B).is_some());
    }

    #[test]
    fn who_holds_most_and_is_waited_for_makes_room() {
        let table = table(10, 10);
        let (light, heavy, working) = (
            admit(&table, A).unwrap(),
            admit(&table, A).unwrap(),
            admit(&table, A).unwrap(),
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
        // The light one holds more than its share, and the other one holds most.
        assert!(working.orders.is_closed() && !light.orders.is_closed());
        working.release_unread(600);
        light.release_body(1);
        drop((light, working));
        assert_eq!(table.held(), 0);
    }

    /// Neither while those who held too much are being closed, nor where it is not their clients' doing.
    #[test]
    fn who_holds_little_is_not_closed_for_others() {
        let table = table(10, 10);
        let (light, heavy, working) = (
            admit(&table, A).unwrap(),
            admit(&table, B).unwrap(),
            admit(&table, B).unwrap(),
        );
        let _asked = light.begin();
        heavy.heard(900);
        light.begin_arriving();
        assert!(light.hold_body(200));
        assert!(heavy.orders.is_closed());
        assert!(light.hold_body(50));
        assert!(!light.orders.is_closed());
        drop(heavy);
        let _working = working.begin();
        working.hold_unread(2000);
        assert!(light.hold_body(50));
        assert!(!light.orders.is_closed() && !working.orders.is_closed());
        // What is more than a share is too much.
        assert!(!light.hold_body(500));
        assert!(light.orders.is_closed());
        light.release_body(800);
        working.release_unread(2000);
        light.end_arriving();
    }
}
