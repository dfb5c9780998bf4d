//! The words of descriptions, by which entries are found.
//!
//! A word is a run of letters and digits of any script, in lower case, and in Unicode's form NFKC, so that letters of full width or in
//! ligatures are the usual ones. What is longer than 64 characters is cut there. The migration that splits older descriptions has a copy
//! of this.

use super::InvalidInput;
use icu_normalizer::ComposingNormalizerBorrowed;
use std::collections::BTreeSet;

/// How many characters of a word count.
const LENGTH: usize = 64;

/// The most words that are searched for at once.
const MOST_WORDS: usize = 8;

/// The words of a text, each once.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let normal = ComposingNormalizerBorrowed::new_nfkc().normalize(text);
    let lower = normal.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words
        .map(|word| word.chars().take(LENGTH).collect())
        .collect()
}

/// The words to search for.
///
/// # Errors
/// When there are none, or too many.
pub(super) fn wanted(field: &str, text: &str) -> Result<BTreeSet<String>, InvalidInput> {
    // Each word has a character at least, and one beside it.
    if text.chars().count() > 1000 {
        return Err(InvalidInput::new(field, "has more than 1000 characters"));
    }
    let words = words(text);
    match words.len() {
        0 => Err(InvalidInput::new(
            field,
            "has no letter and no digit: entries are found by words of their descriptions",
        )),
        1..=MOST_WORDS => Ok(words),
        count => Err(InvalidInput::new(
            field,
            format!("has {count} words: at most {MOST_WORDS} are searched for"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        for (text, expected) in [
            (
                "Coffee, for the team!",
                &["coffee", "for", "team", "the"][..],
            ),
            ("ORDER-77/b", &["77", "b", "order"]),
            ("caf\u{e9} cafe\u{301}", &["café"]),
            ("\u{ff21}\u{fb01}n", &["afin"]),
            ("資産 現金", &["現金", "資産"]),
            ("हिन्दी", &["दी", "हिन"]),
            ("-- !?", &[]),
            ("", &[]),
        ] {
            let found: Vec<_> = words(text).into_iter().collect();
            assert_eq!(found, expected, "{text}");
        }
        let long = words(&"é".repeat(1000));
        assert_eq!(long.first().map(|word| word.chars().count()), Some(64));
    }

    #[test]
    fn a_search_has_words_and_few_of_them() {
        assert!(wanted("filter.text", "a b c d e f g h").is_ok());
        for text in ["", " - ", "a b c d e f g h i", &"x".repeat(1001)] {
            assert!(wanted("filter.text", text).is_err());
        }
    }
}
