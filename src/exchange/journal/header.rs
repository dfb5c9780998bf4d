//! The first line of a transaction: `DATE[=DATE] [*|!] [(CODE)] [DESCRIPTION] [; COMMENT]`.

use chrono::NaiveDate;

pub(super) struct Header {
    pub(super) date: NaiveDate,
    pub(super) secondary: Option<NaiveDate>,
    pub(super) status: Option<&'static str>,
    pub(super) code: Option<String>,
    pub(super) description: String,
    pub(super) comment: Option<String>,
}

/// # Errors
/// What is wrong, as a sentence.
pub(super) fn parse(text: &str, year: Option<i32>) -> Result<Header, String> {
    let (dates, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let (first, second) = match dates.split_once('=') {
        Some((first, second)) => (first, Some(second)),
        None => (dates, None),
    };
    let first = date(first, year)?;
    // A secondary date takes the year of the first.
    let second = second.map(|text| date(text, Some(chrono::Datelike::year(&first))));
    let (text, comment) = match rest.split_once(';') {
        Some((text, comment)) => (text.trim(), Some(comment.trim().to_owned())),
        None => (rest.trim(), None),
    };
    let (status, text) = match text.chars().next() {
        Some('*') => (Some("cleared"), text[1..].trim_start()),
        Some('!') => (Some("pending"), text[1..].trim_start()),
        _ => (None, text),
    };
    let code = text.strip_prefix('(').and_then(|text| text.split_once(')'));
    let (code, description) = match code {
        Some((code, rest)) => (Some(code.trim().to_owned()), rest.trim_start()),
        None => (None, text),
    };
    Ok(Header {
        date: first,
        secondary: second.transpose()?,
        status,
        code: code.filter(|code| !code.is_empty()),
        description: description.to_owned(),
        comment: comment.filter(|comment| !comment.is_empty()),
    })
}

/// A date: `2026-11-25`, `2026/11/25`, `2026.11.25`, each with fewer digits too; without a year where the journal has said which.
///
/// # Errors
/// What is wrong, as a sentence.
pub(super) fn date(text: &str, year: Option<i32>) -> Result<NaiveDate, String> {
    let wrong = |advice: &str| format!("`{text}` is no date: {advice}");
    let numbers: Option<Vec<i32>> = text
        .split(['-', '/', '.'])
        .map(|part| {
            part.parse()
                .ok()
                .filter(|_| part.bytes().all(|b| b.is_ascii_digit()))
        })
        .collect();
    let (year, month, day) = match (numbers.as_deref(), year) {
        (Some(&[year, month, day]), _) if (1..=9999).contains(&year) => (year, month, day),
        (Some(&[month, day]), Some(year)) => (year, month, day),
        (Some(&[_, _]), None) => {
            return Err(wrong(
                "write its year, or say it before with a line like `Y2026`",
            ));
        }
        _ => return Err(wrong("write it like 2026-11-25")),
    };
    let part = |number: i32| u32::try_from(number).unwrap_or(0);
    NaiveDate::from_ymd_opt(year, part(month), part(day))
        .ok_or_else(|| wrong("the calendar does not have it"))
}
