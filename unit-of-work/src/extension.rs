//! The request-data hook and the response extension: one async-graphql [`Extension`] that acts in `execute`.
//!
//! `execute` is the only hook that runs after validation, once per query and mutation on every transport and once per
//! event of a subscription, that can put data into the operation *and* replace its response. What it does:
//!
//! 1. makes a unit, and lends it to the resolvers through the operation's own data;
//! 2. runs the resolvers, with their loaders beside them, within the deadline, and catches their panics;
//! 3. finishes the unit: a query's snapshot is let go in the background, a mutation is committed or rolled back;
//! 4. only then answers, with what really happened.
//!
//! If the future is dropped in step 2, the client is gone, and the unit is rolled back in the background.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_graphql::{
    Data, Response, ServerError, ServerResult, ValidationResult, Value, Variables,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery,
        NextPrepareRequest, NextResolve, NextSubscribe, NextValidation, ResolveInfo,
    },
    parser::types::{DocumentOperations, ExecutableDocument, OperationType},
};
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::{
    Access, Database, Report, Settings, UnitOfWork,
    field_savepoints::FieldSavepoints,
    loader::Loaders,
    located, report, respond,
    subscription::single_root_field,
    telemetry,
    unit::{Ending, Outcome, Reason, RollBackOnDrop},
};

/// Makes every GraphQL operation of a schema one unit of work.
///
/// ```no_run
/// # use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
/// # struct Query;
/// # #[Object] impl Query { async fn one(&self) -> i32 { 1 } }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use unit_of_work::{Database, DatabaseOptions, UnitOfWorkExtension};
///
/// let database = Database::connect("sqlite://app.db?mode=rwc", DatabaseOptions::default()).await?;
/// let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
///     .extension(UnitOfWorkExtension::new(database))
///     .finish();
/// # Ok(()) }
/// ```
///
/// Register it *after* (inside) extensions that trace and log, and *before* (outside) any that can add errors to a
/// response: an error that is added outside comes after COMMIT.
#[derive(Clone, Debug)]
pub struct UnitOfWorkExtension {
    database: Database,
    settings: Settings,
}

impl UnitOfWorkExtension {
    /// The extension for units on this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            settings: Settings::default(),
        }
    }

    /// Replaces the [`Settings`].
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets [`Settings::deadline`].
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.settings.deadline = deadline.into();
        self
    }

    /// Sets [`Settings::field_savepoints`].
    #[must_use]
    pub fn field_savepoints(mut self, field_savepoints: bool) -> Self {
        self.settings.field_savepoints = field_savepoints;
        self
    }

    /// Sets [`Settings::report`].
    #[must_use]
    pub fn report(mut self, report: Report) -> Self {
        self.settings.report = report;
        self
    }
}

impl ExtensionFactory for UnitOfWorkExtension {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(PerRequest {
            database: self.database.clone(),
            settings: self.settings,
            operation_name: OnceLock::new(),
            kind: OnceLock::new(),
            document_error: OnceLock::new(),
            fields: OnceLock::new(),
        })
    }
}

/// async-graphql makes one of these for each request; it lives as long as the request, or the subscription.
struct PerRequest {
    database: Database,
    settings: Settings,
    operation_name: OnceLock<Option<String>>,
    kind: OnceLock<OperationType>,
    /// What is wrong with the document beyond async-graphql's own rules, to be said where validation says it.
    document_error: OnceLock<ServerError>,
    /// The root fields of a mutation, where each is a savepoint.
    fields: OnceLock<FieldSavepoints>,
}

#[async_trait::async_trait]
impl Extension for PerRequest {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: async_graphql::Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<async_graphql::Request> {
        let request = next.run(ctx, request).await?;
        self.operation_name
            .get_or_init(|| request.operation_name.clone());
        Ok(request)
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(ctx, query, variables).await?;
        let name = self.operation_name.get().and_then(Option::as_deref);
        let operation = match &document.operations {
            DocumentOperations::Single(operation) => Some(operation),
            DocumentOperations::Multiple(operations) => match name {
                Some(name) => operations.get(name),
                None => operations.values().next(),
            },
        };
        if let Some(operation) = operation {
            self.kind.get_or_init(|| operation.node.ty);
            if operation.node.ty == OperationType::Subscription
                && let Err(error) = single_root_field(&document, operation)
            {
                self.document_error.get_or_init(|| error);
            }
        }
        Ok(document)
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(ctx).await?;
        match self.document_error.get() {
            Some(error) => Err(vec![error.clone()]),
            None => Ok(result),
        }
    }

    /// A panic in a subscription's stream ends that subscription, and nothing else of its socket.
    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        AssertUnwindSafe(next.run(ctx, stream))
            .catch_unwind()
            .map(|event| event.unwrap_or_else(|panic| respond::panicked(&panic)))
            .boxed()
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let resolved = match self.fields.get() {
            Some(fields) => fields.resolve(ctx, info, next).await,
            None => next.run(ctx, info).await,
        };
        resolved.map_err(located::remember)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let kind = self.kind.get().copied().unwrap_or(OperationType::Query);
        let (kind_name, access) = match kind {
            OperationType::Query => ("query", Access::ReadOnly),
            OperationType::Mutation => ("mutation", Access::ReadWrite),
            OperationType::Subscription => ("subscription", Access::ReadOnly),
        };
        let span = telemetry::operation_span(kind_name, operation_name);
        let unit = UnitOfWork::new(self.database.clone(), access, span.clone());
        let (loaders, batches) = Loaders::new(unit.clone());
        let mut data = Data::default();
        data.insert(unit.clone());
        data.insert(loaders);

        if self.settings.field_savepoints && access == Access::ReadWrite {
            self.fields
                .get_or_init(|| FieldSavepoints::new(unit.clone()));
        }

        let deadline = self.settings.deadline.map(|limit| Instant::now() + limit);
        let guard = RollBackOnDrop::new(unit.clone());
        let resolvers = batches.drive(next.run_with_data(ctx, operation_name, data));
        let mut resolved = within(deadline, AssertUnwindSafe(resolvers).catch_unwind())
            .instrument(span)
            .await;
        guard.disarm();

        let undone = match (self.fields.get(), &mut resolved) {
            (Some(fields), Some(Ok(response))) => fields.set_aside(response),
            _ => Vec::new(),
        };
        let (mut response, outcome) = finish(&unit, resolved, deadline).await;
        response.errors.extend(undone);
        let report = ctx
            .query_data
            .and_then(|data| data.get(&std::any::TypeId::of::<Report>()))
            .and_then(|report| report.downcast_ref())
            .unwrap_or(&self.settings.report);
        if *report == Report::InExtensions {
            response
                .extensions
                .insert("unitOfWork".to_owned(), report::of(&unit, &outcome));
        }
        response
    }
}

type Panic = Box<dyn std::any::Any + Send>;

/// Ends the unit, and answers with what really happened.
async fn finish(
    unit: &UnitOfWork,
    resolved: Option<Result<Response, Panic>>,
    deadline: Option<Instant>,
) -> (Response, Outcome) {
    match resolved {
        None => {
            // The answer does not wait for the database: it may be what is stuck.
            unit.roll_back_in_background(Reason::Deadline);
            (
                respond::deadline_exceeded(),
                Outcome::RolledBack(Reason::Deadline),
            )
        }
        Some(Err(panic)) => {
            let response = respond::panicked(&panic);
            let outcome = unit.finish(Ending::RollBack(Reason::Panic)).await;
            (response, outcome)
        }
        Some(Ok(mut response)) => {
            response.errors.iter_mut().for_each(located::restore);
            respond_to(unit, response, deadline).await
        }
    }
}

/// Ends the unit of resolvers that came to their end.
async fn respond_to(
    unit: &UnitOfWork,
    response: Response,
    deadline: Option<Instant>,
) -> (Response, Outcome) {
    if unit.access() == Access::ReadOnly {
        let outcome = unit.end_read();
        return (respond::read(response), outcome);
    }
    let ending = if response.errors.is_empty() {
        Ending::Commit
    } else {
        Ending::RollBack(Reason::Error)
    };
    let outcome = finish_within(unit, ending, deadline).await;
    (respond::written(response, &outcome, unit.doom()), outcome)
}

/// Finishes a unit; if the deadline passes before COMMIT was decided on, it is rolled back instead. That happens when
/// something outside the operation holds the unit: a statement of a handle that got away.
async fn finish_within(unit: &UnitOfWork, ending: Ending, deadline: Option<Instant>) -> Outcome {
    let mut finishing = std::pin::pin!(unit.finish(ending));
    if let Some(outcome) = within(deadline, finishing.as_mut()).await {
        return outcome;
    }
    match unit.decide(Ending::RollBack(Reason::Deadline)) {
        Ending::RollBack(reason) => Outcome::RolledBack(reason),
        Ending::Commit => finishing.await,
    }
}

/// The future's output, or `None` when the deadline came first.
async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}
