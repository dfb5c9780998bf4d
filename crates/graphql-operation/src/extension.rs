//! The extension with which a schema executes prepared operations only.

use std::{
    any::TypeId,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Request, Response, ServerError, ServerResult, ValidationResult, Value, Variables,
    async_trait::async_trait,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery,
        NextPrepareRequest, NextResolve, NextValidation, ResolveInfo,
    },
    parser::{parse_query, types::ExecutableDocument},
};

use crate::{
    answering::{AnswerPart, Answering, Resolved},
    error::{Refused, Stage},
    options::Options,
    persisted::{Hash, PERSISTED_QUERY},
    prepare::Preparer,
    prepared_operation::PreparedOperation,
    schema::Schema,
};

/// Makes a schema prepare every operation and execute the prepared form, on every transport. An operation that cannot be prepared does not
/// run.
///
/// Register it last, as the innermost extension: then the other extensions see the normalised operation.
///
/// A client may send a document by its hash (`extensions.persistedQuery`, Apollo's automatic persisted queries), if it has sent the text with
/// the hash before. So async-graphql's extension for that is not needed. Where it is there nevertheless, it has to be inside of this one,
/// because it loses the text.
///
/// ```
/// # use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
/// # struct Query;
/// # #[Object] impl Query { async fn one(&self) -> i32 { 1 } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use graphql_operation::{Options, PreparedOperations};
///
/// let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
///     .extension(PreparedOperations::new(Options::default()))
///     .finish();
///
/// let response = schema.execute("query ($no: Boolean = true) { one @skip(if: $no) }").await;
/// assert_eq!(response.data.to_string(), "{}");
/// # }
/// ```
///
/// The engine's own validation does not run. So `limit_depth` and `limit_complexity` of the schema's builder have no effect
/// ([`Options::limits`] replaces them), nor have cache hints (`cache_control`).
#[derive(Clone, Debug)]
pub struct PreparedOperations {
    preparer: Arc<OnceLock<Result<Preparer, Refused>>>,
    options: Options,
    answer_bytes: usize,
}

impl PreparedOperations {
    /// Prepares operations of the schema that has this extension.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            preparer: Arc::default(),
            options,
            answer_bytes: usize::MAX,
        }
    }

    /// Executes operations that this preparer has prepared, and prepares others with it.
    #[must_use]
    pub fn of(preparer: Preparer) -> Self {
        Self {
            options: Options::default(),
            preparer: Arc::new(OnceLock::from(Ok(preparer))),
            answer_bytes: usize::MAX,
        }
    }

    /// Sets the most bytes of an answer or an event, written as JSON. A larger one is refused while it is made
    /// ([`ANSWER_TOO_LARGE`](crate::ANSWER_TOO_LARGE)). Default: no limit.
    #[must_use]
    pub fn answer_bytes(mut self, most: usize) -> Self {
        self.answer_bytes = most;
        self
    }

    fn preparer(&self, ctx: &ExtensionContext<'_>) -> Result<&Preparer, Refused> {
        let preparer = self.preparer.get_or_init(|| {
            Schema::parse(&ctx.sdl())
                .map(|schema| Preparer::new(schema, self.options.clone()))
                .map_err(|error| Refused::one(Stage::Validation, error.0, None))
        });
        preparer.as_ref().map_err(Clone::clone)
    }
}

impl ExtensionFactory for PreparedOperations {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(PerRequest {
            prepared: self.clone(),
            outcome: OnceLock::new(),
            answering: OnceLock::new(),
        })
    }
}

/// A request that names its document by its hash.
struct Named {
    /// The hash, if the request has the text too.
    hash: Option<Hash>,
    text: String,
}

const TEXT_IS_LOST: &str = "An extension outside of `PreparedOperations` has found this document, and its text is not known any more. \
    Register that extension inside, after `PreparedOperations`; or leave it out, because `PreparedOperations` finds documents by their hash.";

/// Whether an extension outside of this one has put a parsed document in the place of the text.
fn has_lost_its_text(request: &mut Request) -> bool {
    request.query.is_empty() && request.parsed_query().is_ok()
}

struct PerRequest {
    prepared: PreparedOperations,
    outcome: OnceLock<Result<Arc<PreparedOperation>, Vec<ServerError>>>,
    answering: OnceLock<Answering>,
}

impl PerRequest {
    /// Puts the text in the place of its hash, in a request that names its document so.
    fn named(
        &self,
        ctx: &ExtensionContext<'_>,
        request: &mut Request,
    ) -> ServerResult<Option<Named>> {
        if !request.extensions.contains_key(PERSISTED_QUERY) {
            return Ok(None);
        }
        let hash = self
            .prepared
            .preparer(ctx)
            .and_then(|preparer| preparer.put_text(request))
            .map_err(Refused::into_error)?;
        let text = request.query.clone();
        Ok(Some(Named { hash, text }))
    }
}

#[async_trait]
impl Extension for PerRequest {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let mut request = request;
        let named = match PreparedOperation::carried(ctx, &request) {
            Some(_) => None,
            None => self.named(ctx, &mut request)?,
        };
        let mut request = next.run(ctx, request).await?;
        if let Some(Named { text, .. }) = &named {
            // An extension inside that finds documents (`ApolloPersistedQueries`) takes the text away.
            request.query.clone_from(text);
        }
        let outcome = match PreparedOperation::carried(ctx, &request) {
            Some(prepared) => Ok(prepared),
            None if named.is_none() && has_lost_its_text(&mut request) => {
                Err(Refused::one(Stage::Parse, TEXT_IS_LOST, None))
            }
            None => self.prepared.preparer(ctx).and_then(|preparer| {
                let admitted = preparer.admit(&mut request);
                preparer.keep_text(named.and_then(|named| named.hash), &request);
                admitted
            }),
        };
        if let Ok(prepared) = &outcome {
            let part = request.data.get(&TypeId::of::<AnswerPart>());
            let part = part.and_then(|part| part.downcast_ref::<AnswerPart>());
            let answer = Answering::new(Arc::clone(prepared), self.prepared.answer_bytes);
            let _ = self.answering.set(answer.part(part.cloned()));
        }
        // This hook can return only one error. Validation reports all of them.
        let _ = self.outcome.set(outcome.map_err(Refused::into_errors));
        Ok(request)
    }

    async fn parse_query(
        &self,
        _: &ExtensionContext<'_>,
        _: &str,
        variables: &Variables,
        _: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        match self.outcome.get() {
            Some(Ok(prepared)) => Ok(prepared.document(variables)),
            // A placeholder: validation then reports all errors of the document.
            _ => Ok(parse_query("{ __typename }")?),
        }
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let resolved = Resolved {
            path: info.path_node,
            return_type: info.return_type,
            field: info.field,
        };
        if let Some(answering) = self.answering.get() {
            answering.before()?;
        }
        let result = next.run(ctx, info).await;
        match self.answering.get() {
            Some(answering) => answering.resolved(resolved, result),
            None => result,
        }
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Some(answering) = self.answering.get() {
            answering.begin();
        }
        let mut response = next.run(ctx, operation_name).await;
        if let Some(answering) = self.answering.get() {
            answering.finish(&mut response);
        }
        if let Some(Ok(prepared)) = self.outcome.get() {
            prepared.put_right(&mut response);
        }
        response
    }

    async fn validation(
        &self,
        _: &ExtensionContext<'_>,
        _: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        match self.outcome.get() {
            Some(Ok(prepared)) => Ok(prepared.validation()),
            Some(Err(errors)) => Err(errors.clone()),
            None => Err(vec![ServerError::new(
                "This operation was not prepared.",
                None,
            )]),
        }
    }
}
