//! Directives: lines at the margin that are not transactions.

use super::Journal;
use super::lines::Line;
use super::posting;
use crate::exchange::amount::{Amount, is_symbol, style};
use crate::exchange::item::{Declared, Item};
use crate::exchange::name::class_by_type;
use crate::exchange::note;
use crate::exchange::refusal::SourceError;
use std::io::BufRead;

impl<R: BufRead> Journal<R> {
    /// Reads a directive. `None` if it is not an item of the file.
    pub(super) fn directive(&mut self, line: &Line) -> Result<Option<Item>, SourceError> {
        let (word, rest) = line.text.split_at(
            line.text
                .find(char::is_whitespace)
                .unwrap_or(line.text.len()),
        );
        let rest = rest.trim();
        let word = word.trim_start_matches(['!', '@']);
        if let Some(year) = word.strip_prefix('Y').filter(|year| !year.is_empty()) {
            return self.default_year(line, year);
        }
        match word {
            "account" => return self.account(line, rest).map(Some),
            "commodity" => return self.commodity(line, rest),
            "D" => {
                let (amount, mark) =
                    style(uncommented(rest)).map_err(|problem| line.refusal_at(rest, problem))?;
                self.marks.default_symbol.clone_from(&amount.symbol);
                self.marks.of_default = mark;
                return self.styled(line, amount, mark).map(Some);
            }
            "decimal-mark" => {
                self.marks.of_file = match rest {
                    "." | "," => rest.chars().next(),
                    _ => {
                        return Err(line
                            .refusal("a decimal mark is `.` or `,`: write one of them")
                            .into());
                    }
                };
            }
            "Y" | "year" => return self.default_year(line, rest),
            "comment" | "test" => self.skip(line, word)?,
            "P" | "N" => self.left_out += 1,
            "payee" | "tag" => {
                self.left_out += 1;
                while self.lines.next_indented()?.is_some() {}
            }
            "include" => {
                let problem = "an import is one file: import each by itself, or all of them as one \
                               (`hledger -f FILE print | daybook import --format hledger -`)";
                return Err(line.refusal(problem).into());
            }
            "alias" | "apply" | "end" | "bucket" | "A" => {
                let problem = format!(
                    "`{word}` changes what other lines mean: write them as they are meant (`hledger print` does)"
                );
                return Err(line.refusal(problem).into());
            }
            _ => {
                let problem = format!(
                    "`{word}` is nothing that can be imported: take the line out of the file"
                );
                return Err(line.refusal(problem).into());
            }
        }
        Ok(None)
    }

    fn default_year(&mut self, line: &Line, text: &str) -> Result<Option<Item>, SourceError> {
        match text.trim().parse() {
            Ok(year @ 1..=9999) if text.trim().len() == 4 => self.year = Some(year),
            _ => {
                return Err(line
                    .refusal("a year is a number of four digits, like 2026")
                    .into());
            }
        }
        Ok(None)
    }

    fn account(&mut self, line: &Line, rest: &str) -> Result<Item, SourceError> {
        // The name ends as in a posting, and a semicolon after it begins a comment.
        let (name, comment) = posting::account(rest);
        let mut declared = Declared {
            line: line.number,
            name: posting::account_name(name),
            class: class_in(comment),
            note: None,
        };
        while let Some(line) = self.lines.next_indented()? {
            let text = line.text.trim();
            let comment = text.strip_prefix(';').map(str::trim);
            match comment.map(|comment| comment.strip_prefix(note::MARK)) {
                Some(Some(json)) => {
                    let read = serde_json::from_str(json).map_err(|error| {
                        line.refusal(format!("what Daybook wrote here was changed, and cannot be read ({error}): restore it, or delete the line"))
                    })?;
                    declared.note = Some(read);
                }
                Some(None) => declared.class = declared.class.or(class_in(text)),
                // ledger's other sub-directives of accounts change how other lines are read.
                None if text.starts_with("note") => self.left_out += 1,
                None => {
                    return Err(line
                        .refusal(format!(
                            "`{text}` of an account is not supported: take the line out"
                        ))
                        .into());
                }
            }
        }
        Ok(Item::Account(declared))
    }

    fn commodity(&mut self, line: &Line, rest: &str) -> Result<Option<Item>, SourceError> {
        let mut shown = None;
        let text = uncommented(rest);
        if !is_symbol(text) {
            shown = Some(style(text).map_err(|problem| line.refusal_at(rest, problem))?);
        }
        while let Some(line) = self.lines.next_indented()? {
            let text = line.text.trim();
            if let Some(format) = text.strip_prefix("format").map(str::trim) {
                shown = Some(
                    style(uncommented(format))
                        .map_err(|problem| line.refusal_at(format, problem))?,
                );
            } else if text.starts_with("default") {
                return Err(line
                    .refusal("a default commodity is said with a line like `D 1000.00 EUR`")
                    .into());
            }
        }
        shown
            .map(|(amount, mark)| self.styled(line, amount, mark))
            .transpose()
    }

    /// Declares the decimal mark of a currency, for the amounts after it.
    fn styled(
        &mut self,
        line: &Line,
        amount: Amount,
        mark: Option<char>,
    ) -> Result<Item, SourceError> {
        if let Some(mark) = mark {
            let marks = &mut self.marks;
            let of_default = marks.of_symbol.get(&marks.default_symbol).copied();
            let before = marks.of_symbol.insert(amount.symbol.clone(), mark);
            // It could only be guessed which of the two the amounts below have.
            if [before, marks.of_file, of_default].contains(&Some(other(mark))) {
                let problem = "the decimal mark is another one than the file has said before: write the same in both places";
                return Err(line.refusal(problem).into());
            }
        }
        Ok(Item::Commodity {
            symbol: amount.symbol,
            places: amount.number.places,
        })
    }

    /// Skips a block comment, to its end or the file's.
    fn skip(&mut self, first: &Line, word: &str) -> Result<(), SourceError> {
        let end = format!("end {word}");
        while let Some(line) = self.lines.next()? {
            if line.text.trim_end() == end {
                return Ok(());
            }
        }
        if word == "comment" {
            // hledger lets it run to the end of the file.
            return Ok(());
        }
        Err(first
            .refusal(format!("there is no `{end}` to this: add it"))
            .into())
    }
}

const fn other(mark: char) -> char {
    if mark == '.' { ',' } else { '.' }
}

/// The class that the tag `type:` in a comment gives. `subtype:` is another tag.
fn class_in(comment: &str) -> Option<daybook_entity::AccountClass> {
    let mut tags = comment.match_indices("type:");
    let (at, tag) = tags.find(|(at, _)| {
        let before = comment[..*at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || c == ',' || c == ';')
    })?;
    class_by_type(comment[at + tag.len()..].split(',').next()?.trim())
}

fn uncommented(text: &str) -> &str {
    text.split(';').next().unwrap_or(text).trim()
}
