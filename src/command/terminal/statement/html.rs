//! A statement as a page to print: one file, which loads nothing and runs nothing.
//!
//! Every text of the ledger is escaped. The policy in the page's head is for the case that one were not.

use std::{
    fmt::{self, Display, Formatter, Write as _},
    io::Write,
};

use chrono::SecondsFormat;

use super::{Failure, Foot, Head, Output, Row};
use crate::command::terminal::text::words;

pub(super) struct Paper;

const STYLE: &str = include_str!("page.css");

const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A text inside an element or a quoted attribute.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            '\0' => f.write_char(char::REPLACEMENT_CHARACTER),
            character => f.write_char(character),
        })
    }
}

/// A fact of the page's head.
fn fact(out: &mut Output, name: &str, value: &str) -> std::io::Result<()> {
    writeln!(out, "<dt>{name}</dt><dd><bdi>{}</bdi></dd>", Escaped(value))
}

/// A row with a balance alone.
fn balance(
    out: &mut Output,
    head: &Head<'_>,
    (class, title): (&str, &str),
    balance: &str,
) -> std::io::Result<()> {
    let columns = if head.task.holds { 5 } else { 4 } - 1;
    let empty = "<td class=\"amount\"></td>".repeat(columns - 2);
    writeln!(
        out,
        "<tr class=\"{class}\"><td></td><td>{title}</td>{empty}<td class=\"amount\">{balance}</td></tr>"
    )
}

impl super::Paper for Paper {
    fn begin(&mut self, out: &mut Output, head: &Head<'_>) -> Result<(), Failure> {
        let account = head.account;
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Statement of {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
            Escaped(POLICY),
            Escaped(&account.code),
        )?;
        writeln!(out, "<h1><bdi>{}</bdi></h1>\n<dl>", Escaped(&account.name))?;
        fact(out, "Account", &account.code)?;
        let side = words(&account.normal_side);
        let currency = format!("{}, positive on the {side} side", account.currency);
        fact(out, "Currency", &currency)?;
        if let Some(period) = head.period() {
            fact(out, "Period", &period)?;
        }
        let written = head.written.with_timezone(&head.task.time_zone);
        let written = written.to_rfc3339_opts(SecondsFormat::Secs, true);
        fact(out, "Written", &written)?;
        let set_aside = match head.task.holds {
            true => "<th scope=\"col\" class=\"amount\">Set aside</th>",
            false => "",
        };
        writeln!(
            out,
            "</dl>\n<table>\n<thead><tr><th scope=\"col\">Date</th><th scope=\"col\">Description</th>{set_aside}\
             <th scope=\"col\" class=\"amount\">Change</th><th scope=\"col\" class=\"amount\">Balance</th></tr></thead>\n<tbody>"
        )?;
        let opening = head.decimal(head.opening);
        Ok(balance(
            out,
            head,
            ("balance", "Opening balance"),
            &opening,
        )?)
    }

    fn page(&mut self, out: &mut Output, head: &Head<'_>, rows: &[Row]) -> Result<(), Failure> {
        for row in rows {
            let (line, entry) = (&row.line, &row.line.entry);
            let about = row.about();
            let mut small = String::new();
            if let Some(reference) = entry.reference.as_ref().filter(|it| **it != about) {
                // Writing to a text cannot fail.
                let _ = write!(small, "<bdi>{}</bdi> · ", Escaped(reference));
            }
            let _ = write!(small, "<bdi>{}</bdi>", Escaped(&line.counterparty.code));
            let set_aside = match head.task.holds {
                true => format!("<td class=\"amount\">{}</td>", row.set_aside()),
                false => String::new(),
            };
            writeln!(
                out,
                "<tr><td class=\"date\">{}</td><td><bdi>{}</bdi><small>{small}</small></td>{set_aside}\
                 <td class=\"amount\">{}</td><td class=\"amount\">{}</td></tr>",
                head.day(entry.effective_at),
                Escaped(&about),
                Escaped(&line.change.decimal),
                head.decimal(row.balance),
            )?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Output, head: &Head<'_>, foot: &Foot) -> Result<(), Failure> {
        let closing = head.decimal(foot.closing);
        balance(out, head, ("balance closing", "Closing balance"), &closing)?;
        writeln!(out, "</tbody>\n</table>\n<footer>")?;
        let lines = match foot.lines {
            1 => "1 line".to_owned(),
            count => format!("{count} lines"),
        };
        write!(out, "<p>{lines}")?;
        let account = head.account;
        // Of the present; there is none in a period that has ended.
        if head.task.until.is_none() && !account.pending.is_zero() {
            let (pending, available) = (&account.pending.decimal, &account.available.decimal);
            write!(
                out,
                "; pending {}, available {}",
                Escaped(pending),
                Escaped(available)
            )?;
        }
        writeln!(out, "</p>\n</footer>\n</body>\n</html>")?;
        Ok(())
    }
}
