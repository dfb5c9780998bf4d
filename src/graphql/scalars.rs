//! The scalars of the schema.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{NaiveDate, NaiveTime, SecondsFormat, Utc};

/// The scalar `Int64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int64(pub i64);

/// A signed 64-bit integer. Written as a string, because JavaScript's numbers end at 2^53; read from a string or an
/// integer.
#[Scalar]
impl ScalarType for Int64 {
    fn parse(value: Value) -> InputValueResult<Self> {
        let parsed = match &value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        parsed.map(Self).ok_or_else(|| {
            InputValueError::custom(format!(
                "{value} is not a signed 64-bit integer; write it as \"1500\" or 1500"
            ))
        })
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// The scalar `DateTime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime(pub chrono::DateTime<Utc>);

/// An instant, as RFC 3339 has it with an offset: `2026-01-31T12:00:00.000000Z`. Kept to the microsecond, and written in
/// UTC. Where a point or a range of time is given, a date is read too, and means the whole day: `2026-01-31` begins a range with the
/// day's first instant, and ends one after the day. The day is one of UTC, or of the `timeZone` beside it.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        // A day stands for its first instant, where nothing else is said: `super::time` says more.
        match read(&value) {
            Some(Read::Instant(instant)) => Ok(Self(instant)),
            Some(Read::Day(day)) => Ok(Self(day.and_time(NaiveTime::MIN).and_utc())),
            None => Err(InputValueError::custom(unreadable(&value))),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

/// What a `DateTime` can be read as.
pub(super) enum Read {
    Instant(chrono::DateTime<Utc>),
    Day(NaiveDate),
}

/// Reads a `DateTime`; `None` if it is neither an instant nor a date.
pub(super) fn read(value: &Value) -> Option<Read> {
    let Value::String(text) = value else {
        return None;
    };
    // The parser of dates also takes `2026-1-1` and `+2026-01-01`.
    if text.len() == "2026-01-31".len() && text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return (date.to_string() == *text).then_some(Read::Day(date));
    }
    let instant = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(Read::Instant(instant.with_timezone(&Utc)))
}

/// The refusal of a value that is not a `DateTime`.
pub(super) fn unreadable(value: &Value) -> String {
    format!(
        "{value} is not an instant with an offset; write it as \"2026-01-31T12:00:00Z\", or as a date, \"2026-01-31\""
    )
}

/// The scalar `CurrencyCode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrencyCode(pub String);

/// The code of a currency: `EUR`, `JPY`, or one of your own of 3 to 12 capital letters and digits.
#[Scalar]
impl ScalarType for CurrencyCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(code)
                if (3..=12).contains(&code.len())
                    && code
                        .bytes()
                        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) =>
            {
                Ok(Self(code))
            }
            other => Err(InputValueError::custom(format!(
                "{other} is not a currency's code; write 3 to 12 capital letters and digits, such as \"EUR\""
            ))),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// The scalar `JSON`.
#[derive(Clone, Debug, PartialEq)]
pub struct Json(pub serde_json::Value);

/// Any JSON value.
#[Scalar(name = "JSON")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value.into_json()?))
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}
