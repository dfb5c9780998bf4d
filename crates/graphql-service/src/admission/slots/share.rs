//! Counts how much of something each client has, without a list of clients.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// The number of counters. Two clients that have the same counter by chance share a limit. A client cannot choose its counter.
const COUNTERS: usize = 4096;

/// The shares of all clients. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Shares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    hasher: RandomState,
    taken: Box<[AtomicUsize]>,
}

/// One unit of a client's share. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Inner>,
    counter: usize,
}

impl Shares {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            hasher: RandomState::new(),
            taken: (0..COUNTERS).map(|_| AtomicUsize::new(0)).collect(),
        }))
    }

    /// The most that one client may have.
    pub(super) fn most(&self) -> usize {
        self.0.most
    }

    /// Takes a unit for the caller of this name, or else for this address; `None` if the client has its share.
    pub(super) fn take(&self, viewer: Option<&str>, address: Option<IpAddr>) -> Option<Share> {
        let hash = match viewer {
            Some(viewer) => self.0.hasher.hash_one(viewer),
            None => self.0.hasher.hash_one(address),
        };
        let counter = usize::try_from(hash).unwrap_or_default() % COUNTERS;
        let share = Share {
            shares: Arc::clone(&self.0),
            counter,
        };
        // If it is one too many, dropping `share` gives it back.
        (self.0.taken[counter].fetch_add(1, Relaxed) < self.0.most).then_some(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.taken[self.counter].fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_its_share_and_gives_it_back() {
        let shares = Shares::new(2);
        let taken = [(); 2].map(|()| shares.take(Some("a"), None).unwrap());
        assert!(shares.take(Some("a"), None).is_none());
        // Whoever has that address is another one.
        let address = Some(IpAddr::from([127, 0, 0, 1]));
        let others = (0..COUNTERS).filter(|n| shares.take(Some(&n.to_string()), address).is_some());
        assert!(others.count() > COUNTERS / 2);
        drop(taken);
        assert!(shares.take(Some("a"), None).is_some());
        assert!(shares.0.taken.iter().all(|taken| taken.load(Relaxed) == 0));
    }
}
