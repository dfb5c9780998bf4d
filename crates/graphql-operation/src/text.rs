//! The value of a string or block string token (specification, "String Value").

use std::borrow::Cow;

use crate::error::{Pos, SyntaxError};

/// The value of a string. The token includes its quotes.
pub(crate) fn string(token: &str, pos: Pos) -> Result<Cow<'_, str>, SyntaxError> {
    let inner = &token[1..token.len() - 1];
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let mut read = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        read.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut characters = rest.chars();
        let escaped = characters.next();
        let simple = match escaped {
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let (character, length) = unicode(&rest[1..]).ok_or_else(|| {
                    let shown: String = rest.chars().take(11).collect();
                    SyntaxError::new(
                        format!("Invalid Unicode escape sequence: \"\\{shown}\"."),
                        pos,
                    )
                })?;
                read.push(character);
                rest = &rest[1 + length..];
                continue;
            }
            other => {
                let shown = other.map(String::from).unwrap_or_default();
                return Err(SyntaxError::new(
                    format!("Invalid character escape sequence: \"\\{shown}\"."),
                    pos,
                ));
            }
        };
        read.push(simple);
        rest = characters.as_str();
    }
    read.push_str(rest);
    Ok(Cow::Owned(read))
}

/// The character that follows `\u`, and how many bytes encode it: `XXXX`, a surrogate pair, or `{X…}`.
fn unicode(rest: &str) -> Option<(char, usize)> {
    if let Some(braced) = rest.strip_prefix('{') {
        let length = braced.find('}')?;
        // Digits beyond those that a character needs must be zeros.
        let digits = &braced[..length];
        let number = hex(digits)?;
        return Some((char::from_u32(number)?, length + 2));
    }
    let first = hex(rest.get(..4)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 4));
    }
    // A leading surrogate is a character only together with a trailing one.
    let second = hex(rest.get(4..)?.strip_prefix("\\u")?.get(..4)?)?;
    let is_pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
    let joined = is_pair.then(|| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
    Some((char::from_u32(joined)?, 10))
}

fn hex(digits: &str) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0_u32, |number, digit| {
        number.checked_mul(16)?.checked_add(digit.to_digit(16)?)
    })
}

/// The value of a block string: without its indentation and its empty first and last lines.
pub(crate) fn block(token: &str) -> Cow<'_, str> {
    let inner = &token[3..token.len() - 3];
    let has_escape = inner.contains("\\\"\"\"");
    if !has_escape && !inner.contains(['\n', '\r']) {
        return if inner.bytes().all(|byte| byte == b' ' || byte == b'\t') {
            Cow::Borrowed("")
        } else {
            Cow::Borrowed(inner)
        };
    }
    let raw: Cow<'_, str> = if has_escape {
        Cow::Owned(inner.replace("\\\"\"\"", "\"\"\""))
    } else {
        Cow::Borrowed(inner)
    };
    let lines = lines(&raw);
    let indentation = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let is_blank = |line: &&str| indentation(line) == line.len();
    let common = lines
        .iter()
        .skip(1)
        .filter(|line| !is_blank(line))
        .map(|line| indentation(line))
        .min()
        .unwrap_or(0);
    let first = lines.iter().position(|line| !is_blank(line));
    let last = lines.iter().rposition(|line| !is_blank(line));
    let (Some(first), Some(last)) = (first, last) else {
        return Cow::Borrowed("");
    };
    let mut read = String::with_capacity(raw.len());
    for (number, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        if number > first {
            read.push('\n');
        }
        let cut = if number == 0 {
            0
        } else {
            common.min(line.len())
        };
        read.push_str(&line[cut..]);
    }
    Cow::Owned(read)
}

/// Splits lines, which end with `\n`, `\r` or `\r\n`.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        lines.push(&rest[..at]);
        let length = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + length..];
    }
    lines.push(rest);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const POS: Pos = Pos { line: 1, column: 1 };

    #[test]
    fn escapes_are_read() {
        let cases = [
            (r#""""#, ""),
            (r#""a\nb""#, "a\nb"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u00e9\u00E9""#, "éé"),
            (r#""\uD83D\uDE00!""#, "😀!"),
            (r#""\u{1F600}\u{000041}""#, "😀A"),
            (r#""\u{0}""#, "\0"),
        ];
        for (token, expected) in cases {
            assert_eq!(string(token, POS).unwrap(), expected, "{token}");
        }
    }

    #[test]
    fn escapes_that_say_nothing_are_refused() {
        for token in [
            r#""\x""#,
            r#""\u12""#,
            r#""\uD83D""#,
            r#""\uDE00\uD83D""#,
            r#""\uD83D\u0041""#,
            r#""\u{}""#,
            r#""\u{110000}""#,
            r#""\u{D800}""#,
            r#""\u{12""#,
            r#""\u+123""#,
            r#""\u{FFFFFFFFFF}""#,
        ] {
            assert!(string(token, POS).is_err(), "{token}");
        }
    }

    #[test]
    fn block_strings_lose_their_indentation_alone() {
        let cases = [
            (r#""""a""""#, "a"),
            (r#""""  a """"#, "  a "),
            ("\"\"\"\n    a\n      b\n\n    c\n  \"\"\"", "a\n  b\n\nc"),
            ("\"\"\"a\r\n  b\r  c\"\"\"", "a\nb\nc"),
            (r#""""a \""" b""""#, "a \"\"\" b"),
            (r#""""a \n b \u0041""""#, "a \\n b \\u0041"),
            ("\"\"\"\n \n\t\n\"\"\"", ""),
            ("\"\"\"\"\"\"", ""),
            ("\"\"\"   \"\"\"", ""),
        ];
        for (token, expected) in cases {
            assert_eq!(block(token), expected, "{token}");
        }
    }
}
