//! `extensions.unitOfWork` of a response: what the operation's unit did, for people who look.

use async_graphql::{Name, Response, Value, indexmap::IndexMap};
use sea_orm::IsolationLevel;

use crate::unit::{Outcome, UnitOfWork};

/// Whether a response tells of its unit in `extensions.unitOfWork`. Put it into a request's data to override the
/// setting of the extension for that request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Report {
    /// The response says nothing of it.
    #[default]
    Off,
    /// Outcome, isolation, statements and milliseconds are in `extensions.unitOfWork`.
    InExtensions,
}

/// Puts the report of a unit into a response.
pub(crate) fn put(response: &mut Response, unit: &UnitOfWork, outcome: &Outcome, attempts: u32) {
    let report = of(unit, outcome, attempts);
    response.extensions.insert("unitOfWork".to_owned(), report);
}

fn of(unit: &UnitOfWork, outcome: &Outcome, attempts: u32) -> Value {
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
    put("attempts", Value::from(attempts));
    put("statements", Value::from(stats.statements()));
    put("milliseconds", milliseconds(stats.elapsed()));
    put("waitMilliseconds", milliseconds(stats.wait()));
    Value::Object(report)
}

/// Milliseconds with three digits after the point: no clock here is better than that.
fn milliseconds(time: std::time::Duration) -> Value {
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
