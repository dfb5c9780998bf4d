//! The schema's side of admission: operations run as they were prepared, and request errors are marked.
//!
//! The GraphQL specification ("Response Format") forbids the `data` entry when an error arose *before* execution began,
//! and *GraphQL over HTTP* gives such a response another status. async-graphql's `Response` cannot say which it is:
//! both have `data: null`. So [`RequestErrors`], around an extension of the schema, follows the stages of each request and marks the
//! errors of one that never reached execution with a [`RequestError`].
//!
//! An error without a mark is an execution error, and keeps `data: null`; a schema without the extension is therefore
//! answered wrongly in the harmless direction.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU8, Ordering},
};

use async_graphql::{
    Request, Response, ServerError, ServerResult, ValidationResult, Value as GraphqlValue,
    Variables,
    async_trait::async_trait,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery,
        NextPrepareRequest, NextRequest, NextResolve, NextSubscribe, NextValidation, ResolveInfo,
    },
    futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream},
    parser::types::ExecutableDocument,
};
use graphql_operation::{Options, PreparedOperation, PreparedOperations};
use unit_of_work::UnitOfWorkExtension;

use super::{answer_rule::answer_rule, limits::Limits};
use crate::answer::request_error::RequestError;

/// The schema's extension that marks request errors and executes prepared operations only. Register it first, which is outermost.
///
/// It wraps another extension instead of standing beside it: async-graphql allocates for every field and every extension.
///
/// ```
/// use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
/// use graphql_service::{Limits, RequestError, RequestErrors};
///
/// struct Query;
///
/// #[Object]
/// impl Query {
///     async fn one(&self) -> i32 {
///         1
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
///     .extension(RequestErrors::within(&Limits::default()))
///     .finish();
///
/// let executed = schema.execute("{ one }").await;
/// assert_eq!(RequestError::of(&executed), None);
/// let refused = schema.execute("{ one").await;
/// assert_eq!(RequestError::of(&refused), Some(RequestError::Parse));
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RequestErrors<F>(F);

impl RequestErrors<PreparedOperations> {
    /// For a schema without another extension that executes prepared operations. (unit-of-work has one: use
    /// [`around_units`](RequestErrors::around_units).) Answers have at most [`Limits::answer_bytes`]; a larger one becomes an error with the code
    /// `ANSWER_TOO_LARGE`.
    #[must_use]
    pub fn within(limits: &Limits) -> Self {
        Self(PreparedOperations::new(Options::default()).answer_bytes(limits.answer_bytes))
    }
}

impl RequestErrors<UnitOfWorkExtension> {
    /// For a schema whose operations are units of work.
    ///
    /// A nullable field that fails is null, and no more. Answers have at most [`Limits::answer_bytes`]; a larger one becomes an error with
    /// the code `ANSWER_TOO_LARGE`, and a mutation with such an answer is rolled back. This is the extension's
    /// [`field_rule`](UnitOfWorkExtension::field_rule): one that it had is replaced.
    ///
    /// ```no_run
    /// # use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
    /// # struct Query;
    /// # #[Object] impl Query { async fn one(&self) -> i32 { 1 } }
    /// use graphql_service::{Anyone, App, Limits, Options, RequestErrors, Switches, app};
    /// use unit_of_work::{Database, Report, Retrying, UnitOfWorkExtension};
    ///
    /// fn server(database: Database) -> Result<App, graphql_operation::SchemaError> {
    ///     let limits = Limits::default();
    ///     let units = UnitOfWorkExtension::new(database);
    ///     let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
    ///         .extension(RequestErrors::around_units(units, &limits)) // the first, outermost
    ///         .finish();
    ///     let definition = graphql_operation::Schema::parse(&schema.sdl())?;
    ///     let options = Options::new(definition, Anyone)
    ///         .limits(limits)
    ///         .switches(Switches::UnitOfWork { most_told: Report::Off });
    ///     Ok(app(Retrying::new(schema), options))
    /// }
    /// ```
    #[must_use]
    pub fn around_units(extension: UnitOfWorkExtension, limits: &Limits) -> Self {
        let most = limits.answer_bytes;
        Self(extension.field_rule(move |ctx, request| answer_rule(ctx, request, most)))
    }
}

impl<F: ExtensionFactory> RequestErrors<F> {
    /// Wraps `extension`, and marks its request errors like those of the schema. For the extension of unit-of-work, use
    /// [`around_units`](RequestErrors::around_units), unless it has a field rule of its own.
    ///
    /// `extension` has to answer validation with the [`ValidationResult`] that it finds in the request's data, as unit-of-work's
    /// extension does: the operation was validated when it was prepared.
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

/// Follows the stages of one request: async-graphql creates one of these for each request.
struct Stages {
    inner: Arc<dyn Extension>,
    reached: Arc<AtomicU8>,
    /// Set where the engine's answer has to be corrected (introspection).
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
        // Found even where a retry made the request anew from its text. A request without a prepared operation does not run.
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

    /// Written out, because as an `async fn` it would allocate once more for each operation.
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

    /// Written out, because as an `async fn` it would allocate once more for each field.
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
