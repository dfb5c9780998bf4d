//! The ends of time: what a point or a range of time means where it is given as an instant, and where it is given as a date.
//!
//! A range contains its beginning and not its end. A point contains itself. A date is a whole day, so a range that begins or ends with it
//! contains the day, and a point that it gives is the end of the day.

use std::borrow::Cow;

use async_graphql::{
    InputType, InputValueError, InputValueResult, Result, Value, registry::Registry,
};
use chrono::{NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    refusal::{bad_input, refuse},
    scalars::{DateTime, Read, read, unreadable},
};
use crate::ledger;

/// A `DateTime` of a point or a range of time: an instant, or a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// An instant.
    Instant(chrono::DateTime<Utc>),
    /// A day, of the time zone that is given beside it.
    Day(NaiveDate),
}

/// To the schema, it is the scalar `DateTime`.
impl InputType for Time {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <DateTime as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <DateTime as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        let value = value.unwrap_or_default();
        match read(&value) {
            Some(Read::Instant(instant)) => Ok(Self::Instant(instant)),
            Some(Read::Day(day)) => Ok(Self::Day(day)),
            None => Err(InputValueError::custom(unreadable(&value))),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(match self {
            Self::Instant(instant) => instant.to_rfc3339_opts(SecondsFormat::Micros, true),
            Self::Day(day) => day.to_string(),
        })
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

impl Time {
    /// The instant. A date is refused: it does not say which of the day's instants is meant.
    pub(super) fn instant(self, field: &str) -> Result<chrono::DateTime<Utc>> {
        match self {
            Self::Instant(instant) => Ok(instant),
            Self::Day(day) => Err(bad_input(
                field,
                &format!("it is a date; write an instant, such as \"{day}T00:00:00Z\""),
            )),
        }
    }
}

/// Whose days the dates of an input are.
pub(super) struct Days {
    time_zone: Tz,
    /// Where the time zone was given, while nothing has needed it.
    unused: Option<String>,
}

impl Days {
    /// The days of this time zone, which was given as `field`; of UTC by default.
    pub(super) fn of(field: &str, time_zone: Option<&str>) -> Result<Self> {
        let name = time_zone.unwrap_or("UTC");
        Ok(Self {
            time_zone: ledger::time_zone(field, name).map_err(refuse)?,
            unused: time_zone.map(|_| field.to_owned()),
        })
    }

    /// The time zone, for what needs it whatever is given as a date.
    pub(super) fn time_zone(&mut self) -> Tz {
        self.unused = None;
        self.time_zone
    }

    fn day(
        &mut self,
        field: &str,
        day: NaiveDate,
    ) -> Result<(chrono::DateTime<Utc>, chrono::DateTime<Utc>)> {
        ledger::day(field, day, self.time_zone()).map_err(refuse)
    }

    /// The beginning of a range, which is in it.
    pub(super) fn from(
        &mut self,
        field: &str,
        time: Option<Time>,
    ) -> Result<Option<chrono::DateTime<Utc>>> {
        Ok(match time {
            None => None,
            Some(Time::Instant(instant)) => Some(instant),
            Some(Time::Day(day)) => Some(self.day(field, day)?.0),
        })
    }

    /// The end of a range, which is not in it.
    pub(super) fn until(
        &mut self,
        field: &str,
        time: Option<Time>,
    ) -> Result<Option<chrono::DateTime<Utc>>> {
        Ok(match time {
            None => None,
            Some(Time::Instant(instant)) => Some(instant),
            Some(Time::Day(day)) => Some(self.day(field, day)?.1),
        })
    }

    /// A point, which contains itself: of a day, its last microsecond.
    pub(super) fn at(&mut self, field: &str, time: Time) -> Result<chrono::DateTime<Utc>> {
        Ok(match time {
            Time::Instant(instant) => instant,
            Time::Day(day) => self.day(field, day)?.1 - TimeDelta::microseconds(1),
        })
    }

    /// Refuses a time zone that nothing needed: whoever gave it believes that it matters.
    pub(super) fn finish(self, needs: &str) -> Result<()> {
        match self.unused {
            None => Ok(()),
            Some(field) => Err(bad_input(&field, &format!("it needs {needs}"))),
        }
    }
}
