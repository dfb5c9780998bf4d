//! The JSON format: one object with everything, one account or entry per line.

use super::document::{Document, Line, entry_id, instant, word};
use super::error::ExportError;
use crate::ledger::{Id, ReplayedEntry};
use daybook_entity::{account, account_group, closing, currency, entry_line, ledger, line_part};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Writes JSON. Amounts are minor units as text, as in GraphQL, since most readers of JSON round large numbers.
#[derive(Default)]
pub(super) struct Json {
    has_account: bool,
    has_entry: bool,
}

impl Document for Json {
    fn begin(&mut self, currencies: &[currency::Model], out: &mut Vec<u8>) -> io::Result<()> {
        let currency = |it: &currency::Model| {
            let mut written = json!({ "code": it.code, "exponent": it.exponent });
            if let Some(symbol) = &it.symbol {
                written["symbol"] = symbol.as_str().into();
            }
            written
        };
        let currencies: Vec<Value> = currencies.iter().map(currency).collect();
        write!(out, "{{\"currencies\":{}", Value::from(currencies))
    }

    fn ledgers(&mut self, ledgers: Vec<ledger::Model>, out: &mut Vec<u8>) -> io::Result<()> {
        let ledger = |it: ledger::Model| {
            json!({
                "code": it.code,
                "name": it.name,
                "recordedAt": instant(it.recorded_at),
                "recordedBy": it.recorded_by,
            })
        };
        let ledgers: Vec<Value> = ledgers.into_iter().map(ledger).collect();
        write!(out, ",\"ledgers\":{}", Value::from(ledgers))
    }

    fn closings(&mut self, closings: &[closing::Model], out: &mut Vec<u8>) -> io::Result<()> {
        let closing = |it: &closing::Model| {
            json!({
                "codePrefix": it.code_prefix,
                "closedUntil": it.closed_until.map(instant),
                "reason": it.reason,
                "recordedAt": instant(it.recorded_at),
                "recordedBy": it.recorded_by,
            })
        };
        let closings: Vec<Value> = closings.iter().map(closing).collect();
        write!(out, ",\"closings\":{}", Value::from(closings))
    }

    fn groups(
        &mut self,
        groups: &[(account_group::Model, Vec<String>)],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let group = |(it, prefixes): &(account_group::Model, Vec<String>)| {
            json!({
                "id": Id::Group(it.id).to_string(),
                "path": it.path,
                "name": it.name,
                "codePrefixes": prefixes,
            })
        };
        let groups: Vec<Value> = groups.iter().map(group).collect();
        write!(
            out,
            ",\"accountGroups\":{},\"accounts\":[",
            Value::from(groups)
        )
    }

    fn account(
        &mut self,
        account: &account::Model,
        groups: &[String],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let value = json!({
            "id": Id::Account(account.id).to_string(),
            "code": account.code,
            "ledger": account.ledger,
            "name": account.name,
            "currency": account.currency,
            "normalSide": word(&account.normal_side),
            "class": account.class.as_ref().map(word),
            "limitPolicy": word(&account.limit_policy),
            "minBalance": account.min_balance.map(|min| min.to_string()),
            "maxBalance": account.max_balance.map(|max| max.to_string()),
            "status": word(&account.status),
            "debitsPosted": account.debits_posted.to_string(),
            "debitsPending": account.debits_pending.to_string(),
            "creditsPosted": account.credits_posted.to_string(),
            "creditsPending": account.credits_pending.to_string(),
            "version": account.version.to_string(),
            "createdAt": instant(account.created_at),
            "metadata": account.metadata,
            "groups": groups,
        });
        let comma = if self.has_account { "," } else { "" };
        self.has_account = true;
        write!(out, "{comma}\n{value}")
    }

    fn entry(
        &mut self,
        ReplayedEntry {
            entry,
            lines,
            takes,
            ..
        }: &ReplayedEntry,
        _: &[Line<'_>],
        out: &mut Vec<u8>,
    ) -> Result<(), ExportError> {
        let lines: Vec<Value> = lines.iter().map(line).collect();
        let mut value = json!({
            "id": entry_id(entry.id),
            "kind": word(&entry.kind),
            "ledger": entry.ledger,
            "resolves": entry.resolves_id.map(entry_id),
            "reverses": entry.reverses_id.map(entry_id),
            "reference": entry.reference,
            "description": entry.description,
            "effectiveAt": instant(entry.effective_at),
            "recordedAt": instant(entry.recorded_at),
            "recordedBy": entry.recorded_by,
            "expiresAt": entry.expires_at.map(instant),
            "metadata": entry.metadata,
            "lines": lines,
        });
        if let Some(part) = entry.part {
            value["part"] = part.into();
            value["leavesRest"] = entry.leaves_rest.into();
            value["takes"] = takes.iter().map(taken).collect();
        }
        let before = if self.has_entry {
            ","
        } else {
            "\n],\"entries\":["
        };
        self.has_entry = true;
        Ok(write!(out, "{before}\n{value}")?)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let before = if self.has_entry {
            ""
        } else {
            "\n],\"entries\":["
        };
        writeln!(out, "{before}\n]}}")
    }

    fn has_all(&self) -> bool {
        true
    }
}

/// What a part takes of a line of the entry that it ends or undoes, and what it leaves.
fn taken(part: &line_part::Model) -> Value {
    json!({
        "line": part.line_no,
        "amount": part.amount.to_string(),
        "remaining": part.remaining.to_string(),
    })
}

fn line(line: &entry_line::Model) -> Value {
    json!({
        "debit": Id::Account(line.debit_account_id).to_string(),
        "credit": Id::Account(line.credit_account_id).to_string(),
        "amount": line.amount.to_string(),
        "currency": line.currency,
        "effect": word(&line.effect),
        "debitVersion": line.debit_version.to_string(),
        "debitBalance": line.debit_balance.to_string(),
        "creditVersion": line.credit_version.to_string(),
        "creditBalance": line.credit_balance.to_string(),
    })
}
