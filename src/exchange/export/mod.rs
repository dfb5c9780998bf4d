//! Exports the whole ledger.
//!
//! The ledger is read page by page, so memory stays bounded whatever its size. All pages must be of one snapshot: call it in
//! `Database::read`. Entries come in the order in which they were posted ([`replay`](crate::ledger::replay)), so posting them again in that
//! order breaks no limit.

mod csv;
mod document;
mod error;
mod journal;
mod json;

use super::Format;
use crate::ledger::{self, AccountFilter, AccountOrder, PageRequest, ReplayedEntry, page_accounts};
use daybook_entity::{LineEffect, account, account_group, entry_line};
use document::{Document, Line};
pub use error::ExportError;
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::HashMap;
use std::io::{self, Write};
use uuid::Uuid;

/// The entries of a page.
const PAGE: u64 = 500;

/// How much was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Accounts. A CSV file has them only in its lines.
    pub accounts: u64,
    /// Entries in the file.
    pub entries: u64,
    /// Entries left out because they moved no money: holds and releases. Only JSON has them.
    pub left_out: u64,
}

/// Writes the ledger that `db` shows to `out`, and tells `progress` the number of each page's last entry.
///
/// # Errors
/// If the database or the file fails. Then the file is not complete.
pub async fn export(
    db: &impl ConnectionTrait,
    format: Format,
    out: &mut (dyn Write + Send),
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Exported, ExportError> {
    let mut document: Box<dyn Document + Send> = match format {
        Format::Hledger | Format::Ledger => Box::new(journal::Journal::new(format)),
        Format::Csv => Box::new(csv::Csv),
        Format::Json => Box::new(json::Json::default()),
    };
    let mut exported = Exported::default();
    let mut buffer = Vec::new();
    let currencies = ledger::used_currencies(db).await?;
    document.begin(&currencies, &mut buffer)?;
    document.ledgers(ledger::ledgers(db).await?, &mut buffer)?;
    document.closings(&ledger::all_closings(db).await?, &mut buffer)?;
    if document.has_all() {
        document.groups(&groups(db).await?, &mut buffer)?;
    }
    let exponents = currencies.into_iter().map(|it| (it.code, it.exponent));
    let exponents: HashMap<String, i32> = exponents.collect();

    let mut request = PageRequest {
        first: Some(100),
        ..PageRequest::default()
    };
    loop {
        let (filter, order) = (AccountFilter::default(), AccountOrder::default());
        let page = page_accounts(db, &filter, order, &request).await?;
        let ids: Vec<Uuid> = page.edges.iter().map(|edge| edge.node.id).collect();
        let groups = match document.has_all() {
            true => ledger::groups_by_hand(db, &ids).await?,
            false => HashMap::new(),
        };
        for edge in &page.edges {
            let groups = groups.get(&edge.node.id).map_or(&[][..], Vec::as_slice);
            document.account(&edge.node, groups, &mut buffer)?;
            exported.accounts += 1;
        }
        flush(&mut buffer, out)?;
        request.after = page.edges.into_iter().last().map(|edge| edge.cursor);
        if !page.has_next_page {
            break;
        }
    }

    let mut after = 0;
    loop {
        let entries = ledger::replay(db, after, PAGE).await?;
        let Some(last) = entries.last() else { break };
        after = last.seq;
        let lines = entries.iter().flat_map(|entry| &entry.lines);
        let ids = lines.flat_map(|line| [line.debit_account_id, line.credit_account_id]);
        let mut ids: Vec<Uuid> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let accounts = accounts(db, &ids).await?;
        for entry in &entries {
            let lines = lines_of(entry, &accounts, &exponents);
            let lines = lines.ok_or(ExportError::Unsound {
                entry_id: entry.entry.id,
            })?;
            if lines.is_empty() && !document.has_all() {
                exported.left_out += 1;
                continue;
            }
            document.entry(entry, &lines, &mut buffer)?;
            exported.entries += 1;
        }
        flush(&mut buffer, out)?;
        progress(after.unsigned_abs());
    }
    document.end(&mut buffer)?;
    flush(&mut buffer, out)?;
    out.flush()?;
    Ok(exported)
}

/// All groups of accounts, by path, with their prefixes of codes. There are few of them.
async fn groups(
    db: &impl ConnectionTrait,
) -> Result<Vec<(account_group::Model, Vec<String>)>, ExportError> {
    let mut all = Vec::new();
    let mut request = PageRequest {
        first: Some(100),
        ..PageRequest::default()
    };
    loop {
        let page = ledger::page_account_groups(db, None, &request).await?;
        let ids: Vec<Uuid> = page.edges.iter().map(|edge| edge.node.id).collect();
        let mut prefixes = ledger::code_prefixes_of_groups(db, &ids).await?;
        request.after = page.edges.last().map(|edge| edge.cursor.clone());
        for edge in page.edges {
            let of_group = prefixes.remove(&edge.node.id).unwrap_or_default();
            all.push((edge.node, of_group));
        }
        if !page.has_next_page {
            return Ok(all);
        }
    }
}

/// Reads accounts in parts, since a page of entries can touch a million accounts, and engines limit the parameters of a statement.
async fn accounts(
    db: &impl ConnectionTrait,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, account::Model>, DbErr> {
    let mut accounts = HashMap::new();
    for ids in ids.chunks(1000) {
        accounts.extend(ledger::accounts_by_id(db, ids.iter().copied()).await?);
    }
    Ok(accounts)
}

/// The lines that moved money; `None` if an account or a currency is missing.
fn lines_of<'a>(
    entry: &'a ReplayedEntry,
    accounts: &'a HashMap<Uuid, account::Model>,
    exponents: &HashMap<String, i32>,
) -> Option<Vec<Line<'a>>> {
    let moved =
        |line: &&entry_line::Model| matches!(line.effect, LineEffect::Post | LineEffect::Capture);
    let line = |line: &'a entry_line::Model| {
        Some(Line {
            line,
            debit: accounts.get(&line.debit_account_id)?,
            credit: accounts.get(&line.credit_account_id)?,
            exponent: *exponents.get(&line.currency)?,
        })
    };
    entry.lines.iter().filter(moved).map(line).collect()
}

fn flush(buffer: &mut Vec<u8>, out: &mut (dyn Write + Send)) -> io::Result<()> {
    out.write_all(buffer)?;
    buffer.clear();
    Ok(())
}
