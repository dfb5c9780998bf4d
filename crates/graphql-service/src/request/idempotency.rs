//! The header `Idempotency-Key`: an operation with a key happens at most once (draft-ietf-httpapi-idempotency-key-header).
//!
//! The header is for a request with one operation. On a batch or a socket, which have several, it is refused: there each operation can
//! have `extensions.idempotencyKey`.

use async_graphql::Request;
use axum::http::{HeaderMap, HeaderName};
use unit_of_work::IdempotencyKey;

use crate::answer::refusal::Refusal;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Reads the key of a request with one operation.
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

/// Refuses the header where there may be more than one operation.
pub(crate) fn refuse(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(HEADER) {
        return Err(Refusal::bad_request(
            "`Idempotency-Key` is for a request of one operation: give each operation `extensions.idempotencyKey`",
        ));
    }
    Ok(())
}

/// Adds the key to the request, where the unit of work looks for it.
pub(crate) fn attach(request: &mut Request, key: Option<IdempotencyKey>) {
    if let Some(key) = key {
        request.data.insert(key);
    }
}
