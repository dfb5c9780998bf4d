//! Amounts as files have them: a number with the marks of its country, and the symbol of a currency on either side.

use std::collections::HashMap;

/// The finest that a currency can be divided.
pub(super) const PLACES: u32 = 18;

/// Not more than what a 64-bit number of units has.
const DIGITS: usize = 19;

/// A number, and how many decimal places it is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// In 10^-18.
    pub(super) quantity: i128,
    pub(super) places: u32,
}

/// An amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) symbol: String,
    pub(super) number: Number,
}

/// Which character is the decimal mark, as far as the file has said.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// In the whole file.
    pub(super) of_file: Option<char>,
    /// In amounts of a currency.
    pub(super) of_symbol: HashMap<String, char>,
    /// The currency of amounts without one.
    pub(super) default_symbol: String,
    /// In the line `D`. hledger takes it for a hint about every currency without a decimal mark of its own.
    pub(super) of_default: Option<char>,
}

/// Reads the number in `text`, which has digits, points, commas and white space, and whose decimal mark is `mark`, where that is known.
///
/// A number has groups of digits with the same separator between them, then a decimal mark and the rest. hledger asks `mark` only
/// where a number has a single separator; one that contradicts it otherwise is refused here.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that begins with it.
pub(super) fn number(text: &str, mark: Option<char>) -> Result<Number, String> {
    // hledger reads `.5` as a half, even where the point is said to group digits.
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

/// What is before the decimal mark, with its separators, and what is after it.
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
        // Again and again, it groups digits.
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
    // hledger takes it for a decimal mark, and ledger for a group: that is a factor of a thousand.
    if separator == ',' && after.len() == 3 && before.len() <= 3 && !before.starts_with('0') {
        return Err(format!(
            "can be {before}{after} or {before}.{after}: say what its comma is, in a line `decimal-mark ,` (or `.`) before it"
        ));
    }
    Ok(true)
}

/// Refuses a number whose only mark is another one than `default`, the decimal mark of the line `D`: by itself it is a decimal mark,
/// and hledger takes it for a group's.
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

/// Reads an amount from the beginning of `text`, and gives back what follows it.
///
/// # Errors
/// What is wrong with it, as a sentence.
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
    // In a directive a single mark is the decimal one, even after the last digit.
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

/// The symbol of a currency at the beginning of `text`; empty where there is none.
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

/// The number at the beginning of `text`: white space belongs to it where it stands between digits.
fn digits(text: &str) -> &str {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        match c {
            '0'..='9' | '.' | ',' => end = at + 1,
            c if c.is_whitespace() && end == at && at > 0 => {}
            _ => break,
        }
        // One white space is a group's, and two are not.
        if c.is_whitespace() && !text[at + c.len_utf8()..].starts_with(|c: char| c.is_ascii_digit())
        {
            break;
        }
    }
    &text[..end]
}

/// Whether `text` is the symbol of a currency, and no more.
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

/// A quantity for people.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str) -> Result<(String, String, u32), String> {
        let (amount, rest) = amount(input, &Marks::default())?;
        assert_eq!(rest, "", "{input}");
        Ok((
            text(amount.number.quantity),
            amount.symbol,
            amount.number.places,
        ))
    }

    #[test]
    fn amounts_are_read_in_every_way_of_writing() {
        for (input, number, symbol, places) in [
            ("$1", "1", "$", 0),
            ("-$1.50", "-1.5", "$", 2),
            ("$-1", "-1", "$", 0),
            ("$ -225.00", "-225", "$", 2),
            ("- 3 EUR", "-3", "EUR", 0),
            ("500.00€", "500", "€", 2),
            ("EUR 1.234.567,89", "1234567.89", "EUR", 2),
            ("$1,173.15", "1173.15", "$", 2),
            ("1 000 000,00 SEK", "1000000", "SEK", 2),
            ("₹1,00,00,000.5", "10000000.5", "₹", 1),
            ("\"Chocolate Frogs\" 3", "3", "Chocolate Frogs", 0),
            ("3 \"Chocolate Frogs\"", "3", "Chocolate Frogs", 0),
            ("0,125 BTC", "0.125", "BTC", 3),
            ("1,5", "1.5", "", 1),
            ("10.125 BTC", "10.125", "BTC", 3),
            ("100. JPY", "100", "JPY", 0),
            (".5 h", "0.5", "h", 1),
            ("1,000,000 $", "1000000", "$", 0),
            ("9223372036854775807 WEI", "9223372036854775807", "WEI", 0),
            (
                "0.000000000000000001 ETH",
                "0.000000000000000001",
                "ETH",
                18,
            ),
        ] {
            assert_eq!(
                read(input),
                Ok((number.to_owned(), symbol.to_owned(), places)),
                "{input}"
            );
        }
    }

    #[test]
    fn what_could_be_two_amounts_is_neither() {
        for (input, word) in [
            ("$1,000", "can be 1000 or 1.000"),
            ("12,345 X", "can be 12345 or 12.345"),
            ("EUR", "is no number"),
            ("1E3 EUR", "has an exponent"),
            ("\"x 1", "has a quote"),
            ("1.2.3,4,5 EUR", "different marks"),
            ("1,,000 EUR", "two marks"),
            ("1,000,000, EUR", "two marks"),
            ("1.000 000 EUR", "white space"),
            ("0.0000000000000000001 ETH", "19 decimal places"),
            ("99999999999999999999 X", "too large"),
        ] {
            let problem = read(input).unwrap_err();
            assert!(problem.contains(word), "{input}: {problem}");
        }
    }

    #[test]
    fn a_number_is_not_written_against_its_decimal_mark() {
        for (input, mark) in [
            ("1 000,00", '.'),
            ("1 000.5", ','),
            ("1.000,5", '.'),
            ("1,000.5", ','),
            ("1.5.0", '.'),
            ("5.", ','),
        ] {
            let problem = number(input, Some(mark)).unwrap_err();
            assert!(problem.contains("decimal mark"), "{input}: {problem}");
        }
    }

    #[test]
    fn directives_say_what_the_decimal_mark_is() {
        for (input, mark) in [
            ("$1,000.00", Some('.')),
            ("1.000,00 EUR", Some(',')),
            ("1000. JPY", Some('.')),
            ("1,000 X", Some(',')),
            ("1,000,000 X", Some('.')),
            ("1.000,00€", Some(',')),
            ("EUR 1000", None),
        ] {
            assert_eq!(style(input).unwrap().1, mark, "{input}");
        }
    }
}
