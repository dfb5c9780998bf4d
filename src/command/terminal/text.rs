//! Texts of the ledger on a terminal.
//!
//! Descriptions and names were written by others, and a terminal obeys some characters: those are never printed.

use icu_properties::{CodePointSetData, props::BidiControl};
use unicode_width::UnicodeWidthStr;

/// A text in one line, without what a terminal would obey: white space is a space, and what controls the terminal, or turns the direction
/// of writing, is a question mark in a box.
pub(super) fn plain(text: &str) -> String {
    let turns = CodePointSetData::new::<BidiControl>();
    let plain = |character: char| match character {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        it if it.is_control() || turns.contains(it) => char::REPLACEMENT_CHARACTER,
        it => it,
    };
    text.chars().map(plain).collect()
}

/// How many columns a plain text takes on a terminal. Letters of East Asia and emoji take two.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text, cut to so many columns, with an ellipsis if something was cut.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut end = 0;
    for (at, character) in text.char_indices() {
        let next = at + character.len_utf8();
        if width(&text[..next]) + 1 > most {
            break;
        }
        end = next;
    }
    format!("{}…", text[..end].trim_end())
}

/// A word of the API for people: `NO_DEBIT_OVERDRAFT` is `no debit overdraft`.
pub(super) fn words(word: &str) -> String {
    word.to_lowercase().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_a_text() {
        let hostile = "a\u{1b}[2Jb\r\nc\td\u{9b}31m\u{202e}e\u{7f}";
        assert_eq!(
            plain(hostile),
            "a\u{fffd}[2Jb  c d\u{fffd}31m\u{fffd}e\u{fffd}"
        );
        assert_eq!(plain("資産 é 👩‍👩‍👧"), "資産 é 👩‍👩‍👧");
    }

    #[test]
    fn a_text_is_cut_by_columns() {
        assert_eq!(width("資産"), 4);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("資産現金", 6), "資産…");
        assert_eq!(cut("資産現金", 5), "資産…");
        assert_eq!(cut("a b c", 3), "a…");
    }
}
