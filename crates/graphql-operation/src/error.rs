//! The errors of requests that are not executed.

use std::fmt;

use async_graphql::{ErrorExtensionValues, Response, ServerError};

/// A position in a document: line and column, from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pos {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl From<Pos> for async_graphql::Pos {
    fn from(pos: Pos) -> Self {
        Self {
            line: pos.line as usize,
            column: pos.column as usize,
        }
    }
}

/// A text that is not GraphQL.
#[derive(Clone, Debug)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) pos: Pos,
}

impl SyntaxError {
    pub(crate) fn new(message: impl Into<String>, pos: Pos) -> Self {
        Self {
            message: message.into(),
            pos,
        }
    }
}

/// The stage at which a request was refused: [`Refused::stage`].
///
/// ```
/// use graphql_operation::Stage;
///
/// fn status(stage: Stage) -> u16 {
///     match stage {
///         Stage::Parse | Stage::Validation | Stage::OperationResolution | Stage::UserInput => 400,
///         _ => 500,
///     }
/// }
/// assert_eq!(Stage::UserInput.code(), "BAD_USER_INPUT");
/// # assert_eq!(status(Stage::Parse), 400);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The document is not GraphQL.
    Parse,
    /// The document is not valid for the schema, or is over a limit.
    Validation,
    /// It is not clear which operation of the document is meant.
    OperationResolution,
    /// A value of the client is not of its type: that of a variable, or of a custom scalar.
    UserInput,
    /// The document was sent by its hash alone, and is not known. The client sends it again with its text.
    PersistedNotFound,
}

impl Stage {
    /// The code that clients get in `extensions.code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Parse => "GRAPHQL_PARSE_FAILED",
            Self::Validation => "GRAPHQL_VALIDATION_FAILED",
            Self::OperationResolution => "OPERATION_RESOLUTION_FAILURE",
            Self::UserInput => "BAD_USER_INPUT",
            Self::PersistedNotFound => "PERSISTED_QUERY_NOT_FOUND",
        }
    }
}

/// The errors of a request that is not executed. Nothing of it has run.
///
/// Each error has its `extensions.code` ([`Stage::code`]), and the [`Stage`] as its source, from which a server can choose the HTTP status.
///
/// ```
/// use async_graphql::Request;
/// use graphql_operation::{Options, Preparer, Schema, Stage};
///
/// let preparer = Preparer::new(Schema::parse("type Query { one: Int! }")?, Options::default());
/// let refused = preparer.prepare(&mut Request::new("{ two }")).err().ok_or("is prepared")?;
/// assert_eq!(refused.stage(), Stage::Validation);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Refused {
    stage: Stage,
    errors: Vec<ServerError>,
}

impl Refused {
    pub(crate) fn one(stage: Stage, message: impl Into<String>, pos: Option<Pos>) -> Self {
        Self::new(vec![server_error(stage, message, pos)], stage)
    }

    pub(crate) fn new(errors: Vec<ServerError>, stage: Stage) -> Self {
        Self { stage, errors }
    }

    /// The stage of the first error.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The errors, at least one.
    #[must_use]
    pub fn errors(&self) -> &[ServerError] {
        &self.errors
    }

    /// The errors, at least one.
    #[must_use]
    pub fn into_errors(self) -> Vec<ServerError> {
        self.errors
    }

    /// The first error.
    pub(crate) fn into_error(mut self) -> ServerError {
        self.errors.swap_remove(0)
    }

    /// A response without data.
    #[must_use]
    pub fn into_response(self) -> Response {
        Response::from_errors(self.errors)
    }

    /// Adds a value to the `extensions` of every error.
    pub(crate) fn detail(mut self, name: &str, value: impl Into<async_graphql::Value>) -> Self {
        let value = value.into();
        for error in &mut self.errors {
            let extensions = error
                .extensions
                .get_or_insert_with(ErrorExtensionValues::default);
            extensions.set(name, value.clone());
        }
        self
    }
}

impl From<SyntaxError> for Refused {
    fn from(error: SyntaxError) -> Self {
        Self::one(
            Stage::Parse,
            format!("Syntax Error: {}", error.message),
            Some(error.pos),
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.errors.iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            f.write_str(&error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

pub(crate) fn server_error(
    stage: Stage,
    message: impl Into<String>,
    pos: Option<Pos>,
) -> ServerError {
    let mut error = ServerError::new(message, pos.map(Into::into));
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", stage.code());
    error.extensions = Some(extensions);
    error.source = Some(std::sync::Arc::new(stage));
    error
}
