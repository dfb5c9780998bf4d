//! Which queries make more than one statement.
//!
//! One statement is a snapshot by itself: it needs no BEGIN and no ROLLBACK, and so costs one round trip instead of three.
//! Whether an operation makes one or more is not known before it runs, so a query begins without. If it asks for a second
//! statement, that is refused, the attempt is thrown away, and the operation runs again on a transaction; its document is
//! remembered, so this happens to a document once.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{PoisonError, RwLock},
};

/// Documents beyond this many are forgotten, all at once: that costs each one attempt.
const MOST: usize = 10_000;

/// The documents that are known to make more than one statement.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    hasher: RandomState,
    known: RwLock<HashSet<u64>>,
}

/// What tells a document, and the operation in it, from others. Two that are alike cost one of them round trips.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document(u64);

impl Snapshots {
    pub(crate) fn document(&self, query: &str, operation_name: Option<&str>) -> Document {
        Document(self.hasher.hash_one((query, operation_name)))
    }

    pub(crate) fn is_needed(&self, document: Document) -> bool {
        let known = self.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        known.contains(&document.0)
    }

    pub(crate) fn remember(&self, document: Document) {
        let known = self.known.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(document.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_bounded() {
        let snapshots = Snapshots::default();
        for n in 0..=MOST {
            let document = snapshots.document(&n.to_string(), None);
            snapshots.remember(document);
            assert!(snapshots.is_needed(document));
        }
        assert_eq!(
            snapshots.known.read().map(|known| known.len()).ok(),
            Some(1)
        );
    }

    #[test]
    fn operations_of_one_document_are_told_apart() {
        let snapshots = Snapshots::default();
        snapshots.remember(snapshots.document("query A {a} query B {b c}", Some("B")));
        assert!(!snapshots.is_needed(snapshots.document("query A {a} query B {b c}", Some("A"))));
    }
}
