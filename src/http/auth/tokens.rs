//! Which tokens are accepted, and the caller that a token names.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jsonwebtoken::{Validation, decode, errors};

use super::{
    caller::{Caller, Expiry, Grant, READ, Reach, WRITE},
    claims::{self, Claims, Refused, Unchecked},
    key_ring::{KeyError, KeyRing, KeySource},
    keys::Keys,
};

/// Which tokens are accepted. Clones share the keys.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
    grant: Option<Grant>,
    for_ledgers: bool,
    viewers_are_alike: bool,
}

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
            for_ledgers: false,
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

    /// Takes tokens that are for some ledgers alone: what [`Self::granting`] calls has to confine their operations. By default, they have no
    /// scope.
    #[must_use]
    pub fn for_ledgers(self) -> Self {
        Self {
            for_ledgers: true,
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
    pub(super) async fn caller(&self, token: &str) -> Option<Caller> {
        let claims = match self.verify(token).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::debug!(%error, "a token is refused");
                return None;
            }
        };
        // Only who grants can confine an operation to ledgers.
        let reach = |scope| match Reach::of(&claims.scopes, scope) {
            Reach::Ledgers(_) if !self.for_ledgers || self.grant.is_none() => Reach::Nothing,
            reach => reach,
        };
        let (reads, writes) = (reach(READ), reach(WRITE));
        // A token whose end is beyond the clock's range never expires.
        let left = Duration::try_from_secs_f64(claims.seconds_left).unwrap_or(Duration::MAX);
        Some(Caller {
            viewers_are_alike: self.viewers_are_alike,
            reads,
            writes,
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
