//! The keys that tokens are verified with: a secret, or a set of public ones.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;

/// The fewest bytes of a secret: HS256 is as strong as its key (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// The keys that tokens are verified with.
pub struct Keys(Vec<Key>);

pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl Keys {
    /// A secret that is shared with the issuer of the tokens (HS256).
    ///
    /// # Errors
    /// If it is too short, a text that says what is expected.
    pub fn from_secret(secret: &[u8]) -> Result<Self, &'static str> {
        if secret.len() < SHORTEST_SECRET {
            return Err("a secret of at least 32 bytes");
        }
        Ok(Self(vec![Key {
            id: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret),
        }]))
    }

    /// A JSON Web Key Set (RFC 7517) of public keys for RS256, ES256 or EdDSA.
    ///
    /// # Errors
    /// If there is no usable key in it, a text that says what is expected.
    pub fn from_jwks(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a JSON Web Key Set with keys for RS256, ES256 or EdDSA";
        let set: Set = serde_json::from_str(text).map_err(|_| EXPECTED)?;
        // A set may hold keys for other uses and of unknown kinds, which are left out (RFC 7517, section 5).
        let known = set.keys.into_iter().filter_map(|key| {
            let jwk: Jwk = serde_json::from_value(key).ok()?;
            verifies(&jwk).then_some(jwk)
        });
        let keys = known.map(|jwk| {
            Some(Key {
                algorithm: algorithm(&jwk)?,
                key: DecodingKey::from_jwk(&jwk).ok()?,
                id: jwk.common.key_id,
            })
        });
        let keys: Vec<_> = keys.flatten().collect();
        if keys.is_empty() {
            Err(EXPECTED)
        } else {
            Ok(Self(keys))
        }
    }

    /// The keys that can have signed a token that names the key `id`. A token without a name, or a key without one, matches any.
    pub(super) fn for_id<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        self.0.iter().filter(move |key| match (id, &key.id) {
            (Some(asked), Some(id)) => asked == id,
            _ => true,
        })
    }

    /// Whether a key has this name.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// Whether a key may verify signatures (RFC 7517, sections 4.2 and 4.3). A key for encryption may not.
fn verifies(jwk: &Jwk) -> bool {
    let by_use = match &jwk.common.public_key_use {
        None => true,
        Some(usage) => *usage == PublicKeyUse::Signature,
    };
    let by_operations = match &jwk.common.key_operations {
        None => true,
        Some(operations) => operations.contains(&KeyOperations::Verify),
    };
    by_use && by_operations
}

/// The algorithm of a public key: the one that it names, or else that of its kind. Secrets are not accepted in a set of public keys.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let of_kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    match (jwk.common.key_algorithm, of_kind) {
        (None, _)
        | (Some(KeyAlgorithm::RS256), Algorithm::RS256)
        | (Some(KeyAlgorithm::ES256), Algorithm::ES256)
        | (Some(KeyAlgorithm::EdDSA), Algorithm::EdDSA) => Some(of_kind),
        _ => None,
    }
}
