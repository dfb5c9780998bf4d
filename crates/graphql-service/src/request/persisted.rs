//! Documents that a client names instead of sending.
//!
//! Two ways to come to know one. *Automatic persisted queries*, Apollo's protocol: a client sends the SHA-256 of a
//! document, is told that nobody knows it, sends both once, and from then on the hash alone. *Trusted documents*: a file
//! that was made with the clients names all that they will ever send; where only these are taken, nobody else's are.
//!
//! Either way the request has its text again before anything looks at it: the limits, the kind of the operation and the
//! fingerprint of an idempotency key are those of the document, however it came.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_graphql::{Request, Value};
use moka::sync::Cache;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::answer::{refusal::Refusal, request_error::RequestError};
use crate::setters::setters;

/// Documents by the name that clients give them, read from a manifest.
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
    /// Reads a manifest: an object from name to text, as graphql-codegen and Relay write it, or Apollo's
    /// (`apollo-persisted-query-manifest`, version 1).
    ///
    /// # Errors
    /// What a manifest is, where the text is none.
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

/// How documents may be named.
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
    /// The bytes of documents that are kept for clients that name them by their hash; none turns that off.
    pub automatic_bytes: u64,
    /// Documents that are known from the start.
    pub trusted: TrustedDocuments,
    /// Whether no other documents are taken.
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

/// The documents that can be named. Clones share them.
#[derive(Clone)]
pub(crate) struct Documents(Arc<Inner>);

struct Inner {
    trusted: HashMap<String, String>,
    /// The texts of the trusted ones, where no others are taken.
    only: Option<HashSet<String>>,
    automatic: Option<Cache<String, Arc<str>>>,
}

impl Documents {
    pub(crate) fn new(options: PersistedOptions) -> Self {
        let trusted = options.trusted.0;
        let only = options
            .only_trusted
            .then(|| trusted.values().cloned().collect());
        let automatic = (only.is_none() && options.automatic_bytes > 0).then(|| {
            Cache::builder()
                .max_capacity(options.automatic_bytes)
                .weigher(|hash: &String, text: &Arc<str>| {
                    u32::try_from(hash.len() + text.len()).unwrap_or(u32::MAX)
                })
                .build()
        });
        Self(Arc::new(Inner {
            trusted,
            only,
            automatic,
        }))
    }

    /// Gives a request that names its document the text, and learns the name where it has both.
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
                    // Left to itself the cache sees to its bound later, a batch of insertions at a time.
                    automatic.run_pending_tasks();
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
        // Apollo's clients know these two messages, and what to do about them.
        Err(match (automatic, &self.0.only) {
            (None, None) if self.0.trusted.is_empty() => Refusal::document(
                RequestError::PersistedNotSupported,
                "PersistedQueryNotSupported",
            ),
            _ => Refusal::document(RequestError::PersistedNotFound, "PersistedQueryNotFound"),
        })
    }
}

/// What a request calls its document.
struct Name {
    id: String,
    /// Whether it is `persistedQuery`'s hash, with which the text may come along.
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

/// Where the reader of requests leaves the member `documentId`.
pub(crate) const DOCUMENT_ID: &str = "documentId";

fn sha256(text: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(text)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // A string takes all that is written to it.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
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
}
