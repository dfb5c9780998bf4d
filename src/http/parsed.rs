//! Documents that have been parsed before.
//!
//! Clients send the same few documents again and again, and to parse and to validate one costs more than all else that is done
//! before it is executed. The document is kept, and that it was found valid, for requests that validation cannot tell apart
//! ([`Likeness`]). Its limits depend on the values of variables, and are looked at each time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{Request, parser::types::ExecutableDocument};
use moka::sync::Cache;
use unit_of_work::Validated;

use super::{likeness::Likeness, operation};

/// The tokens of all documents that are kept together. A parsed token takes some hundred bytes, so this is some ten megabytes.
const TOKENS: u64 = 50_000;

/// How many kinds of requests with one document are known to be valid: a client has a few ways to leave variables out.
const LIKENESSES: usize = 16;

/// Documents by their text. Clones share them.
#[derive(Clone)]
pub(super) struct Parsed(Cache<Box<str>, Known>);

#[derive(Clone)]
struct Known {
    document: Arc<ExecutableDocument>,
    tokens: usize,
    validated: Arc<Mutex<HashMap<Likeness, Validated>>>,
}

impl Known {
    fn new(document: ExecutableDocument, tokens: usize) -> Self {
        Self {
            document: Arc::new(document),
            tokens,
            validated: Arc::default(),
        }
    }

    /// What is known of requests like this one.
    fn validated(&self, request: &Request) -> Option<Validated> {
        // A name that no operation has is refused later, and is not to take the room of those that are there.
        operation::select(&self.document, request.operation_name.as_deref())?;
        let likeness = Likeness::of(&self.document, request)?;
        // Nothing can panic while the lock is held.
        let validated = self.validated.lock();
        let mut validated = validated.unwrap_or_else(PoisonError::into_inner);
        if !validated.contains_key(&likeness) && validated.len() >= LIKENESSES {
            return None;
        }
        Some(validated.entry(likeness).or_default().clone())
    }
}

impl Parsed {
    pub(super) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(TOKENS)
                .weigher(|_, known: &Known| u32::try_from(known.tokens).unwrap_or(u32::MAX))
                .build(),
        )
    }

    /// Gives a request its document, and what is known of its validity, if the document is known.
    pub(super) fn find(&self, request: &mut Request) -> bool {
        let Some(known) = self.0.get(request.query.as_str()) else {
            return false;
        };
        if let Some(validated) = known.validated(request) {
            request.data.insert(validated);
        }
        request.set_parsed_query(ExecutableDocument::clone(&known.document));
        true
    }

    /// Keeps the document of a request, if it is one, of so many tokens.
    pub(super) fn keep(&self, request: &mut Request, tokens: usize) {
        if let Ok(document) = request.parsed_query() {
            let known = Known::new(document.clone(), tokens);
            self.0.insert(request.query.as_str().into(), known);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;

    use super::*;

    #[test]
    fn what_is_kept_is_bounded_by_its_tokens() {
        let parsed = Parsed::new();
        for n in 0..100 {
            let mut request = Request::new(format!("{{ a{n} }}"));
            parsed.keep(&mut request, 1000);
            // Left to itself the cache sees to its bound later.
            parsed.0.run_pending_tasks();
            assert!(parsed.0.weighted_size() <= TOKENS);
        }
        assert_eq!(parsed.0.weighted_size(), TOKENS);
    }

    #[test]
    fn an_operation_that_is_not_there_takes_no_room() {
        let parsed = Parsed::new();
        let request = |name: &str| Request::new("query A { a } query B { b }").operation_name(name);
        parsed.keep(&mut request("A"), 8);
        let knows = |name: &str| {
            let mut request = request(name);
            assert!(parsed.find(&mut request));
            request.data.get(&TypeId::of::<Validated>()).is_some()
        };
        assert!((0..100).all(|n| !knows(&format!("C{n}"))));
        assert!(knows("A") && knows("B"));
    }

    #[test]
    fn a_document_is_found_by_its_text() {
        let parsed = Parsed::new();
        parsed.keep(&mut Request::new("{ a }"), 3);
        parsed.keep(&mut Request::new("{ b"), 2);
        assert!(parsed.find(&mut Request::new("{ a }")));
        assert!(!parsed.find(&mut Request::new("{ a b }")));
        assert!(!parsed.find(&mut Request::new("{ b")));
    }
}
