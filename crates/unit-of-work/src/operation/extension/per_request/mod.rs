//! The hooks of async-graphql, for one request.

use std::{
    future::ready,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Response, ServerError, ServerResult, ValidationResult, Value, Variables,
    extensions::{
        Extension, ExtensionContext, NextExecute, NextParseQuery, NextPrepareRequest, NextResolve,
        NextSubscribe, NextValidation, ResolveInfo,
    },
    parser::types::{ExecutableDocument, OperationType},
};
use futures_util::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sea_orm::IsolationLevel;

use crate::{
    ConsistencyToken, FieldRule, ResolvedField, Settings, UnitOfWork,
    consistency::reading,
    idempotency::Idempotency,
    observe::timeline,
    operation::{
        ask::is_dry_run,
        field_rule::FieldRules,
        field_savepoints::FieldSavepoints,
        mask::{MapError, mask},
        respond,
        root_fields::single_root_field,
        select::select,
        turn::Turn,
    },
    retry::{attempt::Attempt, batch, road},
    subscription::{redelivery, streaming::Streaming},
};

use super::{UnitOfWorkExtension, databases::Databases};

mod execution;
mod resolving;
mod terms;

use resolving::Resolving;

/// The extension's state. async-graphql makes one for each request; it lives as long as the request or the subscription.
pub(super) struct PerRequest {
    databases: Arc<Databases>,
    settings: Arc<Settings>,
    idempotency: Idempotency,
    map_error: MapError,
    /// The state of a request that was sent for a stream, if it is a subscription.
    stream: OnceLock<Arc<Streaming>>,
    operation_name: OnceLock<Option<String>>,
    /// The kind of the operation; `None` inside if it is not clear which operation is meant. Unset if an outer extension has supplied the
    /// document without calling this one.
    kind: OnceLock<Option<OperationType>>,
    /// An error of the document beyond async-graphql's own rules, which validation reports.
    document_error: OnceLock<ServerError>,
    /// Whether the request's `extensions` ask for a dry run.
    dry_run: OnceLock<bool>,
    /// The consistency token in the request's `extensions`.
    shown: OnceLock<ConsistencyToken>,
    /// The strictest isolation level that a root field of the operation requires.
    field_isolation: OnceLock<IsolationLevel>,
    /// The root fields of a mutation, if each has a savepoint.
    fields: OnceLock<FieldSavepoints>,
    /// Set if a timeline is written.
    is_watched: OnceLock<()>,
    field_rules: Option<FieldRules>,
    /// The turn of the operation, or of one event after another.
    turn: Turn,
    /// The rule for the fields' values and errors.
    field_rule: OnceLock<Box<dyn FieldRule>>,
}

#[async_trait::async_trait]
impl Extension for PerRequest {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: async_graphql::Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<async_graphql::Request> {
        let mut request = next.run(ctx, request).await?;
        self.databases.alone.prepare(ctx.schema_env, &mut request)?;
        self.operation_name
            .get_or_init(|| request.operation_name.clone());
        let dry_run = is_dry_run(&request)?;
        self.dry_run.get_or_init(|| dry_run);
        if let Some(token) = reading::shown_in_extensions(&request)? {
            self.shown.get_or_init(|| token);
        }
        self.idempotency.prepare(ctx, &request);
        if let Some(rules) = &self.field_rules
            && let Some(rule) = rules.of(ctx, &request)
        {
            let _ = self.field_rule.set(rule);
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
        let document = next.run(ctx, query, variables).await?;
        let name = self.operation_name.get().and_then(Option::as_deref);
        let operation = select(&document, name);
        self.kind
            .get_or_init(|| operation.map(|operation| operation.node.ty));
        self.idempotency.parsed(name, query, &document, variables);
        if let Some(operation) = operation {
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
        let Some(&kind) = self.kind.get() else {
            return Err(vec![respond::unknown_kind()]);
        };
        // If the operation was prepared, it has been validated, and the result is in the request's data.
        let result = match ctx.data_opt::<ValidationResult>() {
            Some(result) => *result,
            None => next.run(ctx).await?,
        };
        if self.stream.get().is_some()
            && matches!(kind, Some(OperationType::Query | OperationType::Mutation))
            && road::is_dynamic(ctx.schema_env)
        {
            return Err(vec![road::execute_needed()]);
        }
        if kind == Some(OperationType::Mutation)
            && let Some(error) = self.idempotency.refusal()
        {
            return Err(vec![error]);
        }
        if let Some(error) = batch::refusal(ctx, self.idempotency.has_key()) {
            return Err(vec![error]);
        }
        if kind == Some(OperationType::Subscription)
            && let Some(attempt) = ctx.data_opt::<Arc<Attempt>>()
        {
            // It was sent as a query or mutation, by a caller that could not know. A stream begun here would end after its first event.
            attempt.is_subscription();
            return Err(vec![respond::no_subscription()]);
        }
        if let Some(error) = self.document_error.get() {
            return Err(vec![error.clone()]);
        }
        if kind == Some(OperationType::Subscription)
            && let Some(stream) = self.stream.get()
        {
            stream.begins();
        }
        Ok(result)
    }

    /// Watches a subscription's stream. A panic in it ends that subscription, and no other of its socket. An error of its creation, which
    /// belongs to no event, is masked here.
    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let streaming = Arc::clone(self.stream.get_or_init(Arc::default));
        if ctx.schema_env.registry.subscription_type.is_none() && road::is_dynamic(ctx.schema_env) {
            // A dynamic schema without subscriptions does not even look at the request.
            let refusal = Response::from_errors(vec![road::execute_needed()]);
            return next.run(ctx, stream::once(ready(refusal)).boxed());
        }
        streaming
            .watch(next.run(ctx, stream), self.map_error.clone())
            .filter(|response| ready(redelivery::is_for_the_client(response)))
            .boxed()
    }

    /// Resolves a field. It is not an `async` function, since every field passes here, and its future would be larger than most operations
    /// need.
    fn resolve<'s, 'c, 'd, 'i, 'n, 'f>(
        &'s self,
        ctx: &'c ExtensionContext<'d>,
        info: ResolveInfo<'i>,
        next: NextResolve<'n>,
    ) -> BoxFuture<'f, ServerResult<Option<Value>>>
    where
        's: 'f,
        'c: 'f,
        'd: 'f,
        'i: 'f,
        'n: 'f,
    {
        let rule = self.field_rule.get().map(AsRef::as_ref);
        let field = ResolvedField {
            path: info.path_node,
            return_type: info.return_type,
            field: info.field,
        };
        let path = info.path_node;
        match (self.is_watched.get(), self.fields.get()) {
            (None, None) => Box::pin(Resolving::new(self, rule, field, next.run(ctx, info))),
            (None, Some(fields)) => {
                let resolve = fields.resolve(ctx, info, next);
                Box::pin(Resolving::new(self, rule, field, resolve))
            }
            (Some(()), None) => {
                let resolve = timeline::in_field(path, next.run(ctx, info));
                Box::pin(Resolving::new(self, rule, field, resolve))
            }
            (Some(()), Some(fields)) => {
                let resolve = timeline::in_field(path, fields.resolve(ctx, info, next));
                Box::pin(Resolving::new(self, rule, field, resolve))
            }
        }
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        // It is not known what the operation may do, so nothing of it runs.
        let Some(kind) = self.kind.get().copied().flatten() else {
            return Response::from_errors(vec![respond::unknown_kind()]);
        };
        let execution = match self.begin(ctx, kind, operation_name) {
            Ok(execution) => execution,
            Err(refusal) => return Response::from_errors(vec![refusal]),
        };
        let resolved = self.run(&execution, ctx, operation_name, next).await;
        if execution.needs_snapshot() {
            return Response::default();
        }
        let answered = self.answered(&execution, resolved);
        execution.finish(answered, &self.map_error).await
    }
}

impl PerRequest {
    pub(super) fn new(extension: &UnitOfWorkExtension) -> Self {
        Self {
            databases: Arc::clone(&extension.databases),
            settings: extension.settings.clone(),
            idempotency: Idempotency::new(extension.idempotency.clone()),
            map_error: extension.map_error.clone(),
            stream: OnceLock::new(),
            operation_name: OnceLock::new(),
            kind: OnceLock::new(),
            document_error: OnceLock::new(),
            dry_run: OnceLock::new(),
            shown: OnceLock::new(),
            field_isolation: OnceLock::new(),
            fields: OnceLock::new(),
            is_watched: OnceLock::new(),
            field_rules: extension.field_rules.clone(),
            field_rule: OnceLock::new(),
            turn: Turn::default(),
        }
    }

    /// Masks the errors of resolvers.
    fn mask(&self, unit: &UnitOfWork, errors: &mut [ServerError]) {
        let between_events = self.stream.get().map(|stream| stream.failures());
        mask(
            errors,
            Some(unit.failures()),
            between_events,
            Some(&self.map_error),
        );
    }
}
