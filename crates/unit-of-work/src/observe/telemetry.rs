//! The spans of units, and their metrics through the `metrics` facade.
//!
//! | metric | kind | labels | meaning |
//! |---|---|---|---|
//! | `unit_of_work_begun_total` | counter | `access` | units begun, each in a transaction of its own or in that of a group |
//! | `unit_of_work_committed_total` | counter | | units committed |
//! | `unit_of_work_read_total` | counter | | read-only transactions that ended as they should |
//! | `unit_of_work_replayed_total` | counter | | stored responses that were replayed |
//! | `unit_of_work_rolled_back_total` | counter | `reason` | units rolled back |
//! | `unit_of_work_commits_shared_total` | counter | | COMMITs of several units |
//! | `unit_of_work_commit_members_total` | counter | | units whose COMMIT, or whose refusal, was one of these |
//! | `unit_of_work_retries_total` | counter | | operations run again after a conflict |
//! | `unit_of_work_unknown_total` | counter | | commits whose outcome is not known |
//! | `unit_of_work_statements_total` | counter | | statements run on units |
//! | `unit_of_work_flights_total` | counter | | statements that looked something up for several operations |
//! | `unit_of_work_look_ups_shared_total` | counter | | operations that got their value by one of these |
//! | `unit_of_work_replica_reads_total` | counter | `at` | queries that showed a token, or for which a replica would have done, by where they were read: `replica` at once, `replica_later`, `primary` |
//! | `unit_of_work_events_shared_total` | counter | | events that were executed for another subscriber |
//! | `unit_of_work_wait_seconds` | histogram | | waiting for a connection |
//! | `unit_of_work_held_seconds` | histogram | | from BEGIN until the connection was free again |

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::DbBackend;
use tracing::{Span, field::Empty};

use crate::{
    Access, FailureKind,
    database::engine::words::words,
    observe::{
        server::{NamedServer, ServerRole},
        timeline::Step,
    },
    unit::{Outcome, Reason},
};

/// Counts of one unit.
pub(crate) struct Stats {
    created: Instant,
    begun: OnceLock<Instant>,
    /// What the server is, if the database has several.
    server: OnceLock<ServerRole>,
    statements: AtomicU64,
    wait_micros: AtomicU64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            created: Instant::now(),
            begun: OnceLock::new(),
            server: OnceLock::new(),
            statements: AtomicU64::new(0),
            wait_micros: AtomicU64::new(0),
        }
    }
}

/// A query for which a replica would have done was read there.
#[cfg(feature = "postgres")]
pub(crate) fn read_for_a_replica(at: &'static str) {
    metrics::counter!("unit_of_work_replica_reads_total", "at" => at).increment(1);
}

/// How far a replica is behind the primary, at most; while it is silent, how long ago it was that it is known to have been up to date.
#[cfg(feature = "postgres")]
pub(crate) fn replica_is_behind(name: &str, behind: Duration) {
    let gauge =
        metrics::gauge!("unit_of_work_replica_behind_seconds", "replica" => name.to_owned());
    gauge.set(behind);
}

/// Whether a replica answers as a standby.
#[cfg(feature = "postgres")]
pub(crate) fn replica_answers(name: &str, answers: bool) {
    let gauge = metrics::gauge!("unit_of_work_replica_up", "replica" => name.to_owned());
    gauge.set(f64::from(u8::from(answers)));
}

impl Stats {
    pub(crate) fn waited(&self, time: Duration) {
        self.wait_micros.fetch_add(micros(time), Ordering::Relaxed);
        metrics::histogram!("unit_of_work_wait_seconds").record(time);
    }

    pub(crate) fn begun(&self, access: Access) {
        self.begun.get_or_init(Instant::now);
        let access = match access {
            Access::ReadOnly => "read_only",
            Access::ReadWrite => "read_write",
        };
        metrics::counter!("unit_of_work_begun_total", "access" => access).increment(1);
    }

    /// The unit has begun on this server, if the database has several.
    pub(crate) fn uses(&self, server: Option<&Arc<NamedServer>>) {
        if let Some(server) = server {
            self.server.get_or_init(|| server.role);
        }
    }

    pub(crate) fn server(&self) -> Option<ServerRole> {
        self.server.get().copied()
    }

    pub(crate) fn statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("unit_of_work_statements_total").increment(1);
    }

    /// The unit's one statement was shared with other operations, and made on this server, if the database has several.
    pub(crate) fn shared(&self, access: Access, server: Option<ServerRole>) {
        self.begun(access);
        if let Some(role) = server {
            self.server.get_or_init(|| role);
        }
        self.statements.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("unit_of_work_look_ups_shared_total").increment(1);
    }

    /// The connection is free again.
    pub(crate) fn held(&self) {
        if let Some(begun) = self.begun.get() {
            metrics::histogram!("unit_of_work_held_seconds").record(begun.elapsed());
        }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.get().is_some()
    }

    pub(crate) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    pub(crate) fn wait(&self) -> Duration {
        Duration::from_micros(self.wait_micros.load(Ordering::Relaxed))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.created.elapsed()
    }
}

/// One span per attempt of an operation; its outcome is filled in when the unit has ended.
pub(crate) fn operation_span(kind: &'static str, name: Option<&str>, attempt: u32) -> Span {
    tracing::info_span!(
        "graphql.operation",
        "graphql.operation.type" = kind,
        "graphql.operation.name" = name,
        unit.attempt = attempt,
        unit.outcome = Empty,
        unit.reason = Empty,
        unit.statements = Empty,
        unit.microseconds = Empty,
    )
}

/// One span per batch that is one unit, around those of its operations.
pub(crate) fn batch_span() -> Span {
    tracing::info_span!(
        "graphql.batch",
        unit.outcome = Empty,
        unit.reason = Empty,
        unit.statements = Empty,
        unit.microseconds = Empty,
    )
}

/// One span per unit outside of any operation, if tracing is on; otherwise the current span.
pub(crate) fn unit_span(name: Option<&str>) -> Span {
    let span = tracing::debug_span!(
        "unit_of_work",
        unit.name = name,
        unit.outcome = Empty,
        unit.reason = Empty,
        unit.statements = Empty,
        unit.microseconds = Empty,
    );
    if span.is_disabled() {
        Span::current()
    } else {
        span
    }
}

/// One span per step, if tracing is on, with the names of OpenTelemetry's conventions. Of a statement it has only the verb, since the text
/// may contain values.
pub(crate) fn step_span(step: Step, backend: DbBackend, sql: Option<&str>) -> Span {
    tracing::debug_span!(
        "database",
        otel.name = sql.map_or(step.name(), verb),
        otel.kind = if step == Step::Wait { "internal" } else { "client" },
        otel.status_code = Empty,
        db.system.name = words(backend).system_name,
        db.operation.name = sql.map_or(step.name(), verb),
        error.type = Empty,
    )
}

pub(crate) fn step_failed(span: &Span, failure: FailureKind) {
    span.record("error.type", failure.name());
    span.record("otel.status_code", "ERROR");
}

/// The verb of a statement: its first word.
fn verb(sql: &str) -> &str {
    let is_letter = |character: char| character.is_ascii_alphabetic();
    let sql = sql.trim_start_matches(|character| !is_letter(character));
    let end = sql.find(|character| !is_letter(character));
    &sql[..end.unwrap_or(sql.len())]
}

/// Records how a unit ended in its span and in the metrics.
pub(crate) fn record(span: &Span, stats: &Stats, outcome: &Outcome) {
    match outcome {
        Outcome::Untouched => {}
        Outcome::Read => metrics::counter!("unit_of_work_read_total").increment(1),
        Outcome::Committed => metrics::counter!("unit_of_work_committed_total").increment(1),
        Outcome::Replayed => metrics::counter!("unit_of_work_replayed_total").increment(1),
        Outcome::RolledBack(reason) => rolled_back(*reason),
        Outcome::CommitFailed(_) => rolled_back(Reason::CommitFailed),
        Outcome::Unknown => metrics::counter!("unit_of_work_unknown_total").increment(1),
    }
    if span.is_disabled() {
        return;
    }
    tracing::record_all!(
        span,
        unit.outcome = outcome.name(),
        unit.reason = outcome.reason().map(Reason::name),
        unit.statements = stats.statements(),
        unit.microseconds = micros(stats.elapsed()),
    );
    tracing::debug!(parent: span, "the operation has ended");
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn rolled_back(reason: Reason) {
    metrics::counter!("unit_of_work_rolled_back_total", "reason" => reason.name()).increment(1);
}

impl Outcome {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Untouched => "UNTOUCHED",
            Self::Read => "READ",
            Self::Committed => "COMMITTED",
            Self::Replayed => "REPLAYED",
            Self::RolledBack(_) | Self::CommitFailed(_) => "ROLLED_BACK",
            Self::Unknown => "UNKNOWN",
        }
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Self::RolledBack(reason) => Some(*reason),
            Self::CommitFailed(_) => Some(Reason::CommitFailed),
            _ => None,
        }
    }
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Doomed => "DOOMED",
            Self::Deadline => "DEADLINE",
            Self::ClientGone => "CLIENT_GONE",
            Self::Panic => "PANIC",
            Self::CommitFailed => "COMMIT_FAILED",
            Self::RollbackOnly => "ROLLBACK_ONLY",
            Self::DryRun => "DRY_RUN",
            Self::SharedCommit => "SHARED_COMMIT",
        }
    }
}
