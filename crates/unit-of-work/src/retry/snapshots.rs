//! Remembers which queries make more than one statement.
//!
//! A single statement is its own snapshot. It needs no BEGIN and no ROLLBACK, so it costs one round trip instead of three. How many
//! statements an operation makes is not known before it runs, so a query begins without a transaction. If it makes a second statement, that
//! is refused, the attempt is discarded, and the operation runs again in a transaction. Its document is remembered, so this happens once
//! for each document.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{PoisonError, RwLock},
};

use async_graphql::Value;

/// How many documents are remembered. Beyond that, all are forgotten, which costs each of them one more attempt.
const MOST: usize = 10_000;

/// The documents that make more than one statement.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    hasher: RandomState,
    known: RwLock<HashSet<u64>>,
}

/// A hash of a document and its operation. If two collide, one of them gets a transaction that it does not need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document(u64);

impl Snapshots {
    /// The key of a document: its text, or the name (`persisted`) that a request has instead of a text. `None` if it has neither.
    pub(crate) fn document(
        &self,
        query: &str,
        persisted: Option<&Value>,
        operation_name: Option<&str>,
    ) -> Option<Document> {
        let persisted = match persisted {
            None if query.is_empty() => return None,
            Some(persisted) if query.is_empty() => Some(persisted.to_string()),
            _ => None,
        };
        let hash = self.hasher.hash_one((query, persisted, operation_name));
        Some(Document(hash))
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

    fn document(snapshots: &Snapshots, query: &str, name: Option<&str>) -> Document {
        let document = snapshots.document(query, None, name);
        document.expect("has a text")
    }

    #[test]
    fn what_is_known_is_bounded() {
        let snapshots = Snapshots::default();
        for n in 0..=MOST {
            let document = document(&snapshots, &n.to_string(), None);
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
        let text = "query A {a} query B {b c}";
        snapshots.remember(document(&snapshots, text, Some("B")));
        assert!(!snapshots.is_needed(document(&snapshots, text, Some("A"))));
    }

    #[test]
    fn documents_that_are_only_named_are_told_apart() {
        let snapshots = Snapshots::default();
        let named = |hash: &str| {
            let persisted = Value::from(hash);
            snapshots.document("", Some(&persisted), None)
        };
        snapshots.remember(named("a").expect("has a name"));
        assert!(snapshots.is_needed(named("a").expect("has a name")));
        assert!(!snapshots.is_needed(named("b").expect("has a name")));
        assert!(snapshots.document("", None, None).is_none());
    }
}
