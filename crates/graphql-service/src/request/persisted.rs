//! Persisted documents: a client sends a name or a hash instead of the document.
//!
//! There are two ways. *Automatic persisted queries* are Apollo's protocol: a client sends the SHA-256 of a document; if the server does
//! not know it, the client sends hash and document once, and from then on the hash alone. *Trusted documents* come from a manifest, a
//! file that is built with the clients and has every document that they send; the server can be set to accept no others.
//!
//! Either way the request gets its text before anything else looks at it. So limits, the kind of the operation and the fingerprint of an
//! idempotency key do not depend on how the document was sent.

use std::{
    collections::{HashMap, HashSet},
    hash::RandomState,
    sync::Arc,
};

use async_graphql::{Request, Value};
use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::answer::{refusal::Refusal, request_error::RequestError};
use crate::setters::setters;

/// Trusted documents by their names, read from a manifest.
///
/// ```
/// use graphql_service::TrustedDocuments;
///
/// assert!(TrustedDocuments::from_manifest(r#"{"me": "{ me { name } }"}"#).is_ok());
/// assert!(TrustedDocuments::from_manifest("no manifest").is_err());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedDocuments(HashMap<String, String>);

impl TrustedDocuments {
    /// Reads a manifest: a JSON object from names to documents, as graphql-codegen and Relay write it, or Apollo's
    /// (`apollo-persisted-query-manifest`, version 1).
    ///
    /// # Errors
    /// Where the text is neither. The error says what a manifest is.
    pub fn from_manifest(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str =
            "a JSON object from ids to documents, or Apollo's persisted query manifest";
        let Ok(Json::Object(manifest)) = serde_json::from_str(text) else {
            return Err(EXPECTED);
        };
        let documents: Option<HashMap<_, _>> = match manifest.get("operations") {
            Some(Json::Array(operations)) => operations
                .iter()
                .map(|operation| {
                    let text = |name: &str| Some(operation.get(name)?.as_str()?.to_owned());
                    Some((text("id")?, text("body")?))
                })
                .collect(),
            _ => manifest
                .into_iter()
                .map(|(id, text)| Some((id, text.as_str()?.to_owned())))
                .collect(),
        };
        documents.map(Self).ok_or(EXPECTED)
    }
}

/// Which persisted documents a server has.
///
/// ```
/// use graphql_service::{PersistedOptions, TrustedDocuments};
///
/// let trusted = TrustedDocuments::from_manifest(r#"{"me": "{ me { name } }"}"#)?;
/// let persisted = PersistedOptions::default().trusted(trusted).only_trusted(true);
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PersistedOptions {
    /// How many bytes of documents to keep for automatic persisted queries; 0 turns them off. Default: 16 MiB.
    pub automatic_bytes: u64,
    /// Documents that are known from the start. Default: none.
    pub trusted: TrustedDocuments,
    /// Whether all other documents are refused. Automatic persisted queries are then off. Default: no.
    pub only_trusted: bool,
}

impl Default for PersistedOptions {
    /// Automatic persisted queries in 16 MiB, and no trusted documents.
    fn default() -> Self {
        Self {
            automatic_bytes: 16 * 1024 * 1024,
            trusted: TrustedDocuments::default(),
            only_trusted: false,
        }
    }
}

setters!(PersistedOptions {
    automatic_bytes: u64,
    trusted: TrustedDocuments,
    only_trusted: bool,
});

/// The documents that a server knows. Clones share them.
#[derive(Clone)]
pub(crate) struct Documents(Arc<Inner>);

struct Inner {
    trusted: HashMap<String, String>,
    /// The texts of the trusted documents, where all others are refused.
    only: Option<HashSet<String>>,
    automatic: Option<Automatic>,
}

/// Documents by their hashes. What is evicted is freed at once: moka, for one, would keep some dozens of evicted documents for each thread.
type Automatic = Cache<String, Arc<str>, InBytes, RandomState>;

#[derive(Clone)]
struct InBytes;

impl Weighter<String, Arc<str>> for InBytes {
    fn weight(&self, hash: &String, text: &Arc<str>) -> u64 {
        // Beside the texts, the cache itself takes this much for each.
        (hash.len() + text.len() + 200) as u64
    }
}

/// A cache of so many bytes, in parts of at least two megabytes. Each part has a lock of its own, and keeps nothing larger than itself.
fn automatic(bytes: u64) -> Automatic {
    // The cache makes no part for fewer than 32 documents.
    let estimated = usize::try_from(bytes / (2 * 1024 * 1024) * 32).unwrap_or(usize::MAX);
    // Clients choose the keys: what they hash to must not be guessed.
    Cache::with(
        estimated.max(32),
        bytes,
        InBytes,
        RandomState::new(),
        DefaultLifecycle::default(),
    )
}

impl Documents {
    pub(crate) fn new(options: PersistedOptions) -> Self {
        let trusted = options.trusted.0;
        let only = options
            .only_trusted
            .then(|| trusted.values().cloned().collect());
        let automatic = (only.is_none() && options.automatic_bytes > 0)
            .then(|| automatic(options.automatic_bytes));
        Self(Arc::new(Inner {
            trusted,
            only,
            automatic,
        }))
    }

    /// Gives the request its document if it only names it, and learns a document that comes with its hash.
    pub(crate) fn resolve(&self, request: &mut Request) -> Result<(), Refusal> {
        match Name::of(request)? {
            None => {}
            Some(Name { id, .. }) if request.query.is_empty() => {
                request.query = self.find(&id)?;
                return Ok(());
            }
            Some(Name { id, is_hash: true }) => {
                if sha256(&request.query) != id {
                    return Err(Refusal::bad_request(
                        "`extensions.persistedQuery.sha256Hash` is not the hash of `query`",
                    ));
                }
                if let Some(automatic) = &self.0.automatic {
                    automatic.insert(id, request.query.as_str().into());
                }
            }
            Some(Name { is_hash: false, .. }) => {
                return Err(Refusal::bad_request(
                    "`query` and `documentId` are both there: give one of them",
                ));
            }
        }
        match &self.0.only {
            Some(only) if !only.contains(&request.query) => Err(Refusal::document(
                RequestError::NotTrusted,
                "only trusted documents are taken here, and this is none of them",
            )),
            _ => Ok(()),
        }
    }

    fn find(&self, id: &str) -> Result<String, Refusal> {
        if let Some(text) = self.0.trusted.get(id) {
            return Ok(text.clone());
        }
        let automatic = self.0.automatic.as_ref();
        if let Some(text) = automatic.and_then(|known| known.get(id)) {
            return Ok(text.to_string());
        }
        // Apollo's clients recognise these two messages.
        Err(match (automatic, &self.0.only) {
            (None, None) if self.0.trusted.is_empty() => Refusal::document(
                RequestError::PersistedNotSupported,
                "PersistedQueryNotSupported",
            ),
            _ => Refusal::document(RequestError::PersistedNotFound, "PersistedQueryNotFound"),
        })
    }
}

/// The name or hash by which a request refers to its document.
struct Name {
    id: String,
    /// Whether it is the hash of `persistedQuery`, which the document may accompany.
    is_hash: bool,
}

impl Name {
    /// `extensions.persistedQuery` of Apollo's protocol, or `documentId` of *GraphQL over HTTP*.
    fn of(request: &mut Request) -> Result<Option<Self>, Refusal> {
        if let Some(id) = request.extensions.remove(DOCUMENT_ID) {
            let Value::String(id) = id else {
                return Err(Refusal::bad_request("`documentId` must be a string"));
            };
            let id = id.strip_prefix("sha256:").map(str::to_owned).unwrap_or(id);
            return Ok(Some(Self { id, is_hash: false }));
        }
        let Some(persisted) = request.extensions.remove("persistedQuery") else {
            return Ok(None);
        };
        let malformed = || {
            Refusal::bad_request(
                "`extensions.persistedQuery` is an object with `version` 1 and `sha256Hash`",
            )
        };
        let Value::Object(mut members) = persisted else {
            return Err(malformed());
        };
        let version = members.swap_remove("version");
        match (version, members.swap_remove("sha256Hash")) {
            (Some(version), Some(Value::String(id))) if version == Value::from(1) => {
                let id = id.to_ascii_lowercase();
                Ok(Some(Self { id, is_hash: true }))
            }
            _ => Err(malformed()),
        }
    }
}

/// The member `documentId` of a request. `read.rs` moves it into the extensions, under the same name.
pub(crate) const DOCUMENT_ID: &str = "documentId";

fn sha256(text: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(text)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_is_a_map_or_apollos() {
        let map = TrustedDocuments::from_manifest(r#"{"a": "{ x }"}"#).unwrap();
        let apollo = r#"{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [
            {"id": "a", "name": "A", "type": "query", "body": "{ x }"}]}"#;
        assert_eq!(TrustedDocuments::from_manifest(apollo).unwrap(), map);
        for bad in ["", "[]", r#"{"a": 1}"#, r#"{"operations": [{"id": "a"}]}"#] {
            assert!(TrustedDocuments::from_manifest(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_written_in_hexadecimal() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(""), empty);
    }

    /// However many documents there are, and however long each of them is.
    #[test]
    fn what_is_learnt_is_bounded_by_its_bytes() {
        const BYTES: u64 = 4_000_000;
        let documents = Documents::new(PersistedOptions::default().automatic_bytes(BYTES));
        let automatic = documents.0.automatic.as_ref().unwrap();
        let mut texts = Vec::new();
        for n in 0..200 {
            for length in [10, 1_000, 100_000] {
                let text = format!("{{ a }} # {n} {}", "x".repeat(length));
                let mut request = Request::new(&text);
                let hash = sha256(&text);
                let persisted = json!({ "version": 1, "sha256Hash": hash });
                let persisted = Value::from_json(persisted).unwrap();
                request
                    .extensions
                    .insert("persistedQuery".to_owned(), persisted);
                documents.resolve(&mut request).unwrap();
                texts.extend(automatic.get(&hash).as_ref().map(Arc::downgrade));
                assert!(automatic.weight() <= BYTES, "{}", automatic.weight());
            }
        }
        // What was evicted is freed.
        let alive = texts.iter().filter_map(Weak::upgrade);
        let bytes: usize = alive.map(|text| text.len()).sum();
        assert!(bytes as u64 <= BYTES, "{bytes}");
        assert!(bytes as u64 > BYTES / 2, "{bytes}");
    }
}
