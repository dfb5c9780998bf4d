//! The request: what the unit of it may do, and how a handler asks for that unit.

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts, Request},
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use uuid::Uuid;

use super::Problem;
use crate::{Access, IdempotencyKey, UnitOfWork, codes};

/// What a request may do by its method.
pub(super) fn access_of(method: &Method) -> Access {
    if method.is_safe() {
        Access::ReadOnly
    } else {
        Access::ReadWrite
    }
}

/// The key in the header `Idempotency-Key`, if there is one.
pub(super) fn key_of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let invalid = |title: String| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            title,
            codes::IDEMPOTENCY_KEY_INVALID,
        )
    };
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(invalid("The request has two idempotency keys.".to_owned()));
    }
    let key = IdempotencyKey::from_header(key.as_bytes());
    key.map(Some).map_err(|error| invalid(format!("{error}.")))
}

/// A request whose body is there as a whole, so that it can be made again.
pub(super) struct Whole {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
}

impl Whole {
    pub(super) async fn read(request: Request, most: usize) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, most).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let title = format!("The body has more than {most} bytes.");
                return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, title, "PAYLOAD_TOO_LARGE");
            }
            Problem::new(
                StatusCode::BAD_REQUEST,
                "The body could not be read to its end.",
                "BODY_INCOMPLETE",
            )
        })?;
        Ok(Self {
            parts,
            body: body.to_bytes(),
        })
    }

    pub(super) fn again(&self) -> Request {
        Request::from_parts(self.parts.clone(), Body::from(self.body.clone()))
    }
}

/// The unit of the request, where its route is inside a [`UnitOfWorkLayer`](super::UnitOfWorkLayer). Where there is none, the server has been
/// put together wrongly: the answer is 500, and the log says why.
impl<S: Sync> FromRequestParts<S> for UnitOfWork {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| {
            let id = Uuid::new_v4();
            tracing::error!(
                error.id = %id,
                path = parts.uri.path(),
                "a handler asks for its unit of work, and its route is not inside a UnitOfWorkLayer"
            );
            Problem::internal(id)
        })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for UnitOfWork {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get().cloned())
    }
}
