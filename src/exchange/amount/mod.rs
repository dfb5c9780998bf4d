//! Amounts in files: a number with the marks of its country, and the symbol of a currency before or after it.

mod number;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub(super) use number::{Number, PLACES, number};

/// An amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) symbol: String,
    pub(super) number: Number,
}

/// The decimal marks that the file has declared so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// For the whole file.
    pub(super) of_file: Option<char>,
    /// For amounts of a currency.
    pub(super) of_symbol: HashMap<String, char>,
    /// The currency of amounts without one.
    pub(super) default_symbol: String,
    /// In the line `D`. hledger uses it for every currency without a decimal mark of its own.
    pub(super) of_default: Option<char>,
}

/// Refuses a number whose only mark differs from `default`, the decimal mark of the line `D`. By itself the mark would be a decimal mark,
/// but hledger reads it as a group mark.
fn contradicts(text: &str, default: char) -> Result<(), String> {
    let is_mark = |c: char| matches!(c, '.' | ',');
    match text.split_once(is_mark) {
        Some((before, after))
            if !before.is_empty()
                && !after.is_empty()
                && !after.contains(is_mark)
                && !text.contains(default) =>
        {
            Err(format!(
                "can be {before}{after} or {before}.{after}, for the line `D` has `{default}` as decimal mark: say what it is here, in a line `commodity` or `decimal-mark` before it"
            ))
        }
        _ => Ok(()),
    }
}

/// Reads an amount at the beginning of `text`, and returns the rest of the text.
///
/// # Errors
/// A sentence that says what is wrong.
pub(super) fn amount<'a>(text: &'a str, marks: &Marks) -> Result<(Amount, &'a str), String> {
    let failed = |problem: String| format!("the amount `{}` {problem}", shown(text));
    let (mut negative, mut rest) = sign(text);
    let (left, after) = symbol_of(rest).map_err(failed)?;
    if !left.is_empty() {
        let (again, after) = sign(after.trim_start());
        negative ^= again;
        rest = after;
    }
    let digits = digits(rest);
    let after = &rest[digits.len()..];
    if after.starts_with(['e', 'E'])
        && after[1..].starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
    {
        return Err(failed("has an exponent: write it in full".to_owned()));
    }
    let (right, rest) = match left.is_empty() {
        true => symbol_of(after.trim_start()).map_err(failed)?,
        false => (String::new(), after),
    };
    let symbol = match (left.is_empty(), right.is_empty()) {
        (true, true) => marks.default_symbol.clone(),
        (true, false) => right,
        _ => left,
    };
    let mark = marks.of_symbol.get(&symbol).copied().or(marks.of_file);
    if let (None, Some(default)) = (mark, marks.of_default) {
        contradicts(digits, default).map_err(failed)?;
    }
    let mut number = number(digits, mark).map_err(failed)?;
    if negative {
        number.quantity = -number.quantity;
    }
    let amount = Amount { symbol, number };
    Ok((amount, rest.trim_start()))
}

/// The decimal mark that an amount in a directive shows, with its amount.
///
/// # Errors
/// Those of [`amount`].
pub(super) fn style(text: &str) -> Result<(Amount, Option<char>), String> {
    // In a directive, a single mark is the decimal mark, even after the last digit.
    let end = text
        .rfind(|c: char| c.is_ascii_digit())
        .map_or(0, |last| last + 1);
    let end = if text[end..].starts_with(['.', ',']) {
        end + 1
    } else {
        end
    };
    let number = &text[..end];
    let marks: Vec<char> = number.chars().filter(|c| matches!(c, '.' | ',')).collect();
    let mark = match marks.as_slice() {
        [] => None,
        [before @ .., last] if !before.contains(last) => Some(*last),
        [last, ..] => Some(if *last == '.' { ',' } else { '.' }),
    };
    let marks = Marks {
        of_file: mark,
        ..Marks::default()
    };
    let (amount, rest) = amount(text, &marks)?;
    if !rest.is_empty() {
        return Err(format!(
            "`{rest}` after the amount means nothing here: leave it out"
        ));
    }
    Ok((amount, mark))
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix('+').map_or(text, str::trim_start)),
    }
}

/// The symbol of a currency at the beginning of `text`; empty if there is none.
fn symbol_of(text: &str) -> Result<(String, &str), String> {
    if let Some(rest) = text.strip_prefix('"') {
        let (symbol, rest) = rest
            .split_once('"')
            .ok_or("has a quote that does not end")?;
        return Ok((symbol.to_owned(), rest));
    }
    let ends = |c: char| {
        c.is_ascii_digit() || c.is_whitespace() || "-+.,;:=@*/^&?!(){}[]<>|\"".contains(c)
    };
    let (symbol, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    Ok((symbol.to_owned(), rest))
}

/// The number at the beginning of `text`. White space between digits belongs to it.
fn digits(text: &str) -> &str {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        match c {
            '0'..='9' | '.' | ',' => end = at + 1,
            c if c.is_whitespace() && end == at && at > 0 => {}
            _ => break,
        }
        // One white space separates groups of digits; two end the number.
        if c.is_whitespace() && !text[at + c.len_utf8()..].starts_with(|c: char| c.is_ascii_digit())
        {
            break;
        }
    }
    &text[..end]
}

/// Whether `text` is the symbol of a currency and nothing else.
pub(super) fn is_symbol(text: &str) -> bool {
    symbol_of(text).is_ok_and(|(_, rest)| rest.trim().is_empty())
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// How a journal writes the symbol of a currency.
pub(super) fn symbol(code: &str) -> String {
    if code.chars().all(char::is_alphabetic) {
        code.to_owned()
    } else {
        format!("\"{code}\"")
    }
}

/// A quantity as people read it.
pub(super) fn text(quantity: i128) -> String {
    let width = PLACES as usize + 1;
    let digits = format!("{:0>width$}", quantity.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len() - PLACES as usize);
    let sign = if quantity < 0 { "-" } else { "" };
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}
