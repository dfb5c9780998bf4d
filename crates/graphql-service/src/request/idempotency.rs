//! `Idempotency-Key`: the client's name for an operation that must happen at most once
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! It names the operation of its request, so it is refused where there are several, a batch or a socket: there each
//! operation can have `extensions.idempotencyKey`.

use async_graphql::Request;
use axum::http::{HeaderMap, HeaderName};
use unit_of_work::IdempotencyKey;

use crate::answer::refusal::Refusal;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of a request that is one operation.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Refusal> {
    let mut values = headers.get_all(HEADER).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => IdempotencyKey::from_header(value.as_bytes())
            .map(Some)
            .map_err(|error| Refusal::bad_request(format!("`Idempotency-Key`: {error}"))),
        (Some(_), Some(_)) => Err(Refusal::bad_request("`Idempotency-Key` is there twice")),
    }
}

/// Refuses a key where it cannot name one operation.
pub(crate) fn refuse(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(HEADER) {
        return Err(Refusal::bad_request(
            "`Idempotency-Key` is for a request of one operation: give each operation `extensions.idempotencyKey`",
        ));
    }
    Ok(())
}

/// Gives the request its key, for the unit of work to find.
pub(crate) fn mark(request: &mut Request, key: Option<IdempotencyKey>) {
    if let Some(key) = key {
        request.data.insert(key);
    }
}
