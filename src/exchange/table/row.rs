//! Reads a row: finds the columns, and parses their values.

use crate::exchange::amount::number;
use crate::exchange::refusal::Refusal;
use crate::exchange::transaction::Posting;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use csv::StringRecord;
use daybook_entity::Side;
use sea_orm::ActiveEnum;
use serde_json::Value as Json;

/// All columns, in the order of an export.
pub(in crate::exchange) const HEADER: [&str; 13] = [
    "entry",
    "date",
    "description",
    "debit",
    "debit_side",
    "credit",
    "credit_side",
    "amount",
    "currency",
    "metadata",
    "kind",
    "recorded_at",
    "reference",
];
const NEEDED: [&str; 5] = ["date", "debit", "credit", "amount", "currency"];

/// The place of each column of [`HEADER`].
pub(super) type Places = [Option<usize>; HEADER.len()];

pub(super) struct Row {
    pub(super) line: u64,
    pub(super) entry: String,
    pub(super) effective_at: DateTime<Utc>,
    pub(super) description: Option<String>,
    pub(super) metadata: Option<Json>,
    pub(super) reference: Option<String>,
    pub(super) postings: [Posting; 2],
}

/// Finds the columns by the header.
pub(super) fn places(header: &StringRecord) -> Result<Places, Refusal> {
    let mut places = [None; HEADER.len()];
    for (place, name) in header.iter().enumerate() {
        let name = name.trim();
        let Some(column) = HEADER.iter().position(|column| *column == name) else {
            let known = HEADER.join(", ");
            return Err(Refusal::of_line(
                1,
                format!(
                    "`{name}` is no column that can be imported: take it out; the columns are {known}"
                ),
            ));
        };
        if places[column].replace(place).is_some() {
            return Err(Refusal::of_line(
                1,
                format!("there are two columns `{name}`: take one out"),
            ));
        }
    }
    for name in NEEDED {
        if HEADER
            .iter()
            .zip(&places)
            .any(|(column, place)| *column == name && place.is_none())
        {
            let needed = NEEDED.join(", ");
            return Err(Refusal::of_line(
                1,
                format!(
                    "there is no column `{name}`: the first row names the columns, of which {needed} are needed"
                ),
            ));
        }
    }
    Ok(places)
}

pub(super) fn row(record: &StringRecord, places: &Places) -> Result<Row, Refusal> {
    let line = record.position().map_or(0, csv::Position::line);
    let refuse = |problem: String| Refusal::of_line(line, problem);
    let get = |name: &str| {
        let place = HEADER
            .iter()
            .zip(places)
            .find(|(column, _)| **column == name);
        let field = place.and_then(|(_, place)| record.get((*place)?));
        field.unwrap_or_default().trim()
    };
    let optional = |name: &str| Some(get(name)).filter(|text| !text.is_empty());
    let side = |name: &str| match optional(name) {
        None => Ok(None),
        Some(text) => match Side::try_from_value(&text.to_owned()) {
            Ok(side) => Ok(Some(side)),
            Err(_) => Err(refuse(format!(
                "`{text}` is no `{name}`: write DEBIT, CREDIT or nothing"
            ))),
        },
    };
    let amount = get("amount");
    let is_plain = amount.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let read = if is_plain {
        number(amount, Some('.'))
    } else {
        Err("is no positive number, with a point before its decimal places".to_owned())
    };
    let number = read.map_err(|problem| refuse(format!("the amount `{amount}` {problem}")))?;
    if number.quantity == 0 {
        return Err(refuse(
            "the amount is zero, and a line moves something: take the row out".to_owned(),
        ));
    }
    let metadata = match optional("metadata") {
        None => None,
        Some(text) => Some(
            serde_json::from_str(text)
                .map_err(|error| refuse(format!("the metadata is no JSON ({error})")))?,
        ),
    };
    let posting = |account: &str, side: Option<Side>, sign: i128| {
        if account.is_empty() {
            return Err(refuse(
                "`debit` and `credit` name an account each: write the one that is missing"
                    .to_owned(),
            ));
        }
        Ok(Posting {
            line,
            account: account.to_owned(),
            side,
            symbol: get("currency").to_owned(),
            quantity: sign * number.quantity,
            places: number.places,
        })
    };
    let debit = posting(get("debit"), side("debit_side")?, 1)?;
    let credit = posting(get("credit"), side("credit_side")?, -1)?;
    if debit.account == credit.account {
        return Err(refuse(
            "`debit` and `credit` are the same account, and a line moves money between two"
                .to_owned(),
        ));
    }
    Ok(Row {
        line,
        entry: get("entry").to_owned(),
        effective_at: instant(get("date")).ok_or_else(|| {
            refuse(format!(
                "`{}` is no date: write it like 2026-11-25, or 2026-11-25T12:00:00Z",
                get("date")
            ))
        })?,
        description: optional("description").map(str::to_owned),
        metadata,
        reference: optional("reference").map(str::to_owned),
        postings: [debit, credit],
    })
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    text.parse().ok()
}
