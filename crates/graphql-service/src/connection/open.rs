//! The connections that are open, and which of them is closed first.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Weak},
    time::Instant,
};

use super::peer::Peer;

#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) peers: HashMap<u64, Weak<Peer>>,
    /// How many of them each address has.
    pub(super) addresses: HashMap<IpAddr, usize>,
}

impl Open {
    pub(super) fn living(&self) -> impl Iterator<Item = Arc<Peer>> {
        self.peers.values().filter_map(Weak::upgrade)
    }

    /// The connection that has waited for its client for longest, among those that are meant and not being closed.
    ///
    /// `leaving` gets every peer that was looked at. The caller keeps it until the lock is released: dropping a peer locks the table.
    pub(super) fn longest_waiting(
        &self,
        leaving: &mut Vec<Arc<Peer>>,
        now: Instant,
        is_meant: impl Fn(&Peer) -> bool,
    ) -> Option<Arc<Peer>> {
        let mut found: Option<(Rank, Arc<Peer>)> = None;
        for peer in self.living() {
            let waits = peer
                .waits_for()
                .filter(|_| is_meant(&peer) && !peer.orders.is_closed());
            if let Some(waits) = waits {
                let is_idle = peer.idle_since().is_some();
                let is_old = peer.is_new_for(now).is_none();
                let rank = (is_old, is_idle, waits, Reverse(peer.id));
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
}

/// Which connection to close first: one that has not just come, an idle one, then the longest wait, then the oldest.
type Rank = (bool, bool, u64, Reverse<u64>);
