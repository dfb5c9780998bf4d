//! The loop of attempts: an operation that loses a conflict is run again as a whole, on a fresh unit.
//!
//! It lies *around* the schema, because an extension can run an operation only once. Each attempt is a request of its
//! own with fresh operation data, fresh loaders and a fresh unit; what the caller put into the request's data is kept
//! for all of them and reaches the resolvers as session data.

pub(crate) mod batch;
pub(crate) mod notes;
pub(crate) mod snapshots;
pub(crate) mod template;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_graphql::{BatchRequest, BatchResponse, Data, Executor, Request, Response};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, sleep};

use crate::{
    UnitOfWork,
    observe::timeline::{Step, Timeline, UnderWay},
    operation::{failures::Failure, respond},
    retry::{batch::Together, notes::Notes, snapshots::Snapshots, template::Template},
    subscription::redelivery::Delivery,
    unit::terms::Deadline,
};

/// Runs a schema's queries and mutations again when they lose a conflict: a serialization failure, a deadlock, a busy
/// database, at a statement or at COMMIT; a connection that was lost before COMMIT, or in it when the database says that
/// nothing happened; a database that cannot be reached. The client sees one answer.
///
/// That is decided by what happened to the unit, told by the database's error codes; never by the errors of the response.
///
/// # What is not run again
/// - A subscription; but its events are, where its stream is made by [`redeliver`](crate::redeliver). A request that only
///   names its document (a persisted query, found by an extension of the schema) is run to learn what it is; a subscription
///   among these is then begun once, as a stream of its own.
/// - A request with uploads: they can be read only once.
/// - An operation whose outcome is not known, or whose deadline has passed.
/// - A request with data of its own *and* session data (a WebSocket's): there is no way to keep the first.
///
/// Extensions' `request` hook does not run for what goes through here, their `subscribe` hook does: async-graphql takes
/// shared data only on that road.
#[derive(Clone, Debug)]
pub struct Retrying<E> {
    executor: E,
    policy: RetryPolicy,
    snapshots: Arc<Snapshots>,
}

/// How often an operation is run again, and how long is waited in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The most attempts at losing conflicts, the first one included; 1 is never to run anything again. An operation that
    /// has lost the database, or cannot reach it, is run again until its deadline, and only without one this often.
    /// Default: 20.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from one to the next. Default: 2 milliseconds.
    pub first_delay: Duration,
    /// The longest wait. Default: 500 milliseconds.
    pub longest_delay: Duration,
    /// Whether up to as much again is added to each wait, at random, so that those who met do not meet again.
    /// Default: yes.
    pub jitter: bool,
}

/// The longest wait for a database that was lost, where a conflict's is not longer.
const LONGEST_WITHOUT_DATABASE: Duration = Duration::from_secs(1);

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 20,
            first_delay: Duration::from_millis(2),
            longest_delay: Duration::from_millis(500),
            jitter: true,
        }
    }
}

impl RetryPolicy {
    fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.longest_delay)
            .with_max_times(usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX));
        self.jittered(backoff)
    }

    /// The waits of an operation that has lost the database: they grow longer than those after a conflict, and do not end.
    fn delays_without_database(&self) -> impl Iterator<Item = Duration> + use<> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.longest_delay.max(LONGEST_WITHOUT_DATABASE))
            .without_max_times();
        self.jittered(backoff)
    }

    fn jittered(&self, backoff: ExponentialBuilder) -> ExponentialBackoff {
        if self.jitter {
            backoff.with_jitter().build()
        } else {
            backoff.build()
        }
    }
}

impl<E: Executor> Retrying<E> {
    /// Runs operations of `executor`, a schema with a [`UnitOfWorkExtension`](crate::UnitOfWorkExtension), by the default
    /// [`RetryPolicy`].
    pub fn new(executor: E) -> Self {
        Self {
            executor,
            policy: RetryPolicy::default(),
            snapshots: Arc::default(),
        }
    }

    /// Replaces the policy.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Runs a query or mutation until an attempt's end is the operation's. `None` where it turns out to be a subscription:
    /// nothing of it has run.
    async fn attempts(&self, template: &Template, first: Request) -> Option<Response> {
        let mut attempts = Attempts::new(&self.policy);
        let document = template.document(&self.snapshots);
        if let Some(document) = document {
            attempts.alone = !self.snapshots.is_needed(document);
        }
        let mut attempt = attempts.next(None);
        let mut request = first;
        loop {
            let response = template.run(&self.executor, request, &attempt).await;
            if attempt.subscription.get().is_some() {
                return None;
            }
            if let Some(document) = document
                && attempt.needs_snapshot.get().is_some()
            {
                self.snapshots.remember(document);
                attempts.go_on_with_snapshot(&attempt);
            } else {
                let name = template.operation_name.as_deref();
                if !attempts.go_on(&attempt, name).await {
                    return Some(response);
                }
            }
            attempt = attempts.next(None);
            request = template.again();
        }
    }

    async fn one_by_one(&self, requests: Vec<Request>) -> Vec<Response> {
        let mut responses = Vec::with_capacity(requests.len());
        for request in requests {
            responses.push(self.execute(request).await);
        }
        responses
    }
}

impl<E: Executor> Executor for Retrying<E> {
    async fn execute(&self, request: Request) -> Response {
        match Template::of(request, None) {
            Ok((template, first)) => self
                .attempts(&template, first)
                .await
                .unwrap_or_else(|| Response::from_errors(vec![respond::no_subscription()])),
            // Rare, and not to be made room for in the future of all.
            Err(request) => Box::pin(self.executor.execute(*request)).await,
        }
    }

    /// In order, one after another: each a unit of its own, with an outcome of its own; or, where a request's data has
    /// [`AllOrNothing`](crate::AllOrNothing), all of them one unit.
    async fn execute_batch(&self, batch: BatchRequest) -> BatchResponse {
        match batch {
            BatchRequest::Single(request) => BatchResponse::Single(self.execute(request).await),
            BatchRequest::Batch(requests) if requests.iter().any(batch::is_all_or_nothing) => {
                BatchResponse::Batch(batch::run(&self.executor, &self.policy, requests).await)
            }
            BatchRequest::Batch(requests) => BatchResponse::Batch(self.one_by_one(requests).await),
        }
    }

    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        match Template::of(request, session.clone()) {
            Ok((template, first)) => {
                let retrying = self.clone();
                stream::once(async move {
                    match retrying.attempts(&template, first).await {
                        Some(response) => stream::once(std::future::ready(response)).boxed(),
                        None => template.stream(&retrying.executor, &retrying.policy),
                    }
                })
                .flatten()
                .boxed()
            }
            Err(request) => {
                let request = request.data(Delivery::new(&self.policy));
                self.executor.execute_stream(request, session)
            }
        }
    }
}

/// The attempts of one operation, or of a batch that is one unit.
pub(crate) struct Attempts {
    started: Instant,
    number: u32,
    /// Whether the operation is taken to make one statement.
    alone: bool,
    /// What they did, if anybody looks.
    timeline: Option<Arc<Timeline>>,
    /// What the last attempt has left for the next one.
    notes: Option<Arc<Notes>>,
    policy: RetryPolicy,
    delays: Box<dyn Iterator<Item = Duration> + Send>,
    /// Made when the database is lost for the first time.
    without_database: Option<Box<dyn Iterator<Item = Duration> + Send>>,
}

impl Attempts {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        Self {
            started: Instant::now(),
            number: 1,
            alone: false,
            timeline: None,
            notes: None,
            policy: *policy,
            delays: Box::new(policy.delays()),
            without_database: None,
        }
    }

    /// The attempt that is to be made now.
    pub(crate) fn next(&self, together: Option<Arc<Together>>) -> Arc<Attempt> {
        Arc::new(Attempt {
            number: self.number,
            started: self.started,
            together,
            alone: self.alone,
            timeline: self
                .timeline
                .clone()
                .map_or_else(OnceLock::new, OnceLock::from),
            notes: self.notes.clone().unwrap_or_default(),
            needs_snapshot: OnceLock::new(),
            subscription: OnceLock::new(),
            end: OnceLock::new(),
        })
    }

    /// The attempt turned out to make more than one statement, so it was none: it is made on a transaction.
    fn go_on_with_snapshot(&mut self, last: &Attempt) {
        self.step_after(last, Step::Snapshot).done();
        self.alone = false;
    }

    fn step_after(&mut self, last: &Attempt, step: Step) -> UnderWay {
        self.timeline = last.timeline.get().cloned();
        match &self.timeline {
            Some(timeline) => timeline.begin(step, None),
            None => UnderWay::UNSEEN,
        }
    }

    /// When it is too late for another attempt: one that had to wait for the database would have no time to say so.
    fn last_start(&self, lost: Lost, deadline: Instant) -> Instant {
        match lost {
            Lost::Conflict => deadline,
            Lost::Database => Deadline {
                at: deadline,
                limit: deadline.saturating_duration_since(self.started),
            }
            .to_reach_the_database(),
        }
    }

    /// How long to wait before the next attempt; `None` where there is to be none.
    fn delay_before_another(&mut self, end: &End) -> Option<Duration> {
        let delay = self.next_delay(end)?;
        let is_late = |deadline| Instant::now() + delay >= self.last_start(end.lost, deadline);
        (!end.deadline.is_some_and(is_late)).then_some(delay)
    }

    /// How long to wait before the next attempt, while there may be one.
    fn next_delay(&mut self, end: &End) -> Option<Duration> {
        let is_bounded = end.deadline.is_none() || self.policy.attempts <= 1;
        match end.lost {
            Lost::Conflict => self.delays.next(),
            Lost::Database if is_bounded && self.number >= self.policy.attempts => None,
            Lost::Database => self
                .without_database
                .get_or_insert_with(|| Box::new(self.policy.delays_without_database()))
                .next(),
        }
    }

    /// Whether there is to be another attempt after this one; waits until it may be made.
    pub(crate) async fn go_on(&mut self, last: &Attempt, operation_name: Option<&str>) -> bool {
        let Some(end) = last.end.get() else {
            return false;
        };
        let Some(delay) = self.delay_before_another(end) else {
            // What this attempt answered is what the client sees.
            end.log();
            return false;
        };
        metrics::counter!("unit_of_work_retries_total").increment(1);
        let cause = end.cause();
        tracing::warn!(
            graphql.operation.name = operation_name,
            attempt = self.number,
            ?delay,
            cause = cause
                .as_ref()
                .map(|cause| tracing::field::display(&cause.what)),
            field = cause.as_ref().and_then(|cause| cause.fields.first()),
            "the operation lost {} and is run again",
            match end.lost {
                Lost::Conflict => "a conflict",
                Lost::Database => "the database",
            }
        );
        let step = self.step_after(last, Step::RunAgain);
        sleep(delay).await;
        step.done();
        self.number += 1;
        self.notes = Some(Notes::after(&last.notes));
        // A connection that died while it lay idle is noticed by BEGIN, which takes another one.
        self.alone = false;
        true
    }
}

/// One attempt, as the extension sees it in the request's data.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: u32,
    /// When the first attempt started: the deadline counts from here.
    pub(crate) started: Instant,
    /// The unit that the operations of a batch have together.
    pub(crate) together: Option<Arc<Together>>,
    /// Whether the operation is taken to make one statement.
    pub(crate) alone: bool,
    /// What it leaves for the next attempt, and has from the last one.
    pub(crate) notes: Arc<Notes>,
    /// Made by the extension, where somebody looks.
    timeline: OnceLock<Arc<Timeline>>,
    /// Set by the extension when it makes more.
    needs_snapshot: OnceLock<()>,
    /// Set by the extension when the operation is a subscription, which has no attempts.
    subscription: OnceLock<()>,
    /// Set by the extension when the operation should be run again.
    end: OnceLock<End>,
}

/// What an operation lost that is to be run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Against another operation.
    Conflict,
    /// The connection, before anything was committed; or there was none to be had.
    Database,
}

#[derive(Debug)]
struct End {
    lost: Lost,
    deadline: Option<Instant>,
    /// What failed, to be logged one way or the other. The unit itself has ended; it is let go before the wait for the
    /// next attempt, as its span is.
    unit: Mutex<Option<UnitOfWork>>,
}

impl End {
    fn unit(&self) -> Option<UnitOfWork> {
        let unit = self.unit.lock();
        // Nothing can panic while the lock is held.
        unit.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Logs what the client was shown.
    fn log(&self) {
        if let Some(unit) = self.unit() {
            unit.failures().log(unit.span());
        }
    }

    fn cause(&self) -> Option<Failure> {
        self.unit()?.failures().cause()
    }
}

impl Attempt {
    /// Where this attempt's steps are written: with those of the attempts before it.
    pub(crate) fn timeline(&self) -> Arc<Timeline> {
        let timeline = self.timeline.get_or_init(|| Timeline::new(self.number));
        timeline.attempt(self.number);
        Arc::clone(timeline)
    }

    /// Says that the operation makes more than one statement.
    pub(crate) fn snapshot_needed(&self) {
        self.needs_snapshot.get_or_init(|| ());
    }

    /// Says that the operation is a subscription, of which nothing has run.
    pub(crate) fn is_subscription(&self) {
        self.subscription.get_or_init(|| ());
    }

    /// Says what this attempt lost.
    pub(crate) fn lost(&self, lost: Lost, deadline: Option<Instant>, unit: &UnitOfWork) {
        self.end.get_or_init(|| End {
            lost,
            deadline,
            unit: Mutex::new(Some(unit.clone())),
        });
    }
}
