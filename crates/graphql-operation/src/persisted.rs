//! Documents that requests name by their hash: Apollo's automatic persisted queries.
//!
//! A client sends the SHA-256 of its document in `extensions.persistedQuery` instead of the text. Where the document is not known, it is
//! refused, and sends both. From then on the hash is enough.
//!
//! async-graphql's own extension (`ApolloPersistedQueries`) keeps documents as the engine has parsed them, so their texts are lost, and with
//! them what the engine misreads. Here the texts are kept, of documents that are valid.

use std::sync::Arc;

use async_graphql::{Request, Value};
use sha2::{Digest, Sha256};

use crate::{
    cache::{WeighedCache, weighed},
    error::{Refused, Stage},
};

/// The member of a request's extensions that names its document.
pub(crate) const PERSISTED_QUERY: &str = "persistedQuery";

/// The SHA-256 of a document.
pub(crate) type Hash = [u8; 32];

/// Texts by their hashes, up to a number of bytes.
pub(crate) struct Persisted(WeighedCache<Hash, Arc<str>>);

impl Persisted {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(weighed(bytes, |_, text: &Arc<str>| 100 + text.len()))
    }

    /// Puts the text in the place of its hash, if a request has only that. Returns the hash if the request has both: the text is to be kept
    /// if its document is valid.
    ///
    /// # Errors
    /// If the text is not known, or is not the one whose hash was sent.
    pub(crate) fn put_text(&self, request: &mut Request) -> Result<Option<Hash>, Refused> {
        let Some(named) = named(request) else {
            return Ok(None);
        };
        if request.query.is_empty() {
            let known = named.and_then(|hash| self.0.get(&hash));
            // Apollo's clients recognise this message.
            let text =
                known.ok_or_else(|| refused(Stage::PersistedNotFound, "PersistedQueryNotFound"))?;
            request.query = text.to_string();
            return Ok(None);
        }
        let hash = Hash::from(Sha256::digest(&request.query));
        if named != Some(hash) {
            return Err(refused(
                Stage::UserInput,
                "provided sha does not match query",
            ));
        }
        Ok(Some(hash))
    }

    pub(crate) fn keep(&self, hash: Hash, text: Arc<str>) {
        self.0.insert(hash, text);
    }

    #[cfg(test)]
    pub(crate) fn weight(&self) -> u64 {
        self.0.weight()
    }
}

fn refused(stage: Stage, message: &str) -> Refused {
    Refused::one(stage, message, None)
}

/// The hash in a request's extensions. `None` if there is none, and `Some(None)` if it is no SHA-256.
#[expect(
    clippy::option_option,
    reason = "there is nothing, or something wrong, or a hash"
)]
fn named(request: &Request) -> Option<Option<Hash>> {
    let Value::Object(persisted) = request.extensions.get(PERSISTED_QUERY)? else {
        return None;
    };
    let Value::String(hash) = persisted.get("sha256Hash")? else {
        return None;
    };
    Some(bytes(hash))
}

fn bytes(hex: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if hex.len() != 2 * hash.len() || !hex.is_ascii() {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_64_hexadecimal_digits() {
        let digits = "0123456789abcdefABCDEF".repeat(3);
        assert_eq!(
            bytes(&digits[..64]).map(|hash| hash[..3].to_vec()),
            Some(vec![0x01, 0x23, 0x45])
        );
        for wrong in [
            &digits[..62],
            &digits[..66],
            &"g".repeat(64),
            &"ä".repeat(32),
            "",
        ] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
