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
use sea_orm::IsolationLevel;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::{
    Access, Database, DryRun, FailureKind, IdempotencySettings, Isolation, OperationDeadline,
    Report, SessionSettings, Settings, UnitOfWork,
    ask::is_dry_run,
    field_savepoints::FieldSavepoints,
    idempotency::Idempotency,
    loader::Loaders,
    located, report, respond,
    retry::Attempt,
    root_fields::single_root_field,
    telemetry,
    terms::{Deadline, Terms, stricter},
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
    idempotency: Option<Arc<IdempotencySettings>>,
}

impl UnitOfWorkExtension {
    /// The extension for units on this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            settings: Settings::default(),
            idempotency: None,
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

    /// Makes every operation that selects this root field run at this isolation level, or a stricter one.
    #[must_use]
    pub fn field_isolation(mut self, field: impl Into<String>, level: IsolationLevel) -> Self {
        self.settings.field_isolation.insert(field.into(), level);
        self
    }

    /// Records [idempotency keys](crate::idempotency), in a table that has to be there. Without this, a mutation with a
    /// key is refused.
    #[must_use]
    pub fn idempotency(mut self, settings: IdempotencySettings) -> Self {
        self.idempotency = Some(Arc::new(settings));
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
            settings: self.settings.clone(),
            idempotency: Idempotency::new(self.idempotency.clone()),
            operation_name: OnceLock::new(),
            kind: OnceLock::new(),
            document_error: OnceLock::new(),
            dry_run: OnceLock::new(),
            field_isolation: OnceLock::new(),
            fields: OnceLock::new(),
        })
    }
}

/// async-graphql makes one of these for each request; it lives as long as the request, or the subscription.
struct PerRequest {
    database: Database,
    settings: Settings,
    idempotency: Idempotency,
    operation_name: OnceLock<Option<String>>,
    kind: OnceLock<OperationType>,
    /// What is wrong with the document beyond async-graphql's own rules, to be said where validation says it.
    document_error: OnceLock<ServerError>,
    /// Whether the request's `extensions` ask for a dry run.
    dry_run: OnceLock<bool>,
    /// The strictest isolation level that a root field of the operation wants.
    field_isolation: OnceLock<IsolationLevel>,
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
        self.dry_run.get_or_init(|| is_dry_run(&request));
        self.idempotency.prepare(ctx, &request);
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
            if let Some(level) = self.settings.isolation_of(&document, operation) {
                self.field_isolation.get_or_init(|| level);
            }
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
        if self.kind.get() == Some(&OperationType::Mutation)
            && let Some(error) = self.idempotency.refusal()
        {
            return Err(vec![error]);
        }
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
        let attempt = ctx.data_opt::<Arc<Attempt>>();
        let deadline = self.deadline(ctx, attempt);
        let dry_run = kind == OperationType::Mutation
            && (self.dry_run.get() == Some(&true) || ctx.data_opt::<DryRun>().is_some());
        let terms = Terms {
            access,
            isolation: self.isolation(ctx),
            deadline,
            settings: ctx
                .data_opt::<SessionSettings>()
                .cloned()
                .unwrap_or_default(),
        };
        let deadline = deadline.map(|deadline| deadline.at);
        let span = telemetry::operation_span(kind_name, operation_name);
        let unit = UnitOfWork::new(self.database.clone(), terms, span.clone());
        let (loaders, batches) = Loaders::new(unit.clone());
        let mut data = Data::default();
        data.insert(unit.clone());
        data.insert(loaders);

        if self.settings.field_savepoints && access == Access::ReadWrite {
            self.fields
                .get_or_init(|| FieldSavepoints::new(unit.clone()));
        }

        let guard = RollBackOnDrop::new(unit.clone());
        let resolvers = next.run_with_data(ctx, operation_name, data);
        let resolvers = batches.drive(self.idempotency.run(&unit, dry_run, resolvers));
        let mut resolved = if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            // Too late before it began: nothing runs.
            None
        } else {
            within(deadline, AssertUnwindSafe(resolvers).catch_unwind())
                .instrument(span)
                .await
        };
        guard.disarm();

        // With an idempotency key there is no partial success: what is replayed is what was committed, all of it.
        let undone = match (self.fields.get(), &mut resolved) {
            (Some(fields), Some(Ok(response))) if !self.idempotency.has_key() => {
                fields.set_aside(response)
            }
            _ => Vec::new(),
        };
        let finisher = Finisher {
            unit: &unit,
            deadline,
            dry_run,
        };
        let (mut response, outcome) = finisher.finish(resolved).await;
        response.errors.extend(undone);
        if let Some(attempt) = attempt
            && is_lost_conflict(&outcome, unit.doom())
        {
            attempt.lost(deadline);
        }
        if ctx.data_opt::<Report>().unwrap_or(&self.settings.report) == &Report::InExtensions {
            let attempts = attempt.map_or(1, |attempt| attempt.number);
            response.extensions.insert(
                "unitOfWork".to_owned(),
                report::of(&unit, &outcome, attempts),
            );
        }
        response
    }
}

impl PerRequest {
    /// The operation's deadline: the settings' from its first attempt, or the request's own if that is earlier.
    fn deadline(
        &self,
        ctx: &ExtensionContext<'_>,
        attempt: Option<&Arc<Attempt>>,
    ) -> Option<Deadline> {
        let started = attempt.map_or_else(Instant::now, |attempt| attempt.started);
        let settings = self.settings.deadline.map(|limit| started + limit);
        let asked = ctx.data_opt::<OperationDeadline>().map(|asked| asked.0);
        let at = match (settings, asked) {
            (Some(settings), Some(asked)) => settings.min(asked),
            (settings, asked) => settings.or(asked)?,
        };
        Some(Deadline {
            at,
            limit: at.saturating_duration_since(started),
        })
    }

    /// The stricter of what the request and its fields want.
    fn isolation(&self, ctx: &ExtensionContext<'_>) -> Option<IsolationLevel> {
        let asked = ctx.data_opt::<Isolation>().map(|asked| asked.0);
        match (asked, self.field_isolation.get().copied()) {
            (Some(asked), Some(field)) => Some(stricter(asked, field)),
            (asked, field) => asked.or(field),
        }
    }
}

/// Whether the same operation may succeed when it is run again, and surely has not happened yet.
fn is_lost_conflict(outcome: &Outcome, doom: Option<FailureKind>) -> bool {
    let kind = match outcome {
        Outcome::CommitFailed(failure) => Some(failure.kind),
        Outcome::RolledBack(Reason::Error | Reason::Doomed) | Outcome::Read => doom,
        _ => None,
    };
    matches!(
        kind,
        Some(FailureKind::Conflict | FailureKind::ConnectionLost)
    )
}

type Panic = Box<dyn std::any::Any + Send>;

/// Ends a unit, and answers with what really happened.
struct Finisher<'a> {
    unit: &'a UnitOfWork,
    deadline: Option<Instant>,
    dry_run: bool,
}

impl Finisher<'_> {
    async fn finish(&self, resolved: Option<Result<Response, Panic>>) -> (Response, Outcome) {
        match resolved {
            None => {
                // The answer does not wait for the database: it may be what is stuck.
                self.unit.roll_back_in_background(Reason::Deadline);
                let outcome = Outcome::RolledBack(Reason::Deadline);
                (respond::deadline_exceeded(), outcome)
            }
            Some(Err(panic)) => {
                let response = respond::panicked(&panic);
                let outcome = self.unit.finish(Ending::RollBack(Reason::Panic)).await;
                (response, outcome)
            }
            Some(Ok(mut response)) => {
                response.errors.iter_mut().for_each(located::restore);
                if self.unit.access() == Access::ReadOnly {
                    let outcome = self.unit.end_read();
                    (respond::read(response), outcome)
                } else {
                    self.finish_write(response).await
                }
            }
        }
    }

    async fn finish_write(&self, response: Response) -> (Response, Outcome) {
        let unit = self.unit;
        if !response.errors.is_empty() {
            let outcome = self.finish_within(Ending::RollBack(Reason::Error)).await;
            return (respond::written(response, &outcome, unit), outcome);
        }
        if !self.dry_run {
            let outcome = self.finish_within(Ending::Commit).await;
            return (respond::written(response, &outcome, unit), outcome);
        }
        // What a commit would refuse, a dry run must not promise.
        let refused = unit.check_deferred().await.err();
        let would_commit = unit.doom().is_none() && unit.rollback_only().is_none();
        let outcome = self.finish_within(Ending::RollBack(Reason::DryRun)).await;
        let response = match refused {
            Some(failure) => respond::written(response, &Outcome::CommitFailed(failure), unit),
            None if would_commit => respond::dry_run(response),
            None => respond::written(response, &Outcome::RolledBack(Reason::Doomed), unit),
        };
        (response, outcome)
    }
}

impl Finisher<'_> {
    /// Finishes the unit; if the deadline passes before COMMIT was decided on, it is rolled back instead. That happens
    /// when something outside the operation holds the unit: a statement of a handle that got away.
    async fn finish_within(&self, ending: Ending) -> Outcome {
        let mut finishing = std::pin::pin!(self.unit.finish(ending));
        if let Some(outcome) = within(self.deadline, finishing.as_mut()).await {
            return outcome;
        }
        match self.unit.decide(Ending::RollBack(Reason::Deadline)) {
            Ending::RollBack(reason) => Outcome::RolledBack(reason),
            Ending::Commit | Ending::Replay => finishing.await,
        }
    }
}

/// The future's output, or `None` when the deadline came first.
async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}
