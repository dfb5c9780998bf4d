//! Documents that have been parsed before.
//!
//! Clients send the same few documents again and again, and parsing one costs more than all else that is done before it is executed. What
//! is kept is the document alone: its limits depend on variables, its validity on the schema, and both are looked at each time.

use std::sync::Arc;

use async_graphql::{Request, parser::types::ExecutableDocument};
use moka::sync::Cache;

/// The bytes of text whose documents are kept; a document takes several times its text.
const TEXT: u64 = 1024 * 1024;

/// Documents by their text. Clones share them.
#[derive(Clone)]
pub(super) struct Parsed(Cache<Box<str>, Arc<ExecutableDocument>>);

impl Parsed {
    pub(super) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(TEXT)
                .weigher(|text: &Box<str>, _| u32::try_from(text.len()).unwrap_or(u32::MAX))
                .build(),
        )
    }

    /// Gives a request its document, if it is known.
    pub(super) fn find(&self, request: &mut Request) -> bool {
        let Some(document) = self.0.get(request.query.as_str()) else {
            return false;
        };
        request.set_parsed_query(ExecutableDocument::clone(&document));
        true
    }

    /// Keeps the document of a request, if it is one.
    pub(super) fn keep(&self, request: &mut Request) {
        if let Ok(document) = request.parsed_query() {
            let document = Arc::new(document.clone());
            self.0.insert(request.query.as_str().into(), document);
        }
    }
}
