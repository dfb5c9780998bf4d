//! What people write in commands: dates, amounts, classes.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

/// A day, or an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A day of the time zone that is given beside it.
    Day(NaiveDate),
    /// An instant.
    Instant(DateTime<Utc>),
}

impl When {
    /// As the API takes it.
    #[must_use]
    pub fn to_api(self) -> String {
        match self {
            Self::Day(day) => day.to_string(),
            Self::Instant(instant) => instant.to_rfc3339_opts(SecondsFormat::Micros, true),
        }
    }

    /// The point of time just before this: the day before, or a microsecond earlier, which is as exactly as the ledger keeps instants.
    /// `None` before the first day that the ledger knows.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        match self {
            Self::Day(day) => day.pred_opt().filter(|day| day.year() > 0).map(Self::Day),
            Self::Instant(instant) => instant
                .checked_sub_signed(TimeDelta::microseconds(1))
                .filter(|instant| instant.year() > 0)
                .map(Self::Instant),
        }
    }

    /// Whether a time zone says which day this is.
    #[must_use]
    pub fn is_day(self) -> bool {
        matches!(self, Self::Day(_))
    }
}

/// A date or an instant.
pub(super) fn when(text: &str) -> Result<When, String> {
    let is_date = text.len() == "2026-01-31".len() && text.is_ascii();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    if let Some(day) = day.filter(|day| is_date && day.year() > 0) {
        return Ok(When::Day(day));
    }
    DateTime::parse_from_rfc3339(text)
        .map(|instant| When::Instant(instant.to_utc()))
        .map_err(|_| {
            "a date such as 2026-01-31, or an instant such as 2026-01-31T12:00:00+01:00".to_owned()
        })
}

/// A time zone of the IANA database.
pub(super) fn time_zone(text: &str) -> Result<Tz, String> {
    text.parse()
        .map_err(|_| "the name of a time zone, such as Europe/Berlin or UTC".to_owned())
}

/// An amount as it was written, before it is known how many decimal places its currency has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    /// The digits before and after the point.
    digits: String,
    /// How many of them are after the point.
    places: usize,
}

/// Why an amount cannot be one of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongAmount {
    /// It is finer than the currency.
    #[error("has only {0} decimal places")]
    TooFine(usize),
    /// It is beyond 64 bits.
    #[error("has no amount as large as this")]
    TooLarge,
}

impl Amount {
    /// The amount in minor units of a currency with so many decimal places. Nothing is rounded.
    ///
    /// # Errors
    /// [`WrongAmount`].
    pub fn minor_units(&self, exponent: usize) -> Result<i64, WrongAmount> {
        let too_large = |_| WrongAmount::TooLarge;
        let digits = match exponent.checked_sub(self.places) {
            Some(missing) => format!("{}{}", self.digits, "0".repeat(missing)),
            None => {
                let (kept, rest) = self
                    .digits
                    .split_at(self.digits.len() - (self.places - exponent));
                if rest.bytes().any(|digit| digit != b'0') {
                    return Err(WrongAmount::TooFine(exponent));
                }
                kept.to_owned()
            }
        };
        digits.parse().map_err(too_large)
    }
}

/// A positive amount.
pub(super) fn amount(text: &str) -> Result<Amount, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let digits = format!("{whole}{fraction}");
    let is_amount = is_number(whole)
        && (is_number(fraction) || !text.contains('.'))
        // More than any amount has. The number of digits must not cost anything.
        && digits.len() <= 60;
    if text.starts_with('-') || (is_amount && digits.bytes().all(|digit| digit == b'0')) {
        return Err(
            "a positive amount: to move it the other way, exchange --debit and --credit".to_owned(),
        );
    }
    if is_amount {
        return Ok(Amount {
            digits,
            places: fraction.len(),
        });
    }
    Err("an amount such as 12.34: digits, with a point before the decimals, no separators, and the currency in --currency".to_owned())
}

/// The value of an enum of the API, written as people write it.
fn word(text: &str, words: &[&'static str], expected: &str) -> Result<&'static str, String> {
    let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
    found.copied().ok_or_else(|| expected.to_owned())
}

/// The class of an account.
pub(super) fn class(text: &str) -> Result<&'static str, String> {
    let words = ["ASSET", "LIABILITY", "EQUITY", "INCOME", "EXPENSE"];
    word(text, &words, "asset, liability, equity, income or expense")
}

/// The status of an account.
pub(super) fn status(text: &str) -> Result<&'static str, String> {
    word(
        text,
        &["OPEN", "FROZEN", "CLOSED"],
        "open, frozen or closed",
    )
}

/// Adds a pair to an object of metadata.
pub(super) fn pair(text: &str, all: &mut Map<String, Json>) -> Result<(), String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or("a key and its text, such as order=17")?;
    match all.insert(key.to_owned(), value.into()) {
        None => Ok(()),
        Some(_) => Err("each key once".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_exact_or_refused() {
        for (text, exponent, expected) in [
            ("12.34", 2, Ok(1234)),
            ("12.3", 2, Ok(1230)),
            ("12", 2, Ok(1200)),
            ("007", 0, Ok(7)),
            ("0.01", 2, Ok(1)),
            ("1.2300", 2, Ok(123)),
            ("1.234", 2, Err(WrongAmount::TooFine(2))),
            ("0.5", 0, Err(WrongAmount::TooFine(0))),
            ("12.0", 0, Ok(12)),
            ("92233720368547758.07", 2, Ok(i64::MAX)),
            ("92233720368547758.08", 2, Err(WrongAmount::TooLarge)),
            ("9.223372036854775807", 18, Ok(i64::MAX)),
            ("10", 18, Err(WrongAmount::TooLarge)),
        ] {
            assert_eq!(
                amount(text).unwrap().minor_units(exponent),
                expected,
                "{text}"
            );
        }
        for wrong in [
            "",
            ".",
            "1.",
            ".5",
            "1,5",
            "1 000",
            "1'000",
            "1.000.000",
            "€1",
            "1e3",
            "+1",
            "١",
            "0x1",
            &"1".repeat(61),
        ] {
            let problem = amount(wrong).unwrap_err();
            assert!(
                problem.starts_with("an amount such as"),
                "{wrong}: {problem}"
            );
        }
        for not_positive in ["-1", "0", "0.00", "-0"] {
            let problem = amount(not_positive).unwrap_err();
            assert!(
                problem.starts_with("a positive amount"),
                "{not_positive}: {problem}"
            );
        }
    }

    #[test]
    fn a_date_is_a_day_and_what_is_before_it_is_exact() {
        let day = when("2026-03-01").unwrap();
        assert_eq!(day.before(), Some(when("2026-02-28").unwrap()));
        assert_eq!(day.to_api(), "2026-03-01");
        let instant = when("2026-03-01T01:00:00+01:00").unwrap();
        assert_eq!(instant.to_api(), "2026-03-01T00:00:00.000000Z");
        let before = instant.before().unwrap();
        assert_eq!(before.to_api(), "2026-02-28T23:59:59.999999Z");
        assert_eq!(when("0001-01-01").unwrap().before(), None);
        assert_eq!(when("0001-01-01T00:00:00Z").unwrap().before(), None);
        for wrong in [
            "",
            "today",
            "2026-3-1",
            "2026-02-30",
            "01.03.2026",
            "0000-01-01",
            "+2026-01-01",
            "2026-03-01T00:00:00",
            " 2026-3-1 ",
        ] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }
}
