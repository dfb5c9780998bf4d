//! Why a request did not become an operation, and the code that its client reads.
//!
//! A request error is a [`RequestError`] in [`ServerError::source`]. It travels with the error through whatever executor lies between,
//! and never reaches the wire; its code, in `extensions`, does. An error without it is an execution error.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Response, ServerError};
use graphql_operation::Stage;

/// Why a request did not become an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// It was not well-formed, or of no use to this transport.
    BadRequest,
    /// The document is not GraphQL.
    Parse,
    /// The document does not fit the schema, or is over a limit.
    Validation,
    /// The variables do not fit the operation.
    Variables,
    /// The document does not say which operation is meant, or it could not be started.
    OperationResolution,
    /// The document was named, and nobody knows the name.
    PersistedNotFound,
    /// The document was named, and this server takes no names.
    PersistedNotSupported,
    /// The document is not one of those that alone are taken.
    NotTrusted,
    /// It is not known who asks.
    Unauthenticated,
    /// Who asks may not do this.
    Forbidden,
    /// The server has as much to do as it takes.
    Overloaded,
}

impl RequestError {
    /// What clients read in `extensions.code`.
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
        }
    }

    /// The request error that a response reports; `None` for one that was executed.
    pub fn of(response: &Response) -> Option<Self> {
        response
            .errors
            .iter()
            .find_map(|error| error.source::<Self>().copied())
    }

    /// Marks an error with this, or with what it says of itself.
    pub(crate) fn mark(self, error: &mut ServerError) {
        if let Some(stage) = error.source::<Stage>().copied() {
            error.source = Some(Arc::new(Self::from(stage)));
            return;
        }
        let extensions = error
            .extensions
            .get_or_insert_with(ErrorExtensionValues::default);
        // A declared code of another extension says more than the stage does.
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
            _ => Self::Validation,
        }
    }
}
