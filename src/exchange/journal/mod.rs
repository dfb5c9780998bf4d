//! Reads a journal in hledger's format: the core of the format, without guesses.
//!
//! It reads transactions with everything that the ledger can store, directives that declare amounts and accounts, and comments. Prices and
//! the names of payees and tags change no balance: they are counted and left out. Everything else of hledger or ledger is refused, with its
//! line and what to do.
//!
//! Memory is bounded by the number of accounts, not of lines: only the sums for balance assertions are kept.

mod assertions;
mod directive;
mod header;
mod lines;
mod posting;
mod posting_date;

use super::amount::Marks;
use super::item::Item;
use super::note::{self, EntryNote};
use super::refusal::{Refusal, SourceError};
use super::transaction::{Posting, Transaction, sums};
use assertions::Assertions;
use header::Header;
use lines::{Line, Lines};
use posting::ParsedPosting;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::io::BufRead;

/// The most postings of a transaction: an entry has at most a thousand lines, each with two postings.
const POSTINGS: usize = 2000;

/// Reads a journal.
pub(super) struct Journal<R> {
    lines: Lines<R>,
    marks: Marks,
    year: Option<i32>,
    assertions: Assertions,
    left_out: u64,
}

impl<R: BufRead> Journal<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            lines: Lines::new(reader),
            marks: Marks::default(),
            year: None,
            assertions: Assertions::default(),
            left_out: 0,
        }
    }

    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The next item of the journal; `None` at its end.
    pub(super) fn next(&mut self) -> Result<Option<Item>, SourceError> {
        while let Some(line) = self.lines.next()? {
            let text = line.text.trim_end();
            let refuse = |problem: &str| Err(line.refusal(problem).into());
            match text.chars().next() {
                None | Some(';' | '#' | '*' | '%' | '|') => {}
                Some(c) if c.is_whitespace() => {
                    if !text.trim_start().starts_with(';') {
                        return refuse(
                            "an indented line belongs to a transaction or directive above it, and there is none: begin it at the margin",
                        );
                    }
                }
                Some('0'..='9') => {
                    return self
                        .transaction(&line)
                        .map(|it| Some(Item::Transaction(it)));
                }
                Some('~') => {
                    return refuse(
                        "a periodic transaction is a rule, and no event: leave it out (`hledger print` does)",
                    );
                }
                Some('=') => {
                    return refuse(
                        "an automated posting is a rule, and no event: write its postings out (`hledger print --auto` does)",
                    );
                }
                _ => {
                    if let Some(item) = self.directive(&line)? {
                        return Ok(Some(item));
                    }
                }
            }
        }
        Ok(None)
    }

    fn transaction(&mut self, first: &Line) -> Result<Transaction, SourceError> {
        let header =
            header::parse(&first.text, self.year).map_err(|problem| first.refusal(problem))?;
        let mut comments: Vec<String> = header.comment.iter().cloned().collect();
        if let Some(comment) = &header.comment {
            refuse_date(
                first,
                posting_date::of_transaction(comment),
                "the transaction",
            )?;
        }
        let mut note: Option<(Line, EntryNote)> = None;
        let mut parsed: Vec<ParsedPosting> = Vec::new();
        while let Some(line) = self.lines.next_indented()? {
            let text = line.text.trim();
            if let Some(comment) = text.strip_prefix(';').map(str::trim) {
                match comment.strip_prefix(note::MARK) {
                    Some(json) => {
                        let read = serde_json::from_str(json).map_err(|error| {
                            line.refusal(format!("what Daybook wrote here was changed, and cannot be read ({error}): restore it, or delete the line"))
                        })?;
                        note = Some((line, read));
                    }
                    None if comment.is_empty() => {}
                    None => {
                        // A comment below a posting belongs to the posting.
                        if parsed.is_empty() {
                            let date = posting_date::of_transaction(comment);
                            refuse_date(&line, date, "the transaction")?;
                        } else {
                            let date = posting_date::of_posting(comment);
                            refuse_date(&line, date, "the posting")?;
                        }
                        comments.push(comment.to_owned());
                    }
                }
                continue;
            }
            if parsed.len() == POSTINGS {
                return Err(line
                    .refusal(format!(
                        "the transaction has more than {POSTINGS} postings: split it"
                    ))
                    .into());
            }
            let posting = posting::parse(&line, &self.marks)?;
            if let Some(comment) = &posting.comment {
                refuse_date(&line, posting_date::of_posting(comment), "the posting")?;
            }
            comments.extend(
                posting
                    .status
                    .map(|mark| format!("{mark} {}", posting.account)),
            );
            comments.extend(posting.comment.clone());
            parsed.push(posting);
        }
        let mut postings = completed(first, &parsed)?;
        self.assertions.check(&header, &parsed, &postings)?;
        postings.retain(|posting| posting.quantity != 0);
        let transaction = match note {
            Some((line, note)) => {
                noted(&header, first, postings, note).map_err(|problem| line.refusal(problem))?
            }
            None => Transaction {
                line: first.number,
                effective_at: header.date.and_time(chrono::NaiveTime::MIN).and_utc(),
                description: Some(header.description.clone()).filter(|it| !it.is_empty()),
                metadata: metadata(&header, &comments),
                reference: None,
                postings,
            },
        };
        transaction.check()?;
        Ok(transaction)
    }
}

/// Refuses a date that a comment gives to a posting or a transaction.
fn refuse_date(line: &Line, date: Option<&str>, of: &str) -> Result<(), Refusal> {
    let Some(date) = date else {
        return Ok(());
    };
    let problem = format!(
        "`{date}` gives {of} another date, and an entry has one: make it a transaction of that date, or take the date out"
    );
    Err(match line.text.find(date) {
        Some(at) => line.refusal_at(&line.text[at..], problem),
        None => line.refusal(problem),
    })
}

/// The postings with all amounts. The posting without one gets what balances the others, in each currency.
fn completed(first: &Line, parsed: &[ParsedPosting]) -> Result<Vec<Posting>, Refusal> {
    let posting = |it: &ParsedPosting| {
        it.amount.as_ref().map(|amount| Posting {
            line: it.line,
            account: it.account.clone(),
            side: None,
            symbol: amount.symbol.clone(),
            quantity: amount.number.quantity,
            places: amount.number.places,
        })
    };
    let mut postings: Vec<Posting> = parsed.iter().filter_map(posting).collect();
    let mut open = parsed.iter().filter(|it| it.amount.is_none());
    let Some(rest) = open.next() else {
        return Ok(postings);
    };
    if let Some(second) = open.next() {
        return Err(Refusal {
            line: second.line,
            column: None,
            problem: format!(
                "two postings have no amount (the other is in line {}), and what they are cannot be told: write one of them",
                rest.line
            ),
        });
    }
    // Its place, so that the postings keep their order.
    let at = parsed.iter().take_while(|it| it.amount.is_some()).count();
    let mut completing = Vec::new();
    let mut places: HashMap<&str, u32> = HashMap::new();
    for posting in &postings {
        let most = places.entry(&posting.symbol).or_default();
        *most = posting.places.max(*most);
    }
    for (of, sum) in sums(&postings) {
        let sum =
            sum.ok_or_else(|| first.refusal("the amounts add up to more than can be kept"))?;
        if sum != 0 {
            completing.push(Posting {
                line: rest.line,
                account: rest.account.clone(),
                side: None,
                symbol: of.symbol.clone(),
                quantity: -sum,
                places: places.get(of.symbol.as_str()).copied().unwrap_or_default(),
            });
        }
    }
    postings.splice(at..at, completing);
    Ok(postings)
}

/// The entry's metadata: what the journal has beside accounts and amounts.
fn metadata(header: &Header, comments: &[String]) -> Json {
    let mut metadata = serde_json::Map::new();
    let facts = [
        ("code", header.code.clone()),
        ("status", header.status.map(str::to_owned)),
        (
            "secondaryDate",
            header.secondary.map(|date| date.to_string()),
        ),
    ];
    for (key, value) in facts {
        metadata.extend(value.map(|value| (key.to_owned(), json!(value))));
    }
    if !comments.is_empty() {
        metadata.insert("comments".to_owned(), json!(comments));
    }
    Json::Object(metadata)
}

/// Restores a transaction of Daybook's own export from its note.
fn noted(
    header: &Header,
    first: &Line,
    postings: Vec<Posting>,
    note: EntryNote,
) -> Result<Transaction, String> {
    let effective_at: chrono::DateTime<chrono::Utc> = note.effective_at.parse().map_err(|_| {
        format!(
            "`{}` is no instant: restore it, or delete the line",
            note.effective_at
        )
    })?;
    if effective_at.date_naive() != header.date {
        return Err(format!(
            "this says {}, and the transaction {}: make both the same day, or delete the line",
            effective_at.date_naive(),
            header.date
        ));
    }
    let metadata = if note.metadata.is_null() {
        json!({})
    } else {
        note.metadata
    };
    Ok(Transaction {
        line: first.number,
        effective_at,
        description: note
            .description
            .or(Some(header.description.clone()))
            .filter(|it| !it.is_empty()),
        metadata,
        reference: note.reference,
        postings,
    })
}

#[cfg(test)]
mod tests;
