//! The attempts of one operation: decides whether there is another one, and when.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    observe::timeline::{Step, Timeline, UnderWay},
    retry::{
        RetryPolicy,
        attempt::{Attempt, End, Lost},
        batch::Together,
        notes::Notes,
    },
    unit::terms::Deadline,
};

/// The attempts of one operation, or of a batch that is one unit.
pub(crate) struct Attempts {
    started: Instant,
    number: u32,
    /// Whether the operation is expected to make one statement only, which needs no transaction.
    pub(super) without_transaction: bool,
    /// Whether the next attempt may share its COMMIT with others.
    shares_commit: bool,
    /// The steps of all attempts, if the client asked for them.
    timeline: Option<Arc<Timeline>>,
    /// The last attempt's notes for the next one.
    notes: Option<Arc<Notes>>,
    /// Whether the causes of the last attempt are logged. They are not if the error is returned to a caller, which must log it.
    logs_end: bool,
    policy: RetryPolicy,
    /// The waits after conflicts, made at the first conflict.
    delays: Option<Box<dyn Iterator<Item = Duration> + Send>>,
    /// The waits for the database, made when it is first lost.
    without_database: Option<Box<dyn Iterator<Item = Duration> + Send>>,
}

impl Attempts {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        Self {
            started: Instant::now(),
            number: 1,
            without_transaction: false,
            // A unit that is undone with others must be run again.
            shares_commit: policy.attempts > 1,
            timeline: None,
            notes: None,
            logs_end: true,
            policy: *policy,
            delays: None,
            without_database: None,
        }
    }

    /// The attempts of a write outside of an operation.
    pub(crate) fn of_a_write(policy: &RetryPolicy) -> Self {
        Self {
            logs_end: false,
            ..Self::new(policy)
        }
    }

    /// Makes the next attempt.
    pub(crate) fn next(&self, together: Option<Arc<Together>>) -> Arc<Attempt> {
        Arc::new(Attempt {
            number: self.number,
            started: self.started,
            together,
            without_transaction: self.without_transaction,
            shares_commit: self.shares_commit,
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

    /// The operation makes more than one statement: it runs again in a transaction. This does not count as an attempt.
    pub(super) fn go_on_with_snapshot(&mut self, last: &Attempt) {
        self.step_after(last, Step::Snapshot).done();
        self.without_transaction = false;
    }

    fn step_after(&mut self, last: &Attempt, step: Step) -> UnderWay {
        self.timeline = last.timeline.get().cloned();
        match &self.timeline {
            Some(timeline) => timeline.begin(step, None, None),
            None => UnderWay::UNSEEN,
        }
    }

    /// The latest time to start another attempt. One that waits for the database needs some time before the deadline to report that it is
    /// unavailable.
    fn last_start(&self, lost: Lost, deadline: Instant) -> Instant {
        match lost {
            Lost::Conflict | Lost::SharedCommit => deadline,
            Lost::Database => Deadline {
                at: deadline,
                limit: deadline.saturating_duration_since(self.started),
            }
            .to_reach_the_database(),
        }
    }

    /// How long to wait before the next attempt; `None` if there is none.
    fn delay_before_another(&mut self, end: &End) -> Option<Duration> {
        let delay = self.next_delay(end)?;
        let is_late = |deadline| Instant::now() + delay >= self.last_start(end.lost, deadline);
        (!end.deadline.is_some_and(is_late)).then_some(delay)
    }

    /// How long to wait before the next attempt; `None` if all attempts are used.
    fn next_delay(&mut self, end: &End) -> Option<Duration> {
        let is_bounded = end.deadline.is_none() || self.policy.attempts <= 1;
        match end.lost {
            Lost::Conflict => self
                .delays
                .get_or_insert_with(|| Box::new(self.policy.delays()))
                .next(),
            // At once, and by itself: there was no conflict that could happen again.
            Lost::SharedCommit => Some(Duration::ZERO),
            Lost::Database if is_bounded && self.number >= self.policy.attempts => None,
            Lost::Database => self
                .without_database
                .get_or_insert_with(|| Box::new(self.policy.delays_without_database()))
                .next(),
        }
    }

    /// Whether there is another attempt after this one. Waits until it may start.
    pub(crate) async fn go_on(&mut self, last: &Attempt, operation_name: Option<&str>) -> bool {
        let Some(end) = last.end.get() else {
            return false;
        };
        let Some(delay) = self.delay_before_another(end) else {
            // The client gets the response of this attempt.
            if self.logs_end {
                end.log();
            }
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
                Lost::SharedCommit => "the COMMIT that it was to share",
            }
        );
        let step = self.step_after(last, Step::RunAgain);
        sleep(delay).await;
        step.done();
        self.number += 1;
        self.notes = Some(Notes::after(&last.notes));
        // BEGIN notices a connection that was lost while idle, and takes another one.
        self.without_transaction = false;
        self.shares_commit = false;
        true
    }
}
