//! A schema whose every field takes the steps that an [`Operation`] has for it.

use std::{
    panic::{AssertUnwindSafe, panic_any, resume_unwind},
    sync::Arc,
};

use async_graphql::{Context, EmptySubscription, Error, MergedObject, Object, Result, Schema};
use futures_util::{FutureExt, future::BoxFuture, poll};
use sea_orm::DbErr;
use tokio::task::yield_now;
use unit_of_work::{ContextExt, Database, Report, UnitOfWork, UnitOfWorkExtension};

use super::{
    operation::{Kind, Operation, Step},
    trace::{Does, Doom, End, Trace},
};
use crate::stage::{count_marks, insert_mark};

/// A row that is there from the start, for those who insert it again.
pub const TAKEN: &str = "taken";

/// What only these resolvers panic with.
pub struct OnPurpose;

pub type TreeSchema = Schema<Query, Mutation, EmptySubscription>;

pub fn schema(database: &Database) -> TreeSchema {
    let extension = UnitOfWorkExtension::new(database.clone()).report(Report::InExtensions);
    Schema::build(Query(Node), Mutation(Node), EmptySubscription)
        .extension(extension)
        .finish()
}

#[derive(MergedObject)]
pub struct Query(Node);

#[derive(MergedObject)]
pub struct Mutation(Node);

pub struct Node;

#[Object]
impl Node {
    async fn must(&self, ctx: &Context<'_>, id: usize) -> Result<Self> {
        resolve(ctx, id).await
    }

    async fn maybe(&self, ctx: &Context<'_>, id: usize) -> Option<Result<Self>> {
        Some(resolve(ctx, id).await)
    }
}

async fn resolve(ctx: &Context<'_>, id: usize) -> Result<Node> {
    let run: &Arc<Run> = ctx.data_unchecked();
    let steps = run.steps[id].clone();
    let taken = AssertUnwindSafe(Arc::clone(run).take(ctx.unit().clone(), steps));
    let result = taken.catch_unwind().await;
    run.trace.end(
        id,
        match &result {
            Ok(Ok(())) => End::Done,
            Ok(Err(_)) => End::Failed,
            Err(_) => End::Panicked,
        },
    );
    let result = result.unwrap_or_else(|panic| resume_unwind(panic));
    result.map(|()| Node)
}

/// One run of an operation: what its resolvers have to do, and what became of it.
pub struct Run {
    kind: Kind,
    steps: Vec<Vec<Step>>,
    pub trace: Trace,
}

impl Run {
    /// `name` makes the rows of this run its own.
    pub fn new(operation: &Operation, name: &str) -> Arc<Self> {
        let fields = operation.all_fields().into_iter();
        Arc::new(Self {
            kind: operation.kind,
            steps: fields.map(|field| field.steps.clone()).collect(),
            trace: Trace::new(name),
        })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn take(
        self: Arc<Self>,
        unit: UnitOfWork,
        steps: Vec<Step>,
    ) -> BoxFuture<'static, Result<(), Error>> {
        async move {
            for step in steps {
                self.take_one(&unit, step).await?;
            }
            Ok(())
        }
        .boxed()
    }

    async fn take_one(self: &Arc<Self>, unit: &UnitOfWork, step: Step) -> Result<(), Error> {
        let trace = &self.trace;
        match step {
            Step::Insert => {
                let name = trace.inserting();
                self.statement(Does::Write, insert_mark(unit, &name))
                    .await?;
                trace.inserted(name);
            }
            Step::Read => {
                let least = trace.rows().0;
                let seen = self.statement(Does::Read, count_marks(unit)).await?;
                trace.read(least, seen);
            }
            Step::Yield => yield_now().await,
            Step::Effect => {
                let run = Arc::clone(self);
                let _ = trace.effect(|name| {
                    unit.after_commit(async move {
                        yield_now().await;
                        run.trace.effect_ran(name);
                    });
                });
            }
            Step::Escape => trace.escape(unit),
            // Its text is the database's, and not for clients.
            Step::Fail => return Err(DbErr::Custom("the table mark is a mess".to_owned()).into()),
            Step::Panic => panic_any(OnPurpose),
            Step::Swallow => {
                let _ = self.statement(Does::Write, insert_mark(unit, TAKEN)).await;
            }
            Step::Abandon => self.abandon(unit).await,
            Step::Savepoint(steps) => self.savepoint(unit, &steps).await?,
            Step::Spawn(steps) => {
                let part = Arc::clone(self).take(unit.clone(), steps);
                let alive = trace.task();
                let run = Arc::clone(self);
                let task = tokio::spawn(async move {
                    let _alive = (alive, run);
                    part.await
                });
                let ended = task.await;
                trace.joined();
                ended.map_err(|_| Error::new("the task panicked"))??;
            }
        }
        Ok(())
    }

    /// Runs a statement under the eyes of the trace.
    async fn statement<T>(
        &self,
        does: Does,
        statement: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let flight = self.trace.start(self.kind, does);
        let result = statement.await;
        flight.land(&result);
        result
    }

    async fn abandon(&self, unit: &UnitOfWork) {
        let alone = self.trace.is_free();
        let mut statement = Box::pin(self.statement(Does::Read, count_marks(unit)));
        if poll!(&mut statement).is_pending() {
            drop(statement);
            // Nothing else was in its way: the statement was on its way to the database.
            if alone && self.kind == Kind::Mutation {
                self.trace.doom(Doom::Certain);
            }
        }
    }
}
