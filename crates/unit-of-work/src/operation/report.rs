//! `extensions.unitOfWork` of a response: a report of what the operation's unit did.

use async_graphql::{Name, Response, Value, indexmap::IndexMap};
use sea_orm::IsolationLevel;

use crate::unit::{Outcome, UnitOfWork};

/// Whether a response has a report of its unit in `extensions.unitOfWork`. Put it into a request's data to override the extension's setting
/// for that request. The variants are ordered by how much they report.
///
/// ```
/// let request = async_graphql::Request::new("{ one }").data(unit_of_work::Report::InExtensions);
/// # let _ = request;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Report {
    /// No report.
    #[default]
    Off,
    /// Outcome, isolation, statements and milliseconds are in `extensions.unitOfWork`; and, where the database has several servers, whether
    /// the last attempt has used the `PRIMARY` or a `REPLICA`.
    InExtensions,
    /// As [`Report::InExtensions`], with a `timeline` of all attempts: each wait, and each statement with its text (without parameters),
    /// its field, when it began, how long it took, and its server where the database has several.
    ///
    /// It reveals the structure of the database, literals in statements, and the hosts and ports of servers. It is for developers, not for clients in production.
    Timeline,
}

/// Adds the report of a unit to a response.
pub(crate) fn put(
    response: &mut Response,
    unit: &UnitOfWork,
    outcome: &Outcome,
    attempts: u32,
    wanted: Report,
) {
    if wanted == Report::Off {
        return;
    }
    let mut report = of(unit, outcome, attempts);
    if wanted == Report::Timeline
        && let Some(timeline) = unit.timeline()
    {
        let (steps, left_out) = timeline.tell();
        report.insert(Name::new("timeline"), steps);
        if left_out > 0 {
            report.insert(Name::new("stepsLeftOut"), Value::from(left_out));
        }
    }
    let report = Value::Object(report);
    response.extensions.insert("unitOfWork".to_owned(), report);
}

fn of(unit: &UnitOfWork, outcome: &Outcome, attempts: u32) -> IndexMap<Name, Value> {
    let stats = unit.stats();
    let begun = stats.has_begun();
    let mut report = IndexMap::new();
    let mut put = |name: &'static str, value: Value| report.insert(Name::new(name), value);
    put("outcome", Value::from(outcome.name()));
    put(
        "reason",
        outcome
            .reason()
            .map_or(Value::Null, |reason| Value::from(reason.name())),
    );
    put(
        "isolation",
        if begun {
            Value::from(isolation_name(unit.isolation()))
        } else {
            Value::Null
        },
    );
    put(
        "access",
        if begun {
            Value::from(unit.access().name())
        } else {
            Value::Null
        },
    );
    put(
        "server",
        stats
            .server()
            .map_or(Value::Null, |role| Value::from(role.name())),
    );
    put("attempts", Value::from(attempts));
    put("statements", Value::from(stats.statements()));
    put("milliseconds", milliseconds(stats.elapsed()));
    put("waitMilliseconds", milliseconds(stats.wait()));
    report
}

/// Milliseconds with three digits after the point: no clock here is better than that.
pub(crate) fn milliseconds(time: std::time::Duration) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a duration of 285 years is not met here"
    )]
    let rounded = (time.as_micros() as f64) / 1_000.0;
    Value::from(rounded)
}

pub(crate) fn isolation_name(level: IsolationLevel) -> &'static str {
    match level {
        IsolationLevel::RepeatableRead => "REPEATABLE READ",
        IsolationLevel::ReadCommitted => "READ COMMITTED",
        IsolationLevel::ReadUncommitted => "READ UNCOMMITTED",
        IsolationLevel::Serializable => "SERIALIZABLE",
    }
}
