//! What a client is told in place of a handler's response.

use async_graphql::{ServerError, Value};
use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sea_orm::DbErr;
use serde_json::json;
use uuid::Uuid;

use crate::{
    FailureKind, UnitError, codes, consistency::reading, error::CommitFailure, operation::respond,
};

/// An error that a client is told as `application/problem+json` (RFC 9457): a fixed text, a `code` of [`codes`], whether the
/// request may be sent again (`retryable`), and an `id` where the log has the cause under it. The text of a database error is never in it.
///
/// Handlers answer it for what a statement says: it is `From<DbErr>`. A conflict and a database that is away are 503 with `Retry-After`, a
/// constraint is 409, anything else is 500. A consistency token of the client that cannot be honoured is 400
/// ([`CONSISTENCY_TOKEN_INVALID`](codes::CONSISTENCY_TOKEN_INVALID)) or 412 ([`CONSISTENCY_LOST`](codes::CONSISTENCY_LOST)).
///
/// ```
/// use sea_orm::{ConnectionTrait, DbErr};
/// use unit_of_work::{UnitOfWork, web::Problem};
///
/// async fn handler(unit: UnitOfWork) -> Result<(), Problem> {
///     unit.execute_unprepared("DELETE FROM draft").await?;
///     Ok(())
/// }
/// # let _ = handler;
/// assert_eq!(Problem::from(DbErr::Custom("mine".to_owned())).status(), 500);
/// ```
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    title: String,
    code: String,
    retryable: bool,
    id: Option<String>,
    constraint: Option<String>,
}

impl Problem {
    /// A problem of the application's own.
    ///
    /// ```
    /// let problem = unit_of_work::web::Problem::new(http::StatusCode::NOT_FOUND, "There is no such invoice.", "NO_INVOICE");
    /// assert_eq!(problem.status(), 404);
    /// ```
    pub fn new(status: StatusCode, title: impl Into<String>, code: impl Into<String>) -> Self {
        Self {
            status,
            title: title.into(),
            code: code.into(),
            retryable: false,
            id: None,
            constraint: None,
        }
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is told of a GraphQL operation in the same place.
    pub(super) fn told(error: &ServerError) -> Self {
        let extensions = error.extensions.as_ref();
        let text = |name| match extensions.and_then(|extensions| extensions.get(name)) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        let retryable = extensions.and_then(|extensions| extensions.get("retryable"));
        let code = text("code").unwrap_or_else(|| codes::INTERNAL.to_owned());
        Self {
            status: status_of(&code, retryable == Some(&Value::Boolean(true))),
            title: error.message.clone(),
            code,
            retryable: retryable == Some(&Value::Boolean(true)),
            id: text("id"),
            constraint: text("constraint"),
        }
    }

    /// A failure that the log has under an id.
    pub(super) fn internal(id: Uuid) -> Self {
        Self::told(&respond::internal(id))
    }
}

fn status_of(code: &str, retryable: bool) -> StatusCode {
    match code {
        codes::CONSISTENCY_TOKEN_INVALID
        | codes::IDEMPOTENCY_KEY_INVALID
        | codes::IDEMPOTENCY_NOT_ENABLED => StatusCode::BAD_REQUEST,
        // The token in the request was a condition, and it cannot be kept.
        codes::CONSISTENCY_LOST => StatusCode::PRECONDITION_FAILED,
        codes::IDEMPOTENCY_KEY_REUSED => StatusCode::UNPROCESSABLE_ENTITY,
        codes::READ_ONLY => StatusCode::FORBIDDEN,
        codes::ROLLBACK_ONLY => StatusCode::CONFLICT,
        codes::COMMIT_FAILED if !retryable => StatusCode::CONFLICT,
        codes::DEADLINE_EXCEEDED => StatusCode::GATEWAY_TIMEOUT,
        _ if retryable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<DbErr> for Problem {
    /// Masks a database error, and logs it. A token of the client that was refused is the client's to hear of, and no error of the database.
    fn from(error: DbErr) -> Self {
        if let Some(told) = UnitError::in_db_err(&error).and_then(reading::told) {
            return Self::told(&told);
        }
        let id = Uuid::new_v4();
        let kind = FailureKind::of(&error);
        tracing::error!(error.id = %id, %error, kind = kind.name(), "a handler answers for a database error");
        let told = match kind {
            FailureKind::Conflict => respond::conflict(),
            FailureKind::ConnectionLost | FailureKind::Unavailable => respond::unavailable(id),
            FailureKind::NoConnection => respond::overloaded(),
            FailureKind::Full => respond::full(id),
            FailureKind::FileReplaced => respond::file_replaced(id),
            FailureKind::Damaged => respond::damaged(id),
            FailureKind::Constraint => {
                let mut problem = Self::new(
                    StatusCode::CONFLICT,
                    "The request conflicts with what is there.",
                    codes::CONSTRAINT_VIOLATED,
                );
                problem.id = Some(id.to_string());
                problem.constraint = CommitFailure::of_db_err(&error).constraint;
                return problem;
            }
            FailureKind::ReadOnly | FailureKind::Timeout | FailureKind::Other => {
                respond::internal(id)
            }
        };
        Self::told(&told)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "title": self.title,
            "status": self.status.as_u16(),
            "code": self.code,
            "retryable": self.retryable,
        });
        for (name, value) in [("id", self.id), ("constraint", self.constraint)] {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.retryable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
