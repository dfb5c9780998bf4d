//! One execution of an operation: it begins a unit, runs the resolvers in it, and finishes it.
//!
//! [`execute`](super::PerRequest) calls the parts in order. [`Finisher`](crate::unit::finisher::Finisher) and [`fate`](crate::unit) decide
//! how a unit ends.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{
    Data, Response, ServerError,
    extensions::{ExtensionContext, NextExecute},
    parser::types::OperationType,
};
use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::{PerRequest, terms::viewer_of};
use crate::{
    Access, DryRun, Report, SessionSettings, UnitOfWork,
    consistency::reading,
    observe::telemetry,
    operation::{
        failures,
        field_savepoints::FieldSavepoints,
        loader::{Batches, Loaders},
        mask::MapError,
        report, respond,
    },
    retry::{
        attempt::Attempt,
        batch::{Part, Together},
    },
    subscription::redelivery::{self, Delivery},
    unit::{
        Reason, RollBackOnDrop,
        finisher::{Finisher, Panic, answer, within},
        terms::Terms,
    },
};

/// What an execution needs from its beginning to its end.
pub(super) struct Execution<'a> {
    kind: OperationType,
    unit: UnitOfWork,
    attempt: Option<&'a Attempt>,
    /// The batch that the operation is a part of, if that is one unit.
    together: Option<&'a Together>,
    /// The delivery of the event, if the event may be run again.
    delivery: Option<&'a Delivery>,
    deadline: Option<Instant>,
    dry_run: bool,
    /// The report for the client.
    wanted: Report,
    span: Span,
}

/// The resolvers' response, before it is corrected by the unit's outcome.
pub(super) struct Answered {
    response: Response,
    /// The errors of fields that were undone alone.
    undone: Vec<ServerError>,
    /// Why the unit is rolled back, if the response does not decide that.
    cut_short: Option<Reason>,
}

impl PerRequest {
    /// Makes a unit for the operation, or joins that of its batch. Nothing is sent to the database.
    pub(super) fn begin<'a>(
        &self,
        ctx: &'a ExtensionContext<'_>,
        kind: OperationType,
        operation_name: Option<&str>,
    ) -> Result<Execution<'a>, ServerError> {
        let (kind_name, access) = match kind {
            OperationType::Query => ("query", Access::ReadOnly),
            OperationType::Mutation => ("mutation", Access::ReadWrite),
            OperationType::Subscription => ("subscription", Access::ReadOnly),
        };
        self.databases.alone.runs(ctx.schema_env);
        let database = self.databases.choose(ctx)?;
        if database.check_access(access).is_err() {
            return Err(respond::read_only());
        }
        let attempt = ctx.data_opt::<Arc<Attempt>>();
        let together = attempt.and_then(|attempt| attempt.together.as_deref());
        let delivery = match kind {
            OperationType::Subscription => ctx.data_opt::<Arc<Delivery>>(),
            _ => None,
        };
        let started = match (attempt, delivery) {
            (Some(attempt), _) => Some(attempt.started),
            (None, Some(delivery)) => delivery.started(),
            (None, None) => None,
        };
        let deadline = self.deadline(ctx, started.unwrap_or_else(Instant::now));
        let wanted = *ctx.data_opt::<Report>().unwrap_or(&self.settings.report);
        let dry_run = kind == OperationType::Mutation
            && (self.dry_run.get() == Some(&true) || ctx.data_opt::<DryRun>().is_some());
        let isolation = self.isolation(ctx);
        let settings = ctx.data_opt::<SessionSettings>();
        let is_plain = isolation.is_none()
            && settings.is_none_or(SessionSettings::is_empty)
            && wanted != Report::Timeline
            && !dry_run;
        let reading = self.reading(ctx, (kind, access), isolation, &database)?;
        let terms = Terms {
            access,
            isolation,
            deadline,
            settings: settings.cloned().unwrap_or_default(),
            shares_commit: access == Access::ReadWrite
                && is_plain
                && together.is_none()
                && attempt.is_some_and(|attempt| attempt.shares_commit)
                && database.shares_commits(),
            without_transaction: kind == OperationType::Query
                && attempt.is_some_and(|attempt| attempt.without_transaction),
            viewer: reading.map(|_| Box::new(viewer_of(ctx))),
            reading,
            timeline: (wanted == Report::Timeline).then(|| self.timeline(attempt)),
            notes: attempt.map(|attempt| Arc::clone(&attempt.notes)),
        };
        let number = attempt.map_or(1, |attempt| attempt.number);
        let span = telemetry::operation_span(kind_name, operation_name, number);
        let unit = match together {
            Some(together) => together.join(&database, terms)?,
            None => UnitOfWork::new(database.into_owned(), terms, span.clone()),
        };
        // A batch that is all or nothing has no partial success. Neither has an operation with an idempotency key: its response is stored
        // and replayed, so no part of it may have failed.
        let field_savepoints = self.settings.field_savepoints
            && access == Access::ReadWrite
            && together.is_none()
            && !self.idempotency.has_key();
        if field_savepoints {
            self.fields
                .get_or_init(|| FieldSavepoints::new(unit.clone()));
        }
        Ok(Execution {
            kind,
            unit,
            attempt: attempt.map(Arc::as_ref),
            together,
            delivery: delivery.map(Arc::as_ref),
            deadline: deadline.map(|deadline| deadline.at),
            dry_run,
            wanted,
            span,
        })
    }

    /// Runs the resolvers; `None` if the deadline passes first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future rolls back the unit, unless it is that of a batch, which does so itself.
    pub(super) async fn run(
        &self,
        execution: &Execution<'_>,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Option<Result<Response, Panic>> {
        let Execution { unit, deadline, .. } = execution;
        let guard = execution
            .together
            .is_none()
            .then(|| RollBackOnDrop::new(unit.clone()));
        let (data, batches) = data_of(unit);
        // Boxed first, so that the wrappers do not each embed the large future.
        let resolvers = Box::pin(async {
            let Some(rule) = self.field_rule.get() else {
                return next.run_with_data(ctx, operation_name, data).await;
            };
            rule.begin();
            let mut response = next.run_with_data(ctx, operation_name, data).await;
            // Here, so that the response stored under an idempotency key is the one that the client gets.
            rule.finish(&mut response);
            response
        });
        let resolvers = self.idempotency.run(unit, execution.dry_run, resolvers);
        let resolvers = failures::in_operation(unit, batches.drive(&self.turn, resolvers));
        let resolved = if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            // The deadline has already passed: nothing runs.
            None
        } else {
            let resolvers = async {
                tokio::select! {
                    biased;
                    // The response is not shown: the operation is run again.
                    () = unit.overstayed() => Ok(Response::default()),
                    resolved = AssertUnwindSafe(resolvers).catch_unwind() => resolved,
                }
            };
            within(*deadline, resolvers)
                .instrument(execution.span.clone())
                .await
        };
        if let Some(guard) = guard {
            guard.disarm();
        }
        resolved
    }

    /// The resolvers' response, masked.
    pub(super) fn answered(
        &self,
        execution: &Execution<'_>,
        mut resolved: Option<Result<Response, Panic>>,
    ) -> Answered {
        let mut undone = match (self.fields.get(), &mut resolved) {
            (Some(fields), Some(Ok(response))) => fields.set_aside(response),
            _ => Vec::new(),
        };
        let (mut response, cut_short) = answer(resolved);
        if cut_short.is_none() {
            self.mask(&execution.unit, &mut response.errors);
            self.mask(&execution.unit, &mut undone);
        }
        if execution.kind == OperationType::Subscription
            && let Some(stream) = self.stream.get()
        {
            stream.event();
        }
        Answered {
            response,
            undone,
            cut_short,
        }
    }
}

impl Execution<'_> {
    /// Whether a query needs a snapshot and must be run again in a transaction. Then nobody sees its response.
    pub(super) fn needs_snapshot(&self) -> bool {
        let Some(attempt) = self.attempt.filter(|_| self.unit.needs_snapshot()) else {
            return false;
        };
        self.unit.end_read();
        attempt.snapshot_needed();
        true
    }

    /// Finishes the unit, or leaves that to the batch, and returns a response that says what really happened.
    pub(super) async fn finish(self, answered: Answered, map_error: &MapError) -> Response {
        let Answered {
            response,
            undone,
            cut_short,
        } = answered;
        let unit = &self.unit;
        if let Some(together) = self.together {
            together.leave(Part {
                cut_short,
                deadline: self.deadline,
                dry_run: self.dry_run,
                wanted: self.wanted,
            });
            return response;
        }
        if let Some(delivery) = self.delivery
            && delivery.is_lost(unit.doom(), self.deadline)
        {
            // Nobody sees this response: the event is executed again.
            unit.end_read();
            return redelivery::discarded();
        }
        let finisher = Finisher {
            unit,
            deadline: self.deadline,
            dry_run: self.dry_run,
        };
        let finished = finisher.finish(cut_short, response.is_ok()).await;
        let mut response = finished.tell(response, unit);
        map_error.commit_failed(&mut response.errors);
        response.errors.extend(undone);
        finished.tell_attempt(self.attempt, unit, self.deadline);
        if let Some(delivery) = self.delivery {
            response = delivery.answered(response, unit.doom());
        }
        let number = self.attempt.map_or(1, |attempt| attempt.number);
        report::put(&mut response, unit, &finished.outcome, number, self.wanted);
        reading::put(&mut response, unit);
        response
    }
}

/// The data of the execution: its unit, and the loaders that use it.
fn data_of(unit: &UnitOfWork) -> (Data, Batches) {
    let (loaders, batches) = Loaders::new(unit.clone());
    let mut data = Data::default();
    data.insert(unit.clone());
    data.insert(loaders);
    (data, batches)
}
