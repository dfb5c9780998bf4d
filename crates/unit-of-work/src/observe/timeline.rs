//! The steps of an operation's units: `extensions.unitOfWork.timeline`, for [`Report::Timeline`].
//!
//! All attempts of an operation share one timeline. Connections write to it, since every statement goes through one. Waiting for a
//! connection, or to run again, is written by the code that waits. A step is on the timeline from its start, so that a statement is visible
//! even if the deadline passes first. An operation without a timeline does not pay for one.
//!
//! [`Report::Timeline`]: crate::Report::Timeline

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_graphql::{Name, QueryPathNode, Value, indexmap::IndexMap};
use futures_util::task::FutureObj;
use tracing::Span;

use crate::{
    FailureKind,
    observe::{server::NamedServer, telemetry},
    operation::report::milliseconds,
};

/// Steps beyond this many are only counted.
const MOST_STEPS: usize = 500;
/// Statements are cut to this many bytes.
const LONGEST_SQL: usize = 4096;

tokio::task_local! {
    /// The path of the field that the running code resolves.
    static FIELD: Arc<str>;
}

/// Runs `resolve` for a field: steps inside it are recorded with that field.
pub(crate) async fn in_field<T>(path: &QueryPathNode<'_>, resolve: impl Future<Output = T>) -> T {
    FIELD.scope(path.to_string().into(), resolve).await
}

/// Passes the current field on to a future that others will poll: a loader's batch, which belongs to the field that asked first.
pub(crate) fn inherited(future: FutureObj<'static, ()>) -> FutureObj<'static, ()> {
    match FIELD.try_with(Arc::clone) {
        Ok(field) => Box::new(FIELD.scope(field, future)).into(),
        Err(_) => future,
    }
}

/// The steps of one operation, in the order in which they began.
#[derive(Debug)]
pub(crate) struct Timeline {
    started: Instant,
    steps: Mutex<Steps>,
}

#[derive(Debug, Default)]
struct Steps {
    attempt: u32,
    told: Vec<Told>,
    left_out: usize,
    ended: bool,
}

#[derive(Debug)]
struct Told {
    attempt: u32,
    step: Step,
    sql: Option<String>,
    field: Option<Arc<str>>,
    /// Where it is done, if it needs a server and the database has several.
    server: Option<Arc<NamedServer>>,
    at: Duration,
    /// `None` while it is under way, or if it was abandoned.
    took: Option<Duration>,
    failure: Option<FailureKind>,
}

/// The kind of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Waits for a connection.
    Wait,
    Begin,
    Statement,
    /// SAVEPOINT, RELEASE or ROLLBACK TO.
    Savepoint,
    Commit,
    Rollback,
    /// The connection is closed without a message, because its state is in doubt.
    Close,
    /// Waits to run again after a conflict.
    RunAgain,
    /// Runs again in a transaction, because there is a second statement.
    Snapshot,
}

impl Step {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wait => "WAIT",
            Self::Begin => "BEGIN",
            Self::Statement => "STATEMENT",
            Self::Savepoint => "SAVEPOINT",
            Self::Commit => "COMMIT",
            Self::Rollback => "ROLLBACK",
            Self::Close => "CLOSE",
            Self::RunAgain => "RUN_AGAIN",
            Self::Snapshot => "SNAPSHOT",
        }
    }
}

impl Timeline {
    /// A timeline whose first steps belong to this attempt.
    pub(crate) fn new(attempt: u32) -> Arc<Self> {
        let steps = Steps {
            attempt,
            ..Steps::default()
        };
        Arc::new(Self {
            started: Instant::now(),
            steps: Mutex::new(steps),
        })
    }

    /// The steps that begin from here on belong to this attempt.
    pub(crate) fn attempt(&self, number: u32) {
        self.steps().attempt = number;
    }

    /// Ends the timeline: later steps are not recorded, since nobody waits for them.
    pub(crate) fn end(&self) {
        self.steps().ended = true;
    }

    /// Begins a step, at this server if the database has several.
    pub(crate) fn begin(
        self: &Arc<Self>,
        step: Step,
        sql: Option<&str>,
        server: Option<Arc<NamedServer>>,
    ) -> UnderWay {
        let mut steps = self.steps();
        if steps.ended {
            return UnderWay::UNSEEN;
        }
        if steps.told.len() == MOST_STEPS {
            steps.left_out += 1;
            return UnderWay::UNSEEN;
        }
        let told = Told {
            attempt: steps.attempt,
            step,
            sql: sql.map(|sql| sql[..sql.floor_char_boundary(LONGEST_SQL)].to_owned()),
            field: FIELD.try_with(Arc::clone).ok(),
            server,
            at: self.started.elapsed(),
            took: None,
            failure: None,
        };
        steps.told.push(told);
        UnderWay {
            told: Some((Arc::clone(self), steps.told.len() - 1)),
            span: Span::none(),
        }
    }

    /// The steps so far, and how many were left out.
    pub(crate) fn tell(&self) -> (Value, usize) {
        let steps = self.steps();
        let told = steps.told.iter().map(Told::tell).collect();
        (Value::List(told), steps.left_out)
    }

    fn steps(&self) -> MutexGuard<'_, Steps> {
        // Nothing can panic while the lock is held.
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn tell(&self) -> Value {
        let mut told = IndexMap::new();
        let mut put = |name: &'static str, value: Value| told.insert(Name::new(name), value);
        put("attempt", self.attempt.into());
        put("step", self.step.name().into());
        if let Some(sql) = &self.sql {
            put("sql", sql.as_str().into());
        }
        if let Some(field) = &self.field {
            put("field", (**field).into());
        }
        if let Some(server) = &self.server {
            put("server", server.to_string().into());
        }
        put("at", milliseconds(self.at));
        put("milliseconds", self.took.map_or(Value::Null, milliseconds));
        if let Some(failure) = self.failure {
            put("failure", failure.name().into());
        }
        Value::Object(told)
    }
}

/// A step under way. If it is dropped before its end, it stays without a duration.
#[must_use]
pub(crate) struct UnderWay {
    told: Option<(Arc<Timeline>, usize)>,
    span: Span,
}

impl UnderWay {
    /// A step that is not recorded.
    pub(crate) const UNSEEN: Self = Self {
        told: None,
        span: Span::none(),
    };

    /// Traces the step too, with a span of the same duration.
    pub(crate) fn traced(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// Ends the step with this result, and returns the result.
    pub(crate) fn ended<T, E>(
        self,
        result: Result<T, E>,
        kind: impl FnOnce(&E) -> FailureKind,
    ) -> Result<T, E> {
        self.end(|| result.as_ref().err().map(kind));
        result
    }

    /// Ends a step that cannot fail.
    pub(crate) fn done(self) {
        self.end(|| None);
    }

    fn end(self, failure: impl FnOnce() -> Option<FailureKind>) {
        if self.told.is_none() && self.span.is_disabled() {
            return;
        }
        let failure = failure();
        if let Some(failure) = failure {
            telemetry::step_failed(&self.span, failure);
        }
        if let Some((timeline, index)) = self.told
            && let Some(told) = timeline.steps().told.get_mut(index)
        {
            told.took = Some(timeline.started.elapsed().saturating_sub(told.at));
            told.failure = failure;
        }
    }
}
