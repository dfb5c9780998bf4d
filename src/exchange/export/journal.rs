//! The journal format of hledger and ledger.

use super::document::{Document, Line, entry_id, instant, word};
use super::error::ExportError;
use crate::exchange::name::{journal_name, type_of};
use crate::exchange::note::{self, AccountNote, EntryNote, LedgerNote};
use crate::exchange::{Format, amount::symbol};
use crate::ledger::{ReplayedEntry, decimal};
use chrono::Datelike as _;
use daybook_entity::{account, currency, ledger};
use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::RangeInclusive;

/// The years of dates that ledger can read: those of Boost's calendar.
const LEDGER_YEARS: RangeInclusive<i32> = 1400..=9999;

pub(super) struct Journal {
    format: Format,
    /// The names of ledgers, by code.
    ledgers: HashMap<String, String>,
}

impl Journal {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            ledgers: HashMap::new(),
        }
    }
}

impl Document for Journal {
    fn begin(&mut self, currencies: &[currency::Model], out: &mut Vec<u8>) -> io::Result<()> {
        writeln!(
            out,
            "; Exported by Daybook: the entries that moved money, in the order in which they were posted."
        )?;
        if self.format == Format::Hledger {
            writeln!(out, "decimal-mark .")?;
        }
        writeln!(out)?;
        for currency in currencies {
            let code = symbol(&currency.code);
            let amount = decimal(0, currency.exponent);
            // hledger needs a decimal mark, and ledger cannot read one without digits after it.
            match (self.format, currency.exponent) {
                (Format::Hledger, 0) => writeln!(out, "commodity {amount}. {code}")?,
                (Format::Hledger, _) => writeln!(out, "commodity {amount} {code}")?,
                _ => writeln!(out, "commodity {code}\n    format {amount} {code}")?,
            }
        }
        writeln!(out)
    }

    fn ledgers(&mut self, ledgers: Vec<ledger::Model>, _: &mut Vec<u8>) -> io::Result<()> {
        self.ledgers = ledgers.into_iter().map(|it| (it.code, it.name)).collect();
        Ok(())
    }

    fn account(
        &mut self,
        account: &account::Model,
        _: &[String],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let name = journal_name(&account.code);
        // Only an account with a class has a type: a normal side does not tell whether a credit account is a liability, equity or revenue.
        // Daybook reads the side from its note.
        match (account.class.map(type_of), self.format) {
            (None, _) => writeln!(out, "account {name}")?,
            (Some(tag), Format::Hledger) => writeln!(out, "account {name}  ; type: {tag}")?,
            // ledger would make the comment a part of the name.
            (Some(tag), _) => writeln!(out, "account {name}\n    ; type: {tag}")?,
        }
        let note = AccountNote {
            code: (name != account.code).then(|| account.code.clone()),
            name: account.name.clone(),
            currency: account.currency.clone(),
            normal_side: word(&account.normal_side),
            limit_policy: word(&account.limit_policy),
            min_balance: account.min_balance.map(|min| min.to_string()),
            max_balance: account.max_balance.map(|max| max.to_string()),
            status: Some(word(&account.status)),
            ledger: account.ledger.as_ref().map(|code| LedgerNote {
                code: code.clone(),
                name: self.ledgers.get(code).unwrap_or(code).clone(),
            }),
            metadata: account.metadata.clone(),
        };
        write!(out, "    ; ")?;
        note::write(&note, out)?;
        writeln!(out)
    }

    fn entry(
        &mut self,
        ReplayedEntry { entry, .. }: &ReplayedEntry,
        moved: &[Line<'_>],
        out: &mut Vec<u8>,
    ) -> Result<(), ExportError> {
        let description = entry.description.as_deref().unwrap_or_default();
        let shown = one_line(description);
        if self.format == Format::Ledger && !LEDGER_YEARS.contains(&entry.effective_at.year()) {
            return Err(ExportError::Date {
                entry_id: entry_id(entry.id),
                at: instant(entry.effective_at),
            });
        }
        let date = entry.effective_at.format("%Y-%m-%d");
        writeln!(out, "\n{date} ({}) {shown}", entry_id(entry.id))?;
        let note = EntryNote {
            kind: word(&entry.kind),
            effective_at: instant(entry.effective_at),
            recorded_at: instant(entry.recorded_at),
            resolves: entry.resolves_id.map(entry_id),
            reverses: entry.reverses_id.map(entry_id),
            part: entry.part,
            description: (shown != description).then(|| description.to_owned()),
            metadata: entry.metadata.clone(),
            reference: entry.reference.clone(),
        };
        write!(out, "    ; ")?;
        note::write(&note, out)?;
        writeln!(out)?;
        for line in moved {
            let amount = decimal(line.line.amount, line.exponent);
            let currency = symbol(&line.line.currency);
            for (account, sign) in [(line.debit, ""), (line.credit, "-")] {
                let name = journal_name(&account.code);
                writeln!(out, "    {name}  {sign}{amount} {currency}")?;
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}

/// A description as a transaction's first line can have it: in one line, without a semicolon, which would begin a comment.
fn one_line(description: &str) -> String {
    let harmless = |c: char| match c {
        ';' => ',',
        c if c.is_control() || c.is_whitespace() => ' ',
        c => c,
    };
    description.chars().map(harmless).collect()
}
