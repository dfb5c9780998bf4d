//! Numbers with the marks of their country: which mark groups digits, and which is the decimal mark.

/// The most decimal places that a currency can have.
pub(in crate::exchange) const PLACES: u32 = 18;

/// The most digits of a 64-bit number of units.
const DIGITS: usize = 19;

/// A number, and the count of decimal places that it is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) struct Number {
    /// In 10^-18.
    pub(in crate::exchange) quantity: i128,
    pub(in crate::exchange) places: u32,
}

/// Reads the number in `text`, which has digits, points, commas and white space. `mark` is its decimal mark, if that is known.
///
/// A number has groups of digits with the same separator between them, then a decimal mark and the rest. hledger uses `mark` only for a
/// number with a single separator. Another number that contradicts `mark` is refused here.
///
/// # Errors
/// What is wrong, as the end of a sentence whose subject is the number.
pub(in crate::exchange) fn number(text: &str, mark: Option<char>) -> Result<Number, String> {
    // hledger reads `.5` as a half, even if the point is declared to group digits.
    if text.starts_with(',') || (mark == Some(',') && text.starts_with('.')) {
        return Err("begins with a mark: write a 0 before it".to_owned());
    }
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return Err("is no number".to_owned());
    }
    let (whole, fraction) = parts(text, mark)?;
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    let whole = whole.trim_start_matches('0');
    let (written, fraction) = (fraction.len(), fraction.trim_end_matches('0'));
    if whole.len() > DIGITS {
        return Err(format!(
            "is too large: amounts have at most {DIGITS} digits before the decimal mark"
        ));
    }
    let width = PLACES as usize;
    if fraction.len() > width {
        return Err(format!(
            "has {} decimal places: at most {PLACES} are kept",
            fraction.len()
        ));
    }
    let quantity = format!("{whole}{fraction:0<width$}");
    let quantity = quantity.parse().map_err(|_| "is no number".to_owned())?;
    let places = u32::try_from(written).unwrap_or(PLACES).min(PLACES);
    Ok(Number { quantity, places })
}

/// The parts before the decimal mark, with its separators, and after it.
fn parts(text: &str, mark: Option<char>) -> Result<(&str, &str), String> {
    let is_separator = |c: char| !c.is_ascii_digit();
    let separators: Vec<char> = text.matches(is_separator).flat_map(str::chars).collect();
    let Some((&last, groups)) = separators.split_last() else {
        return Ok((text, ""));
    };
    let (before, after) = text.rsplit_once(last).unwrap_or((text, ""));
    let is_grouped = |text: &str| text.split(is_separator).all(|group| !group.is_empty());
    let is_decimal = match groups.first() {
        None => is_decimal_mark(before, last, after, mark)?,
        Some(&group) if groups.iter().any(|&other| other != group) => {
            return Err(
                "has different marks between its digits: it cannot be told what they mean"
                    .to_owned(),
            );
        }
        // A mark that is repeated groups digits.
        Some(&group) => group != last,
    };
    let known = mark.filter(|mark| {
        if is_decimal {
            *mark != last
        } else {
            separators.contains(mark)
        }
    });
    if let Some(known) = known {
        return Err(format!(
            "is not written with the decimal mark `{known}`, as the file has said before"
        ));
    }
    if is_decimal && last.is_whitespace() {
        return Err("has white space after its last mark".to_owned());
    }
    let whole = if is_decimal { before } else { text };
    if !(whole.is_empty() || is_grouped(whole)) {
        return Err("has two marks beside each other, or one at its end".to_owned());
    }
    Ok(if is_decimal {
        (before, after)
    } else {
        (text, "")
    })
}

/// Whether the only separator of a number is its decimal mark.
fn is_decimal_mark(
    before: &str,
    separator: char,
    after: &str,
    mark: Option<char>,
) -> Result<bool, String> {
    if separator.is_whitespace() {
        return Ok(false);
    }
    if before.is_empty() || after.is_empty() {
        return Ok(true);
    }
    if let Some(mark) = mark {
        return Ok(mark == separator);
    }
    // hledger reads it as a decimal mark, ledger as a group mark: the difference is a factor of a thousand.
    if separator == ',' && after.len() == 3 && before.len() <= 3 && !before.starts_with('0') {
        return Err(format!(
            "can be {before}{after} or {before}.{after}: say what its comma is, in a line `decimal-mark ,` (or `.`) before it"
        ));
    }
    Ok(true)
}
