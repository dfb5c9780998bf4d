//! What one operation asks of the server that it reads from, and what its client is told of that.

use std::time::Duration;

use async_graphql::{Request, Response, ServerError, Value};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::ConsistencyToken;
use crate::{Access, Database, UnitError, UnitOfWork, Viewer, codes, operation::respond::coded};

/// The member of `extensions`, in requests and in responses.
pub(crate) const MEMBER: &str = "consistency";

/// The header of a response, and of a request that a layer reads itself.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-consistency");

/// What an operation on a database with replicas asks of the server that it reads from. Other databases have no use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The token that the client has shown, if it stands for something.
    pub(crate) shown: Option<ConsistencyToken>,
    /// How far behind the primary a replica may be, where that counts.
    pub(crate) staleness: Option<Duration>,
    /// The last write of the same viewer at this server, for a query without a token.
    pub(crate) wrote: Option<ConsistencyToken>,
    /// Whether a replica will do, if it has all of that.
    pub(crate) on_replica: bool,
    /// Whether the client is told a token: it writes, or has shown one. Who does not care for tokens does not pay for them: a query that is not told
    /// one needs no position, and is read as on a database without replicas.
    pub(crate) is_told: bool,
}

impl Reading {
    /// What a client asks of a database with replicas by the token that it has shown, and by how old what it reads may be. `can_be_read_there`
    /// says whether a standby could serve its operation at all, which has this access.
    pub(crate) fn new(
        database: &Database,
        shown: Option<ConsistencyToken>,
        own_staleness: Option<Duration>,
        viewer: impl FnOnce() -> Viewer,
        (access, can_be_read_there): (Access, bool),
    ) -> Self {
        let is_told = shown.is_some() || access == Access::ReadWrite;
        let shown = shown.filter(|token| *token != ConsistencyToken::FIRST);
        let staleness = match (own_staleness, shown) {
            (None, None) => database.max_staleness(),
            (own, _) => own,
        };
        let wrote = match (shown, staleness) {
            (None, Some(_)) => database.writes().of(&viewer()),
            _ => None,
        };
        Self {
            shown,
            staleness,
            wrote,
            on_replica: can_be_read_there
                && (shown.is_some() || staleness.is_some())
                && staleness != Some(Duration::ZERO),
            is_told,
        }
    }

    /// What several queries ask together that show tokens, of which this is the newest.
    pub(crate) fn with(token: ConsistencyToken) -> Self {
        Self {
            shown: Some(token),
            staleness: None,
            wrote: None,
            on_replica: true,
            is_told: true,
        }
    }

    /// The same, on the primary.
    pub(crate) fn on_the_primary(self) -> Self {
        Self {
            on_replica: false,
            ..self
        }
    }

    /// Whether who reads as `other` asks has all that this one asks for.
    pub(crate) fn is_covered_by(&self, other: Option<&Self>) -> bool {
        if self.is_told && !other.is_some_and(|other| other.is_told) {
            return false;
        }
        let Some(own) = self.shown else {
            return true;
        };
        let other = other.and_then(|other| other.shown);
        other.is_some_and(|other| other.system == own.system && other >= own)
    }
}

/// The token in the request's own `extensions`.
///
/// # Errors
/// If it is not valid. The client relies on it, so null does not mean that there is none.
pub(crate) fn shown_in_extensions(
    request: &Request,
) -> Result<Option<ConsistencyToken>, ServerError> {
    match request.extensions.get(MEMBER) {
        None => Ok(None),
        Some(Value::String(text)) => match text.parse() {
            Ok(token) => Ok(Some(token)),
            Err(_) => Err(invalid()),
        },
        Some(_) => Err(invalid()),
    }
}

/// The newer of the tokens in the request's data and in its `extensions`.
///
/// # Errors
/// If they are of different systems, so that neither includes the other.
pub(crate) fn newer(
    one: Option<ConsistencyToken>,
    other: Option<ConsistencyToken>,
) -> Result<Option<ConsistencyToken>, ServerError> {
    match (one, other) {
        (Some(one), Some(other)) if are_foreign(&one, &other) => Err(invalid()),
        (one, other) => Ok(one.max(other)),
    }
}

fn are_foreign(one: &ConsistencyToken, other: &ConsistencyToken) -> bool {
    let stands_for_something = |token: &ConsistencyToken| *token != ConsistencyToken::FIRST;
    one.system != other.system && [*one, *other].iter().all(stands_for_something)
}

/// Adds the token of what the unit has written and seen.
pub(crate) fn put(response: &mut Response, unit: &UnitOfWork) {
    let Some(token) = unit.seen() else {
        return;
    };
    let text = token.to_string();
    put_header(&mut response.http_headers, &text);
    let member = (MEMBER.to_owned(), Value::String(text));
    response.extensions.extend([member]);
}

/// Adds a token to the headers of a response.
pub(crate) fn put_header(headers: &mut HeaderMap, token: &str) {
    if let Ok(value) = HeaderValue::from_str(token) {
        headers.insert(HEADER, value);
    }
}

/// What a client is told where a unit has refused its token.
pub(crate) fn told(refusal: &UnitError) -> Option<ServerError> {
    match refusal {
        UnitError::ConsistencyTokenInvalid => Some(invalid()),
        UnitError::ConsistencyLost => Some(lost()),
        _ => None,
    }
}

/// The text is no token, or one of another system.
pub(crate) fn invalid() -> ServerError {
    coded(
        "The consistency token is not valid here, so nothing of the operation was run: send one as this server has answered it.",
        codes::CONSISTENCY_TOKEN_INVALID,
        false,
    )
}

/// What the token stands for may be gone.
fn lost() -> ServerError {
    coded(
        "Another database server has taken over since the consistency token was given, and what it stands for may be gone. \
         Nothing of the operation happened. Forget the token, and look again what is there.",
        codes::CONSISTENCY_LOST,
        false,
    )
}
