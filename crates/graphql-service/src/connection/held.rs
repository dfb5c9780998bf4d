//! How many bytes all connections hold together.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bytes that all connections hold together, and how many they may.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: AtomicUsize,
    limit: usize,
}

impl Held {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            limit,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn hold(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Whether all connections together hold no more than they may.
    pub(crate) fn is_within_limit(&self) -> bool {
        self.fits_without(0)
    }

    /// Whether they would hold no more than they may once so many bytes are given back.
    pub(crate) fn fits_without(&self, freed: usize) -> bool {
        self.bytes().saturating_sub(freed) <= self.limit
    }
}
