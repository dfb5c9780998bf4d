//! The rules for what callers write: codes, names, descriptions, metadata, instants.
//!
//! Everything here is checked before a statement is sent: a text that the database cannot store (PostgreSQL refuses U+0000)
//! would otherwise end the transaction.

use super::Code;
use chrono::{DateTime, Datelike, Utc};
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint};
use serde_json::Value as Json;

const CODE_LENGTH: usize = 64;
const REFERENCE_LENGTH: usize = 200;
const NAME_LENGTH: usize = 200;
const DESCRIPTION_LENGTH: usize = 1000;
const METADATA_BYTES: usize = 16 * 1024;
const METADATA_DEPTH: usize = 8;

/// Input that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}{}", and_more(others.len()))]
pub struct InvalidInput {
    /// Where in the input, as the caller wrote it: `lines[0].amount`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
    /// What else is wrong with the same input, in the order of its fields: at most [`MOST_PROBLEMS`] less one.
    pub others: Vec<InvalidInput>,
}

/// The most problems that one refusal names.
pub const MOST_PROBLEMS: usize = 20;

/// ` (and 2 more problems)`, or nothing.
pub(super) fn and_more(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => " (and 1 more problem)".to_owned(),
        others => format!(" (and {others} more problems)"),
    }
}

impl InvalidInput {
    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            others: Vec::new(),
        }
    }

    /// What clients switch on.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::BadUserInput
    }
}

/// The problems of an input, one check after the other.
#[derive(Default)]
pub(super) struct Checks(Vec<InvalidInput>);

impl Checks {
    /// What a check has found to be right; `None`, and a problem more, if it is wrong.
    pub(super) fn take<T>(&mut self, checked: Result<T, InvalidInput>) -> Option<T> {
        checked.map_err(|problem| self.add(problem)).ok()
    }

    pub(super) fn add(&mut self, problem: InvalidInput) {
        if self.0.len() < MOST_PROBLEMS {
            self.0.push(problem);
        }
    }

    pub(super) fn into_problems(self) -> Vec<InvalidInput> {
        self.0
    }

    /// The refusal that names all of them; `None` without a problem.
    pub(super) fn refusal(self) -> Option<InvalidInput> {
        let mut problems = self.0.into_iter();
        let mut first = problems.next()?;
        first.others = problems.collect();
        Some(first)
    }
}

/// An account's code: trimmed, 1 to 64 characters of any script, in Unicode's normalization form C, without what cannot be seen.
///
/// Two codes that look the same must be the same: a letter with its accent as one character or as two is one code, and a
/// character that shows nothing, or that turns the direction of writing, is refused. Letters of other scripts, or of full
/// width, that resemble each other are different.
pub(super) fn account_code(field: &str, text: &str) -> Result<String, InvalidInput> {
    visible_line(field, text, CODE_LENGTH)
}

/// An entry's reference: 1 to 200 characters, by the rules of [`account_code`].
pub(super) fn reference(field: &str, text: &str) -> Result<String, InvalidInput> {
    visible_line(field, text, REFERENCE_LENGTH)
}

/// A name that is compared: two that look the same are the same, or are refused.
pub(super) fn visible_line(
    field: &str,
    text: &str,
    longest: usize,
) -> Result<String, InvalidInput> {
    // Most are ASCII, and looked up with every posting.
    if text.is_ascii() {
        return one_line(field, text, longest);
    }
    let normal = ComposingNormalizerBorrowed::new_nfc().normalize(text.trim());
    let code = one_line(field, &normal, longest)?;
    let unseen = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let turns = CodePointSetData::new::<BidiControl>();
    for c in code.chars() {
        if unseen.contains(c) || turns.contains(c) {
            return Err(InvalidInput::new(
                field,
                format!(
                    "has the invisible character U+{:04X}: leave it out",
                    u32::from(c)
                ),
            ));
        }
        if c.is_whitespace() && c != ' ' {
            return Err(InvalidInput::new(
                field,
                format!(
                    "has the white space U+{:04X}: write a plain space",
                    u32::from(c)
                ),
            ));
        }
    }
    Ok(code)
}

/// An account's name: trimmed, 1 to 200 characters, no control characters.
pub(super) fn name(field: &str, text: &str) -> Result<String, InvalidInput> {
    one_line(field, text, NAME_LENGTH)
}

/// A description: trimmed, at most 1000 characters, line breaks and tabs allowed; an empty one is none.
pub(super) fn description(field: &str, text: Option<&str>) -> Result<Option<String>, InvalidInput> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    no_longer_than(field, text, DESCRIPTION_LENGTH)?;
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(InvalidInput::new(
            field,
            "has a control character: leave it out",
        ));
    }
    Ok(Some(text.to_owned()))
}

/// Metadata: a JSON object of at most 16 KiB and 8 levels, without U+0000 and without numbers that would be rounded; none is the
/// empty object.
pub(super) fn metadata(field: &str, json: Option<Json>) -> Result<Json, InvalidInput> {
    let json = json.unwrap_or_else(|| Json::Object(serde_json::Map::new()));
    if !json.is_object() {
        return Err(InvalidInput::new(field, "must be a JSON object"));
    }
    if deeper_than(&json, METADATA_DEPTH) {
        return Err(InvalidInput::new(
            field,
            format!("is nested deeper than {METADATA_DEPTH} levels"),
        ));
    }
    let bytes = json.to_string().len();
    if bytes > METADATA_BYTES {
        return Err(InvalidInput::new(
            field,
            format!("has {bytes} bytes: at most {METADATA_BYTES} are kept"),
        ));
    }
    if let Some(number) = rounded(&json) {
        return Err(InvalidInput::new(
            field,
            format!(
                "has the number {number}, which has more digits than can be kept: write it as a text"
            ),
        ));
    }
    if has_nul(&json) {
        return Err(InvalidInput::new(
            field,
            "has the character U+0000: leave it out",
        ));
    }
    Ok(json)
}

/// An instant that every engine can store, in whole microseconds.
pub(super) fn instant(field: &str, instant: DateTime<Utc>) -> Result<DateTime<Utc>, InvalidInput> {
    let instant = microseconds(instant);
    if (1..=9999).contains(&instant.year()) {
        Ok(instant)
    } else {
        Err(InvalidInput::new(field, "must be in the years 1 to 9999"))
    }
}

/// `instant` without what is finer than a microsecond, which PostgreSQL would round away.
pub(super) fn microseconds(instant: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(instant.timestamp_micros()).unwrap_or(instant)
}

/// Whether `text` could be a currency's code at all.
pub(super) fn is_currency_code(text: &str) -> bool {
    (3..=12).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn one_line(field: &str, text: &str, longest: usize) -> Result<String, InvalidInput> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidInput::new(
            field,
            format!("is empty: write 1 to {longest} characters"),
        ));
    }
    no_longer_than(field, text, longest)?;
    if text.chars().any(char::is_control) {
        return Err(InvalidInput::new(
            field,
            "has a control character: leave it out",
        ));
    }
    Ok(text.to_owned())
}

fn no_longer_than(field: &str, text: &str, longest: usize) -> Result<(), InvalidInput> {
    let length = text.chars().count();
    if length > longest {
        return Err(InvalidInput::new(
            field,
            format!("has {length} characters: at most {longest} are kept"),
        ));
    }
    Ok(())
}

fn deeper_than(json: &Json, levels: usize) -> bool {
    match json {
        Json::Array(values) => {
            levels == 0 || values.iter().any(|value| deeper_than(value, levels - 1))
        }
        Json::Object(values) => {
            levels == 0 || values.values().any(|value| deeper_than(value, levels - 1))
        }
        _ => false,
    }
}

/// A whole number that was rounded when the request was read. Beyond 64 bits, numbers are read as floating point, which beyond 2^53 is not
/// exact.
fn rounded(json: &Json) -> Option<&serde_json::Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match json {
        Json::Number(number) if !number.is_i64() && !number.is_u64() => number
            .as_f64()
            .is_none_or(|float| float.abs() >= EXACT)
            .then_some(number),
        Json::Array(values) => values.iter().find_map(rounded),
        Json::Object(values) => values.values().find_map(rounded),
        _ => None,
    }
}

fn has_nul(json: &Json) -> bool {
    match json {
        Json::String(text) => text.contains('\0'),
        Json::Array(values) => values.iter().any(has_nul),
        Json::Object(values) => values
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn codes_are_trimmed_lines_of_any_script() {
        for (text, code) in [
            (" cash ", "cash"),
            ("資産:現金", "資産:現金"),
            ("Kasse Süd", "Kasse Süd"),
        ] {
            assert_eq!(account_code("code", text).as_deref(), Ok(code));
        }
        let longest = "ß".repeat(64);
        assert_eq!(account_code("code", &longest), Ok(longest.clone()));
        for text in [
            "",
            "  ",
            "a\nb",
            "a\0b",
            "\u{85}x\u{85}y",
            &format!("{longest}x"),
        ] {
            assert!(account_code("code", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn references_keep_the_rules_of_codes_and_may_be_longer() {
        let longest = "資".repeat(200);
        for (text, stored) in [
            (" order 7 ", "order 7"),
            ("cafe\u{301}", "caf\u{e9}"),
            (longest.as_str(), longest.as_str()),
        ] {
            assert_eq!(reference("reference", text).as_deref(), Ok(stored));
        }
        let long = "x".repeat(1 << 20);
        for text in ["", " ", "a\nb", "a\u{200b}b", "\u{feff}", "a\u{a0}b", &long] {
            assert!(reference("reference", text).is_err());
        }
    }

    #[test]
    fn codes_that_look_the_same_are_the_same_or_refused() {
        let composed = account_code("code", "caf\u{e9}");
        assert_eq!(composed, account_code("code", "cafe\u{301}"));
        assert_eq!(composed.as_deref(), Ok("caf\u{e9}"));
        for unseen in [
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{ad}',
            '\u{fe0f}',
            '\u{3164}',
            '\u{a0}',
            '\u{3000}',
            '\u{2028}',
            '\u{61c}',
            '\u{e0041}',
        ] {
            let text = format!("a{unseen}b");
            assert!(account_code("code", &text).is_err(), "{text:?}");
        }
        // Of full width, and of another script: other letters.
        assert_ne!(account_code("code", "\u{ff41}"), account_code("code", "a"));
    }

    #[test]
    fn numbers_of_metadata_are_kept_as_they_are() {
        let read = |text: &str| metadata("m", Some(serde_json::from_str(text).unwrap()));
        for text in [
            r#"{"a":18446744073709551615}"#,
            r#"{"a":-9223372036854775808}"#,
            r#"{"a":[0.1,1e15]}"#,
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
        for text in [
            r#"{"a":18446744073709551616}"#,
            r#"{"a":{"b":[-9223372036854775809]}}"#,
            r#"{"a":1e300}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn descriptions_may_have_lines_and_may_be_absent() {
        assert_eq!(description("d", Some(" ")), Ok(None));
        assert_eq!(
            description("d", Some("a\n\tb ")),
            Ok(Some("a\n\tb".to_owned()))
        );
        assert!(description("d", Some("a\0")).is_err());
        assert!(description("d", Some(&"x".repeat(1001))).is_err());
    }

    #[test]
    fn metadata_is_a_small_flat_object() {
        assert_eq!(metadata("m", None), Ok(json!({})));
        let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
        assert!(metadata("m", Some(nested(8))).is_ok());
        assert!(metadata("m", Some(nested(9))).is_err());
        for bad in [
            json!(null),
            json!([]),
            json!("x"),
            json!({ "a": "\0" }),
            json!({ "\0": 1 }),
            json!({ "a": "x".repeat(16 * 1024) }),
        ] {
            assert!(metadata("m", Some(bad)).is_err());
        }
    }

    #[test]
    fn instants_are_whole_microseconds_of_four_digit_years() {
        let fine: DateTime<Utc> = "2026-01-02T03:04:05.123456789Z".parse().unwrap();
        assert_eq!(
            instant("at", fine).unwrap().to_rfc3339(),
            "2026-01-02T03:04:05.123456+00:00"
        );
        assert!(instant("at", DateTime::<Utc>::MAX_UTC).is_err());
        assert!(instant("at", DateTime::<Utc>::MIN_UTC).is_err());
    }
}
