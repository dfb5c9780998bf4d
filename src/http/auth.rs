//! Who may do what.
//!
//! Without authentication everyone may do everything, which is for loopback. With it, a caller shows a JWT: in
//! `Authorization: Bearer` over HTTP, there or in the payload of `connection_init` over a WebSocket. The token says who it is
//! (`sub`, the viewer) and what that viewer may do (`scope`): [`READ`] for queries and subscriptions, [`WRITE`] for mutations.
//!
//! A key verifies the one algorithm that it is for, whatever the token claims, so that a public key cannot be used as a
//! secret.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use async_graphql::{Request, parser::types::OperationType};
use axum::http::{HeaderMap, header};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm},
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use tokio::time::Instant;
use unit_of_work::Viewer;

use super::refusal::Refusal;

/// The scope of queries and subscriptions.
pub const READ: &str = "ledger:read";
/// The scope of mutations.
pub const WRITE: &str = "ledger:write";

/// How far the clocks of who issues a token and who reads it may be apart.
const LEEWAY_SECONDS: u64 = 5;

/// The fewest bytes of a secret: HS256 is as strong as its key (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// Whose tokens are taken.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    keys: Vec<Key>,
    issuer: String,
    audience: String,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Keys are nobody's to read.
impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("issuer", &self.0.issuer)
            .field("audience", &self.0.audience)
            .finish_non_exhaustive()
    }
}

/// The keys that tokens are verified with.
pub struct Keys(Vec<Key>);

impl Keys {
    /// A secret that is shared with who issues the tokens (HS256).
    ///
    /// # Errors
    /// What a secret is, where this is none.
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
    /// What a set is, where this is none.
    pub fn from_jwks(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a JSON Web Key Set with keys for RS256, ES256 or EdDSA";
        let set: JwkSet = serde_json::from_str(text).map_err(|_| EXPECTED)?;
        let keys = set.keys.iter().map(|jwk| {
            Some(Key {
                id: jwk.common.key_id.clone(),
                algorithm: algorithm(jwk)?,
                key: DecodingKey::from_jwk(jwk).ok()?,
            })
        });
        // A set may hold keys for other uses.
        let keys: Vec<_> = keys.flatten().collect();
        if keys.is_empty() {
            Err(EXPECTED)
        } else {
            Ok(Self(keys))
        }
    }
}

/// What a public key verifies: as it says itself, else by its kind. A set of public keys has no secrets in it.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let of_kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
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

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    /// RFC 8693, section 4.2: scopes with spaces between them.
    #[serde(default)]
    scope: String,
}

impl Tokens {
    /// Tokens of this issuer, for this audience, signed with one of these keys.
    pub fn new(keys: Keys, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            keys: keys.0,
            issuer: issuer.into(),
            audience: audience.into(),
        }))
    }

    /// Who shows this token; `None` where it is not to be believed. What is wrong with it is for the log alone.
    fn caller(&self, token: &str) -> Option<Caller> {
        let claims = match self.verify(token) {
            Ok(claims) => claims,
            Err(error) => {
                tracing::debug!(%error, "a token is refused");
                return None;
            }
        };
        let left = (claims.exp + LEEWAY_SECONDS).saturating_sub(get_current_timestamp());
        let scopes: HashSet<_> = claims.scope.split_whitespace().collect();
        Some(Caller {
            may_read: scopes.contains(READ),
            may_write: scopes.contains(WRITE),
            viewer: Some(claims.sub),
            expires: Instant::now().checked_add(Duration::from_secs(left)),
        })
    }

    fn verify(&self, token: &str) -> Result<Claims, jsonwebtoken::errors::Error> {
        let id = decode_header(token)?.kid;
        let keys = self.0.keys.iter().filter(|key| match (&id, &key.id) {
            (Some(asked), Some(id)) => asked == id,
            _ => true,
        });
        let mut outcome = Err(jsonwebtoken::errors::ErrorKind::InvalidSignature.into());
        for key in keys {
            let mut validation = Validation::new(key.algorithm);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation.set_issuer(&[&self.0.issuer]);
            validation.set_audience(&[&self.0.audience]);
            validation.validate_nbf = true;
            validation.leeway = LEEWAY_SECONDS;
            outcome = decode::<Claims>(token, &key.key, &validation).map(|token| token.claims);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// Who sends a request, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    viewer: Option<String>,
    may_read: bool,
    may_write: bool,
    /// When this stops being so.
    pub(super) expires: Option<Instant>,
}

impl Caller {
    /// Everyone, where there is no authentication.
    fn anyone() -> Self {
        Self {
            viewer: None,
            may_read: true,
            may_write: true,
            expires: None,
        }
    }

    /// Who sends an HTTP request.
    pub(super) fn of(tokens: Option<&Tokens>, headers: &HeaderMap) -> Result<Self, Refusal> {
        let Some(tokens) = tokens else {
            return Ok(Self::anyone());
        };
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value
                .to_str()
                .ok()
                .and_then(bearer)
                .and_then(|token| tokens.caller(token))
                .ok_or_else(|| Refusal::unauthenticated("the token is not taken")),
            (None, _) => Err(Refusal::unauthenticated(
                "a token is missing: send `Authorization: Bearer` with it",
            )),
            (Some(_), Some(_)) => Err(Refusal::unauthenticated("`Authorization` is there twice")),
        }
    }

    /// Who opens a WebSocket, as far as the handshake tells: browsers cannot give it headers.
    pub(super) fn of_handshake(
        tokens: Option<&Tokens>,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Refusal> {
        if tokens.is_some() && !headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        Self::of(tokens, headers).map(Some)
    }

    /// Who says so in `connection_init`; `None` where it says nothing, `Some(None)` where it is not believed.
    pub(super) fn of_init(
        tokens: Option<&Tokens>,
        payload: Option<&Map<String, Json>>,
    ) -> Option<Option<Self>> {
        let (tokens, payload) = (tokens?, payload?);
        let text = |name: &str| payload.get(name).map(|value| value.as_str().unwrap_or(""));
        let token = match text("authorization").or_else(|| text("Authorization")) {
            Some(header) => bearer(header).unwrap_or(""),
            None => text("token")?,
        };
        Some(tokens.caller(token))
    }

    /// Refuses a kind of operation that is not the caller's to run.
    pub(super) fn may(&self, kind: OperationType) -> Result<(), Refusal> {
        let (may, scope) = match kind {
            OperationType::Query | OperationType::Subscription => (self.may_read, READ),
            OperationType::Mutation => (self.may_write, WRITE),
        };
        if may {
            Ok(())
        } else {
            Err(Refusal::forbidden(scope))
        }
    }

    /// Tells the unit of work whose the request is: idempotency keys belong to a viewer.
    pub(super) fn mark(&self, request: Request) -> Request {
        match &self.viewer {
            Some(viewer) => request.data(Viewer(viewer.clone())),
            None => request,
        }
    }
}

/// Comes back when a caller's time is over.
pub(super) async fn until(expires: Option<Instant>) {
    match expires {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
