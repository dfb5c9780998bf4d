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
/// A sentence that says what is wrong.
pub(super) fn parse(text: &str, year: Option<i32>) -> Result<Header, String> {
    let (dates, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let (first, second) = match dates.split_once('=') {
        Some((first, second)) => (first, Some(second)),
        None => (dates, None),
    };
    let first = date(first, year)?;
    // A secondary date without a year has that of the first.
    let second = second.map(|text| date(text, Some(chrono::Datelike::year(&first))));
    let text = rest.trim();
    let (status, text) = match text.chars().next() {
        Some('*') => (Some("cleared"), text[1..].trim_start()),
        Some('!') => (Some("pending"), text[1..].trim_start()),
        _ => (None, text),
    };
    // The code is read before the comment, since a code may contain a semicolon.
    let (code, text) = match text.strip_prefix('(') {
        Some(inside) => {
            let (code, rest) = inside.split_once(')').ok_or(
                "the transaction's code begins with `(` and does not end: write `)` after it",
            )?;
            (Some(code.trim().to_owned()), rest.trim_start())
        }
        None => (None, text),
    };
    let (description, comment) = match text.split_once(';') {
        Some((description, comment)) => (description.trim_end(), Some(comment.trim().to_owned())),
        None => (text, None),
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

/// A date: `2026-11-25`, `2026/11/25`, `2026.11.25`. A month or day may have one digit. The year may be left out if the journal has
/// declared one.
///
/// # Errors
/// A sentence that says what is wrong.
pub(super) fn date(text: &str, year: Option<i32>) -> Result<NaiveDate, String> {
    let wrong = |advice: &str| format!("`{text}` is no date: {advice}");
    let separators: Vec<char> = text.chars().filter(|c| "-/.".contains(*c)).collect();
    if separators.windows(2).any(|two| two[0] != two[1]) {
        return Err(wrong(
            "its separators are different: write it like 2026-11-25",
        ));
    }
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let numbers: Option<Vec<i32>> = parts
        .iter()
        .map(|part| {
            part.parse()
                .ok()
                .filter(|_| part.bytes().all(|b| b.is_ascii_digit()))
        })
        .collect();
    let (year, month, day) = match (numbers.as_deref(), year) {
        // A shorter year could mean this century, or be a month.
        (Some(&[_, _, _]), _) if parts[0].len() != 4 => {
            return Err(wrong("write its year with four digits, like 2026-11-25"));
        }
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
