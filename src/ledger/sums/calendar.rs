//! Days, weeks and months of a time zone.

use crate::ledger::InvalidInput;
use chrono::{
    DateTime, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::Tz;

/// The most periods of a series: more than a year of days.
const MOST_PERIODS: usize = 400;

/// How long the periods of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// A day of the calendar.
    Day,
    /// Seven days.
    Week,
    /// A month of the calendar.
    Month,
}

/// Periods that follow each other: each begins a whole number of days, weeks or months after the first one does, at the same time of
/// day in the time zone. Where the month is too short for the day, at its last day: 31 January, 28 February, 31 March.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// How long they are.
    pub every: Every,
    /// Whose days they are.
    pub time_zone: Tz,
}

/// The time zone of this name in the IANA database, such as `Europe/Berlin`.
///
/// # Errors
/// When there is none.
pub fn time_zone(field: &str, name: &str) -> Result<Tz, InvalidInput> {
    name.parse().map_err(|_| {
        InvalidInput::new(
            field,
            "is no time zone: write its name in the IANA database, such as `Europe/Berlin` or `UTC`",
        )
    })
}

impl Series {
    /// The instants between `from` and `until` at which a period ends and the next one begins.
    pub(super) fn cuts(
        self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<DateTime<Utc>>, InvalidInput> {
        let first = from.with_timezone(&self.time_zone).naive_local();
        let mut cuts = Vec::new();
        for number in 1.. {
            // After the last year that there is, nothing is cut.
            let Some(cut) = self.after(first, number) else {
                break;
            };
            if cut >= until {
                break;
            }
            // Where clocks are set back over midnight, two local times can be one instant.
            if cut > cuts.last().copied().unwrap_or(from) {
                cuts.push(cut);
            }
            if cuts.len() >= MOST_PERIODS {
                return Err(InvalidInput::new(
                    "every",
                    format!(
                        "cuts the period into more than {MOST_PERIODS}: ask for a shorter one, or for longer parts"
                    ),
                ));
            }
        }
        Ok(cuts)
    }

    /// The beginning of the period with this number.
    fn after(self, first: NaiveDateTime, number: u32) -> Option<DateTime<Utc>> {
        let local = match self.every {
            Every::Day => first.checked_add_days(Days::new(u64::from(number)))?,
            Every::Week => first.checked_add_days(Days::new(7 * u64::from(number)))?,
            Every::Month => first.checked_add_months(Months::new(number))?,
        };
        first_instant(self.time_zone, local)
    }
}

/// When a clock in the time zone shows this first; where it is set forward over it, when it has been.
fn first_instant(time_zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let found = |local: &NaiveDateTime| time_zone.from_local_datetime(local).earliest();
    if let Some(instant) = found(&local) {
        return Some(instant.with_timezone(&Utc));
    }
    // The instant at which the clock jumps: a known one before, and the time that would have passed.
    let before = local.checked_sub_signed(TimeDelta::days(1))?;
    let instant = found(&before)?.with_timezone(&Utc) + TimeDelta::days(1);
    Some(instant)
}

/// The first instant of a day in a time zone, and the first instant after it.
///
/// # Errors
/// When the calendar ends with the day.
pub fn day(
    field: &str,
    date: NaiveDate,
    time_zone: Tz,
) -> Result<(DateTime<Utc>, DateTime<Utc>), InvalidInput> {
    let first = |date: NaiveDate| first_instant(time_zone, date.and_time(NaiveTime::MIN));
    let ends = (
        first(date),
        date.checked_add_days(Days::new(1)).and_then(first),
    );
    let (Some(first), Some(after)) = ends else {
        return Err(InvalidInput::new(field, "must be in the years 1 to 9999"));
    };
    Ok((first, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(every: Every, zone: &str, from: &str, until: &str) -> Vec<String> {
        let series = Series {
            every,
            time_zone: time_zone("timeZone", zone).unwrap(),
        };
        let cuts = series.cuts(from.parse().unwrap(), until.parse().unwrap());
        cuts.unwrap()
            .iter()
            .map(|cut| cut.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
            .collect()
    }

    #[test]
    fn months_end_where_they_end() {
        assert_eq!(
            cuts(
                Every::Month,
                "UTC",
                "2024-01-31T00:00:00Z",
                "2024-05-01T00:00:00Z"
            ),
            [
                "2024-02-29T00:00:00Z",
                "2024-03-31T00:00:00Z",
                "2024-04-30T00:00:00Z"
            ]
        );
        assert_eq!(
            cuts(
                Every::Month,
                "UTC",
                "2023-02-01T00:00:00Z",
                "2023-04-01T00:00:00Z"
            ),
            ["2023-03-01T00:00:00Z"]
        );
    }

    #[test]
    fn days_are_those_of_the_time_zone() {
        // In 2026, clocks in Berlin are set forward on 29 March.
        assert_eq!(
            cuts(
                Every::Day,
                "Europe/Berlin",
                "2026-03-28T00:00:00+01:00",
                "2026-03-31T00:00:00+02:00"
            ),
            ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]
        );
        assert_eq!(
            cuts(
                Every::Month,
                "Europe/Berlin",
                "2026-03-01T00:00:00+01:00",
                "2026-05-01T00:00:00+02:00"
            ),
            ["2026-03-31T22:00:00Z"]
        );
        // In São Paulo there was no midnight on 4 November 2018.
        assert_eq!(
            cuts(
                Every::Day,
                "America/Sao_Paulo",
                "2018-11-03T00:00:00-03:00",
                "2018-11-05T00:00:00-02:00"
            ),
            ["2018-11-04T03:00:00Z"]
        );
    }

    #[test]
    fn a_day_is_as_long_as_the_clocks_say() {
        for (zone, date, first, after) in [
            (
                "UTC",
                "2026-03-31",
                "2026-03-31T00:00:00Z",
                "2026-04-01T00:00:00Z",
            ),
            (
                "Europe/Berlin",
                "2026-03-29",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                "Europe/Berlin",
                "2026-10-25",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            (
                "America/Sao_Paulo",
                "2018-11-04",
                "2018-11-04T03:00:00Z",
                "2018-11-05T02:00:00Z",
            ),
            // Samoa crossed the date line: this day was left out.
            (
                "Pacific/Apia",
                "2011-12-30",
                "2011-12-30T10:00:00Z",
                "2011-12-30T10:00:00Z",
            ),
        ] {
            let date = date.parse().unwrap();
            let day = day("at", date, time_zone("timeZone", zone).unwrap()).unwrap();
            let expected: (DateTime<Utc>, DateTime<Utc>) =
                (first.parse().unwrap(), after.parse().unwrap());
            assert_eq!(day, expected, "{zone} {date}");
        }
        assert!(day("at", NaiveDate::MAX, Tz::UTC).is_err());
    }

    #[test]
    fn a_series_is_bounded() {
        let series = Series {
            every: Every::Day,
            time_zone: Tz::UTC,
        };
        let (from, until) = ("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z");
        assert!(
            series
                .cuts(from.parse().unwrap(), until.parse().unwrap())
                .is_err()
        );
        assert!(time_zone("timeZone", "Mars/Olympus").is_err());
    }
}
