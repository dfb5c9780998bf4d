//! A cache that is bounded by the bytes it holds.
//!
//! What it evicts is freed at once, unless somebody still has it. A cache that leaves this to an epoch-based collector, as moka does, keeps
//! some dozens of evicted things for each thread that has used it: with documents of a megabyte, many times its bound.

use std::hash::{Hash, RandomState};

use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};

/// A cache is in parts of at least so many bytes. Each has a lock of its own, and keeps nothing that is larger than itself.
const PART: u64 = 2 * 1024 * 1024;

/// Weighs what is kept, in bytes.
pub(crate) type Weigh<K, V> = fn(&K, &V) -> usize;

/// A cache that weighs by a function.
pub(crate) type WeighedCache<K, V> = Cache<K, V, ByWeight<K, V>, RandomState>;

pub(crate) struct ByWeight<K, V>(Weigh<K, V>);

impl<K, V> Clone for ByWeight<K, V> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<K, V> Weighter<K, V> for ByWeight<K, V> {
    fn weight(&self, key: &K, value: &V) -> u64 {
        // What weighs nothing is never evicted.
        (self.0)(key, value).max(1) as u64
    }
}

/// A cache of at most so many bytes.
pub(crate) fn weighed<K: Eq + Hash, V: Clone>(
    bytes: u64,
    weigh: Weigh<K, V>,
) -> WeighedCache<K, V> {
    // The cache makes no part for fewer than this many things.
    const LEAST_OF_A_PART: u64 = 32;
    let parts = (bytes / PART).max(1);
    let estimated = usize::try_from(parts * LEAST_OF_A_PART).unwrap_or(usize::MAX);
    // Clients choose the keys: the hashes must not be guessed.
    Cache::with(
        estimated,
        bytes,
        ByWeight(weigh),
        RandomState::new(),
        DefaultLifecycle::default(),
    )
}
