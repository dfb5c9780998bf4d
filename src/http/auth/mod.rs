//! Authentication and authorisation.
//!
//! Without authentication, everyone may do everything; that is for loopback. With it, a caller shows a JWT: in `Authorization: Bearer` over
//! HTTP, there or in the payload of `connection_init` over a WebSocket. The token names the viewer (`sub`) and what the viewer may do
//! (`scope` or
//! `scp`): [`READ`] allows queries and subscriptions, [`WRITE`] mutations.
//!
//! Each key verifies one algorithm only, whatever the token claims, so that a public key cannot be used as a secret.

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_graphql::{ErrorExtensionValues, Request, parser::types::OperationType};
use axum::http::{HeaderMap, header};
use graphql_service::{Authentication, Init, Refusal};
use jsonwebtoken::{Validation, decode, errors};
use serde_json::{Map, Value as Json};
use tokio::time::Instant;
use unit_of_work::Viewer;

use self::{
    claims::{Claims, Refused, Unchecked},
    key_ring::KeyRing,
};
pub use self::{
    key_ring::{KeyError, KeyFile, KeySource},
    keys::Keys,
};

mod claims;
mod key_ring;
mod keys;
mod verifier;

/// The scope of queries and subscriptions.
pub const READ: &str = "ledger:read";
/// The scope of mutations.
pub const WRITE: &str = "ledger:write";

/// Which tokens are accepted. Clones share the keys.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
    grant: Option<Grant>,
    viewers_are_alike: bool,
}

/// Puts into a request's data what the caller's scopes allow beyond [`READ`] and [`WRITE`].
pub type Grant = fn(&mut Request, &[String]);

struct Inner {
    keys: Arc<KeyRing>,
    issuer: String,
    audience: String,
}

/// Does not show the keys.
impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("issuer", &self.inner.issuer)
            .field("audience", &self.inner.audience)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Accepts tokens of this issuer, for this audience, signed with one of these keys. The keys never change.
    pub fn new(keys: Keys, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::with(KeyRing::fixed(keys), issuer.into(), audience.into())
    }

    /// As [`Self::new`], with the keys of a source. They can be read again.
    ///
    /// # Errors
    /// A [`KeyError`] if the source has no keys.
    pub async fn of_source(
        source: KeySource,
        issuer: String,
        audience: String,
    ) -> Result<Self, KeyError> {
        Ok(Self::with(KeyRing::of(source).await?, issuer, audience))
    }

    fn with(keys: KeyRing, issuer: String, audience: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                keys: Arc::new(keys),
                issuer,
                audience,
            }),
            grant: None,
            viewers_are_alike: false,
        }
    }

    /// Calls `grant` for each request of a caller.
    #[must_use]
    pub fn granting(self, grant: Grant) -> Self {
        Self {
            grant: Some(grant),
            ..self
        }
    }

    /// Says that answers to subscriptions depend only on the viewer's scopes, and not on who the viewer is. Viewers with the same scopes
    /// may then share one response. By default, each viewer has responses of their own.
    #[must_use]
    pub fn viewers_are_alike(self) -> Self {
        Self {
            viewers_are_alike: true,
            ..self
        }
    }

    /// Gets the keys again.
    ///
    /// # Errors
    /// A [`KeyError`]. The old keys then stay.
    pub async fn reload(&self) -> Result<(), KeyError> {
        self.inner.keys.reload().await
    }

    /// The caller that a token names; `None` if it is refused. Only the log shows why.
    async fn caller(&self, token: &str) -> Option<Caller> {
        let claims = match self.verify(token).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::debug!(%error, "a token is refused");
                return None;
            }
        };
        let has = |scope| claims.scopes.iter().any(|has| has == scope);
        let (may_read, may_write) = (has(READ), has(WRITE));
        // A token whose end is beyond the clock's range never expires.
        let left = Duration::try_from_secs_f64(claims.seconds_left).unwrap_or(Duration::MAX);
        Some(Caller {
            viewers_are_alike: self.viewers_are_alike,
            may_read,
            may_write,
            expires: Expiry::after(left),
            viewer: Some(claims.subject),
            granted: self.grant.map(|grant| (grant, claims.scopes.into())),
        })
    }

    /// Verifies a token with the known keys. If it names an unknown key, that key is looked for, and the token is verified again.
    async fn verify(&self, token: &str) -> Result<Claims, Refused> {
        let id = claims::key_id(token)?;
        let outcome = self.verify_with(&self.inner.keys.now(), id.as_deref(), token);
        let outcome = match &id {
            Some(id) if outcome.is_err() && self.inner.keys.look_for(id).await => {
                self.verify_with(&self.inner.keys.now(), Some(id), token)
            }
            _ => outcome,
        };
        // If the machine's clock is before 1970, it cannot be told whether a token has expired: none is accepted.
        let now = SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(f64::INFINITY, |now| now.as_secs_f64());
        outcome?.check(&self.inner.issuer, &self.inner.audience, now)
    }

    /// Verifies only the signature.
    fn verify_with(
        &self,
        keys: &Keys,
        id: Option<&str>,
        token: &str,
    ) -> Result<Unchecked, errors::Error> {
        let mut outcome = Err(errors::ErrorKind::InvalidSignature.into());
        for key in keys.for_id(id) {
            let mut validation = Validation::new(key.algorithm);
            // The claims are read in `claims`: jsonwebtoken's own reader knows no fractions, and ignores some wrong types.
            validation.required_spec_claims.clear();
            validation.validate_exp = false;
            validation.validate_aud = false;
            outcome = decode::<Unchecked>(token, &key.key, &validation).map(|token| token.claims);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// Who sends a request, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    viewer: Option<String>,
    granted: Option<(Grant, Arc<[String]>)>,
    may_read: bool,
    may_write: bool,
    viewers_are_alike: bool,
    /// When the token expires.
    expires: Option<Expiry>,
}

/// The end of a token's life, by two clocks. The machine's clock can be set back or forward while a stream of the caller is open, so the
/// token ends when the first of the two says so.
#[derive(Debug, Clone, Copy)]
struct Expiry {
    elapsed: Instant,
    at: SystemTime,
}

impl Expiry {
    /// `None` if that is beyond the clocks' range.
    fn after(left: Duration) -> Option<Self> {
        Some(Self {
            elapsed: Instant::now().checked_add(left)?,
            at: SystemTime::now().checked_add(left)?,
        })
    }

    fn instant(self) -> Instant {
        let now = Instant::now();
        match self.at.duration_since(SystemTime::now()) {
            Ok(left) => now
                .checked_add(left)
                .map_or(self.elapsed, |at| at.min(self.elapsed)),
            Err(_) => now,
        }
    }
}

impl Caller {
    /// The caller of a server without authentication.
    fn anyone() -> Self {
        Self {
            viewer: None,
            granted: None,
            may_read: true,
            may_write: true,
            viewers_are_alike: false,
            expires: None,
        }
    }
}

impl graphql_service::Caller for Caller {
    fn may(&self, kind: OperationType) -> Result<(), Refusal> {
        let (may, scope) = match kind {
            OperationType::Query | OperationType::Subscription => (self.may_read, READ),
            OperationType::Mutation => (self.may_write, WRITE),
        };
        if may {
            return Ok(());
        }
        let mut details = ErrorExtensionValues::default();
        details.set("scope", scope);
        let message = format!("the token does not have the scope `{scope}`");
        Err(Refusal::forbidden(message).details(details))
    }

    /// Names the viewer to the unit of work, since idempotency keys belong to a viewer, and tells the schema what the caller may do.
    fn attach(&self, request: &mut Request) {
        if let Some(viewer) = &self.viewer {
            request.data.insert(Viewer(viewer.clone()));
        }
        if let Some((grant, scopes)) = &self.granted {
            grant(request, scopes);
        }
    }

    /// The viewer that the token names.
    fn name(&self) -> Option<&str> {
        self.viewer.as_deref()
    }

    fn expires(&self) -> Option<Instant> {
        self.expires.map(Expiry::instant)
    }

    fn audience(&self) -> String {
        let viewer = self.viewer.as_ref().filter(|_| !self.viewers_are_alike);
        let granted = self.granted.iter().flat_map(|(_, scopes)| scopes.iter());
        let granted: BTreeSet<_> = granted.collect();
        format!(
            "{viewer:?} {} {} {granted:?}",
            self.may_read, self.may_write
        )
    }
}

/// Who has access to the server.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Everyone, to everything. Such a server should be reached by loopback alone.
    #[default]
    Anyone,
    /// Callers who show one of these tokens, as far as its scopes allow.
    Tokens(Tokens),
}

impl Access {
    fn tokens(&self) -> Option<&Tokens> {
        match self {
            Self::Anyone => None,
            Self::Tokens(tokens) => Some(tokens),
        }
    }
}

impl Authentication for Access {
    type Caller = Caller;

    async fn of_request(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let Some(tokens) = self.tokens() else {
            return Ok(Caller::anyone());
        };
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => {
                let token = value.to_str().ok().and_then(bearer).unwrap_or_default();
                let caller = tokens.caller(token).await;
                caller.ok_or_else(|| unauthenticated("the token is not taken"))
            }
            (None, _) => Err(unauthenticated(
                "a token is missing: send `Authorization: Bearer` with it",
            )),
            (Some(_), Some(_)) => Err(unauthenticated("`Authorization` is there twice")),
        }
    }

    async fn of_handshake(&self, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
        if self.tokens().is_some() && !headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        self.of_request(headers).await.map(Some)
    }

    async fn of_init(&self, payload: &Map<String, Json>) -> Init<Caller> {
        let Some(tokens) = self.tokens() else {
            return Init::Silent;
        };
        let text = |name: &str| payload.get(name).map(|value| value.as_str().unwrap_or(""));
        let token = match text("authorization").or_else(|| text("Authorization")) {
            Some(header) => bearer(header).unwrap_or(""),
            None => match text("token") {
                Some(token) => token,
                None => return Init::Silent,
            },
        };
        match tokens.caller(token).await {
            Some(caller) => Init::Caller(caller),
            None => Init::Refused,
        }
    }
}

fn unauthenticated(message: &str) -> Refusal {
    Refusal::unauthenticated("Bearer", message)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphql_service::Caller as _;

    #[test]
    fn who_may_do_something_else_is_another_audience() {
        let caller = |viewer: &str, scopes: &[&str], viewers_are_alike| Caller {
            viewer: Some(viewer.to_owned()),
            granted: Some((
                |_, _| {},
                scopes.iter().copied().map(str::to_owned).collect(),
            )),
            may_read: scopes.contains(&READ),
            may_write: scopes.contains(&WRITE),
            viewers_are_alike,
            expires: None,
        };
        let alike = |viewer, scopes: &[&str]| caller(viewer, scopes, true).audience();
        assert_eq!(alike("ann", &["a", "b"]), alike("bob", &["b", "a", "b"]));
        for others in [
            &["a"][..],
            &["a", "b", "c"],
            &["a b"],
            &["a, b"],
            &["a\", \"b"],
            &[READ, "a", "b"],
        ] {
            assert_ne!(
                alike("ann", &["a", "b"]),
                alike("ann", others),
                "{others:?}"
            );
        }
        let own = |viewer| caller(viewer, &["a"], false).audience();
        assert_eq!(own("ann"), own("ann"));
        assert_ne!(own("ann"), own("bob"));
        assert_ne!(own("ann"), alike("ann", &["a"]));
        assert_ne!(own("ann"), Caller::anyone().audience());
    }
}
