//! Tells a request error from an execution error, and gives it its code.
//!
//! The GraphQL specification ("Response Format") forbids the `data` entry when an error arose *before* execution began,
//! and *GraphQL over HTTP* gives such a response another status. async-graphql's `Response` cannot say which it is:
//! both have `data: null`. So [`RequestErrors`], around an extension of the schema, follows the stages of each request and
//! marks the errors of a request that never reached execution: a [`RequestError`] in [`ServerError::source`], which
//! travels with the error through whatever executor lies between and never reaches the wire, and the same in
//! `extensions.code`, which does. It also has the schema execute operations as they were prepared, and no others.
//!
//! An error without a mark is an execution error, and keeps `data: null`; a schema without the extension is therefore
//! answered wrongly in the harmless direction.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU8, Ordering},
};

use async_graphql::{
    ErrorExtensionValues, Request, Response, ServerError, ServerResult, ValidationResult,
    Value as GraphqlValue, Variables,
    async_trait::async_trait,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery,
        NextPrepareRequest, NextRequest, NextResolve, NextSubscribe, NextValidation, ResolveInfo,
    },
    futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream},
    parser::types::ExecutableDocument,
};
use graphql_operation::{Options, PreparedOperation, PreparedOperations, Stage};

use crate::Limits;

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
    fn mark(self, error: &mut ServerError) {
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

/// The extension that marks request errors and takes prepared operations alone, around another one. Register it first: outermost.
///
/// As one of its own it would cost each field of each operation a box, as every extension does.
#[derive(Debug, Clone, Copy)]
pub struct RequestErrors<F>(F);

impl RequestErrors<PreparedOperations> {
    /// For a schema without another extension that executes prepared operations, such as a unit of work. Answers have
    /// [`Limits::answer_bytes`] at most.
    #[must_use]
    pub fn within(limits: &Limits) -> Self {
        Self(PreparedOperations::new(Options::default()).answer_bytes(limits.answer_bytes))
    }
}

impl<F: ExtensionFactory> RequestErrors<F> {
    /// Marks the errors of requests that the schema refuses, and those that this extension does. `extension` has to take a request's
    /// [`ValidationResult`] from its data, where there is one, as that of unit-of-work does.
    pub fn around(extension: F) -> Self {
        Self(extension)
    }
}

impl<F: ExtensionFactory> ExtensionFactory for RequestErrors<F> {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Stages {
            inner: self.0.create(),
            reached: Arc::default(),
            put_right: OnceLock::new(),
        })
    }
}

/// How far one request came. async-graphql makes one of these per request.
struct Stages {
    inner: Arc<dyn Extension>,
    reached: Arc<AtomicU8>,
    /// Where the engine's answer has to be put right.
    put_right: OnceLock<Arc<PreparedOperation>>,
}

const PREPARED: u8 = 1;
const PARSED: u8 = 2;
const VALID: u8 = 3;
const EXECUTED: u8 = 4;

impl Stages {
    fn reach(&self, stage: u8) {
        self.reached.store(stage, Ordering::Relaxed);
    }
}

fn mark(reached: &AtomicU8, mut response: Response) -> Response {
    let error = match reached.load(Ordering::Relaxed) {
        EXECUTED => return response,
        VALID => RequestError::OperationResolution,
        PARSED => RequestError::Validation,
        PREPARED => RequestError::Parse,
        _ => RequestError::BadRequest,
    };
    for unmarked in &mut response.errors {
        error.mark(unmarked);
    }
    response
}

#[async_trait]
impl Extension for Stages {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        mark(&self.reached, self.inner.request(ctx, next).await)
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let reached = self.reached.clone();
        self.inner
            .subscribe(ctx, stream, next)
            .map(move |response| mark(&reached, response))
            .boxed()
    }

    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let mut request = self.inner.prepare_request(ctx, request, next).await?;
        self.reach(PREPARED);
        // Also where it is run again, and then the request has its text alone. Whatever else comes does not run.
        let Some(prepared) = PreparedOperation::carried(ctx, &request) else {
            return Err(ServerError::new("This operation was not prepared.", None));
        };
        request.set_parsed_query(prepared.document(&request.variables));
        if prepared.is_put_right() {
            let _ = self.put_right.set(prepared);
        }
        Ok(request)
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = self.inner.parse_query(ctx, query, variables, next).await?;
        self.reach(PARSED);
        Ok(document)
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = self.inner.validation(ctx, next).await?;
        self.reach(VALID);
        Ok(result)
    }

    /// As `async` it would be one more box.
    fn execute<'s, 'c, 'd, 'o, 'n, 'f>(
        &'s self,
        ctx: &'c ExtensionContext<'d>,
        operation_name: Option<&'o str>,
        next: NextExecute<'n>,
    ) -> BoxFuture<'f, Response>
    where
        's: 'f,
        'c: 'f,
        'd: 'f,
        'o: 'f,
        'n: 'f,
    {
        self.reach(EXECUTED);
        let response = self.inner.execute(ctx, operation_name, next);
        match self.put_right.get() {
            None => response,
            Some(prepared) => {
                let prepared = Arc::clone(prepared);
                response
                    .map(move |mut response| {
                        prepared.put_right(&mut response);
                        response
                    })
                    .boxed()
            }
        }
    }

    /// Likewise.
    fn resolve<'s, 'c, 'd, 'i, 'n, 'f>(
        &'s self,
        ctx: &'c ExtensionContext<'d>,
        info: ResolveInfo<'i>,
        next: NextResolve<'n>,
    ) -> BoxFuture<'f, ServerResult<Option<GraphqlValue>>>
    where
        's: 'f,
        'c: 'f,
        'd: 'f,
        'i: 'f,
        'n: 'f,
    {
        self.inner.resolve(ctx, info, next)
    }
}
