//! A posting: `[*|!] ACCOUNT  [AMOUNT] [= BALANCE] [; COMMENT]`.

use super::lines::Line;
use crate::exchange::amount::{Amount, Marks, amount};
use crate::exchange::refusal::Refusal;

pub(super) struct ParsedPosting {
    pub(super) line: u64,
    pub(super) status: Option<char>,
    pub(super) account: String,
    pub(super) amount: Option<Amount>,
    /// The balance of the account in this currency that the file asserts after the posting.
    pub(super) assertion: Option<Amount>,
    pub(super) comment: Option<String>,
}

pub(super) fn parse(line: &Line, marks: &Marks) -> Result<ParsedPosting, Refusal> {
    let text = line.text.trim();
    let (status, text) = match text.chars().next() {
        Some(mark @ ('*' | '!')) => (Some(mark), text[1..].trim_start()),
        _ => (None, text),
    };
    let (account, rest) = account(text);
    let is_virtual = |open, close| account.starts_with(open) && account.ends_with(close);
    if is_virtual('(', ')') || is_virtual('[', ']') {
        let problem = "a virtual posting moves no money: leave it out (`hledger print --real` does), or give its account no brackets";
        return Err(line.refusal_at(account, problem));
    }
    let (rest, comment) = comment(rest);
    let mut posting = ParsedPosting {
        line: line.number,
        status,
        account: account_name(account),
        amount: None,
        assertion: None,
        comment,
    };
    let mut rest = rest.trim();
    if !rest.is_empty() && !rest.starts_with('=') {
        let (amount, after) =
            amount(rest, marks).map_err(|problem| line.refusal_at(rest, problem))?;
        posting.amount = Some(amount);
        rest = after;
    }
    if let Some(asserted) = rest.strip_prefix('=') {
        if posting.amount.is_none() {
            let problem = "the posting has no amount, only what the balance is to be: write the amount (`hledger print --explicit` does)";
            return Err(line.refusal_at(rest, problem));
        }
        if asserted.starts_with(['=', '*']) {
            let problem =
                "this kind of balance assertion is not checked: write `=`, or leave it out";
            return Err(line.refusal_at(rest, problem));
        }
        let asserted = asserted.trim_start();
        let (amount, after) =
            amount(asserted, marks).map_err(|problem| line.refusal_at(asserted, problem))?;
        posting.assertion = Some(amount);
        rest = after;
    }
    if rest.starts_with(['@', '{', '[', '(']) {
        let problem = "a price makes two currencies one: leave it out, and add two postings to an account such as equity:conversion, \
                       one in each currency";
        return Err(line.refusal_at(rest, problem));
    }
    if !rest.is_empty() {
        return Err(line.refusal_at(
            rest,
            format!("`{rest}` after the amount means nothing here: leave it out"),
        ));
    }
    Ok(posting)
}

/// Splits `text` after the name of an account. Two characters of white space or a tab end the name.
pub(super) fn account(text: &str) -> (&str, &str) {
    let ends = |(at, c): (usize, char)| {
        c == '\t'
            || (c.is_whitespace() && text[at + c.len_utf8()..].starts_with(char::is_whitespace))
    };
    match text.char_indices().find(|it| ends(*it)) {
        Some((at, _)) => text.split_at(at),
        None => (text, ""),
    }
}

/// The name of an account as hledger reads it. Each white space is a plain space, so that names that look alike are one account.
pub(super) fn account_name(written: &str) -> String {
    let plain = |c: char| if c.is_whitespace() { ' ' } else { c };
    written.chars().map(plain).collect()
}

/// Splits off the comment. A semicolon begins it, unless it is inside the quotes of a currency.
fn comment(text: &str) -> (&str, Option<String>) {
    let mut is_quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => {
                let comment = text[at + 1..].trim();
                return (
                    &text[..at],
                    Some(comment.to_owned()).filter(|it| !it.is_empty()),
                );
            }
            _ => {}
        }
    }
    (text, None)
}
