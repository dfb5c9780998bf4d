//! Why a request did not become an operation, and the code that its client reads.
//!
//! An error is a request error if its [`ServerError::source`] is a [`RequestError`], and otherwise an execution error. The source passes
//! through every executor between the schema and the transport. Only its code is sent to the client, in `extensions`.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Response, ServerError};
use graphql_operation::Stage;
use unit_of_work::codes;

/// Why a request did not become an operation. Nothing of it has run.
///
/// ```
/// use async_graphql::Response;
/// use graphql_service::RequestError;
///
/// assert_eq!(RequestError::NotTrusted.code(), "QUERY_NOT_IN_SAFELIST");
/// // A response that was executed has none.
/// assert_eq!(RequestError::of(&Response::new(true)), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// The request is not well-formed, or its transport cannot carry it.
    BadRequest,
    /// The document is not GraphQL.
    Parse,
    /// The document is not valid for the schema, or exceeds a limit.
    Validation,
    /// A variable does not have the type that the operation declares.
    Variables,
    /// The document does not say which operation is to run, or it could not be started.
    OperationResolution,
    /// The document was sent by its name or hash, which the server does not know.
    PersistedNotFound,
    /// The document was sent by its name or hash, and this server has no persisted documents.
    PersistedNotSupported,
    /// The server accepts trusted documents only, and this is none of them.
    NotTrusted,
    /// The caller is not known.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// The server runs as many operations as it may.
    Overloaded,
    /// The consistency token is none.
    ConsistencyToken,
}

impl RequestError {
    /// The text in `extensions.code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::Parse => "GRAPHQL_PARSE_FAILED",
            Self::Validation => "GRAPHQL_VALIDATION_FAILED",
            Self::Variables => "BAD_USER_INPUT",
            Self::OperationResolution => "OPERATION_RESOLUTION_FAILURE",
            Self::PersistedNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::NotTrusted => "QUERY_NOT_IN_SAFELIST",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::Overloaded => "OVERLOADED",
            Self::ConsistencyToken => codes::CONSISTENCY_TOKEN_INVALID,
        }
    }

    /// The request error that a response reports; `None` if the operation was executed.
    pub fn of(response: &Response) -> Option<Self> {
        response
            .errors
            .iter()
            .find_map(|error| error.source::<Self>().copied())
    }

    /// Marks an error with this request error, unless the error names its own stage.
    pub(crate) fn mark(self, error: &mut ServerError) {
        if let Some(stage) = error.source::<Stage>().copied() {
            error.source = Some(Arc::new(Self::from(stage)));
            return;
        }
        let extensions = error
            .extensions
            .get_or_insert_with(ErrorExtensionValues::default);
        // A code that another extension has set is more precise.
        if extensions.get("code").is_none() {
            extensions.set("code", self.code());
        }
        error.source = Some(Arc::new(self));
    }
}

impl From<Stage> for RequestError {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Parse => Self::Parse,
            Stage::OperationResolution => Self::OperationResolution,
            Stage::UserInput => Self::Variables,
            Stage::PersistedNotFound => Self::PersistedNotFound,
            _ => Self::Validation,
        }
    }
}
