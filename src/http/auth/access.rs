//! Who has access, and where a request or a WebSocket carries its token.

use axum::http::{HeaderMap, header};
use graphql_service::{Authentication, Init, Refusal};
use serde_json::{Map, Value as Json};

use super::{caller::Caller, tokens::Tokens};

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
