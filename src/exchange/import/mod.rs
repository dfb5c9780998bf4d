//! Writes what a file says into the ledger, in the transaction that its caller lends: all of it, or nothing.
//!
//! **Once.** A file is known by the hash of its contents, which is recorded in the same transaction.
//!
//! **In bounded memory.** Transactions are posted in batches as they are read; what is kept is a small record for each account of the
//! file. The database's own transaction holds the rest.
//!
//! **By the ledger's rules.** Accounts are opened and entries posted by the ledger's verbs, so limits hold at every entry in the order of the
//! file (those of accounts that the file itself opens, at its end), history is kept and subscribers are told. A refusal names the line.

mod accounts;
mod error;

use super::item::Item;
use super::refusal::Refusal;
use super::source::Source;
use super::transaction::Posting;
use super::{Survey, Transaction, amount};
use crate::ledger::{
    self, AccountRef, BulkPosting, Clock, CurrencyError, EntryNotes, NewLine, PostEntriesError,
    PostEntry, Random, new_entry_id, random,
};
use accounts::Accounts;
use chrono::{DateTime, Utc};
use daybook_entity::import;
pub use error::ImportError;
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::HashMap;
use std::io::BufRead;
use uuid::Uuid;

/// Entries, or lines, of a batch; the last entry can have a thousand lines more.
const BATCH: usize = 500;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was imported.
    Imported(Imported),
    /// It had been before, at this instant: nothing was written.
    Already(DateTime<Utc>),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Entries.
    pub entries: u64,
    /// Their lines.
    pub lines: u64,
    /// Accounts that were opened.
    pub accounts: u64,
    /// Currencies that were registered.
    pub currencies: u64,
    /// Transactions that move nothing between accounts, of which there is no entry.
    pub moving_nothing: u64,
    /// Lines that change no balance, such as prices.
    pub left_out: u64,
}

/// Imports `source`, which `survey` was made of, unless a file with its contents has been.
///
/// # Errors
/// When the ledger refuses what the file says, the file cannot be read, or the database fails. The transaction must then be rolled back.
pub async fn import<R: BufRead>(
    db: &impl ConnectionTrait,
    file: import::Model,
    mut source: Source<R>,
    survey: Survey,
    clock: &Clock,
) -> Result<Outcome, ImportError> {
    if let Some(earlier) = ledger::record_import(db, file).await? {
        return Ok(Outcome::Already(earlier.imported_at));
    }
    let mut writing = Writing {
        db,
        clock,
        survey,
        exponents: HashMap::new(),
        accounts: Accounts::default(),
        ids: Ids::new(random()),
        bulk: BulkPosting::default(),
        batch: Vec::new(),
        lines: 0,
        imported: Imported::default(),
    };
    writing.register_currencies().await?;
    while let Some(item) = source.next()? {
        match item {
            Item::Transaction(transaction) => writing.transaction(&transaction).await?,
            Item::Account(declared) => writing.accounts.declare(db, declared, clock).await?,
            Item::Commodity { .. } => {}
        }
    }
    writing.flush().await?;
    let ended = writing.bulk.end(db).await;
    ended.map_err(PostEntriesError::into_db_err)?;
    writing.accounts.limit(db, clock).await?;
    Ok(Outcome::Imported(Imported {
        accounts: writing.accounts.opened,
        left_out: source.left_out(),
        ..writing.imported
    }))
}

struct Writing<'a, C> {
    db: &'a C,
    clock: &'a Clock,
    survey: Survey,
    exponents: HashMap<String, i32>,
    accounts: Accounts,
    ids: Ids,
    bulk: BulkPosting,
    /// Not posted yet, with the lines that they begin in.
    batch: Vec<(u64, PostEntry)>,
    /// How many lines the batch has.
    lines: usize,
    imported: Imported,
}

impl<C: ConnectionTrait> Writing<'_, C> {
    /// The currencies that the ledger does not know are as fine as the file's amounts are.
    async fn register_currencies(&mut self) -> Result<(), ImportError> {
        for (code, places) in &self.survey.places {
            let mut found = ledger::currency(self.db, code).await?;
            if found.is_none() {
                let exponent = i32::try_from(*places).unwrap_or_default();
                ledger::register_currency(self.db, code.clone(), exponent, self.clock.now())
                    .await
                    .map_err(|error| match error {
                        CurrencyError::Database(error) => error,
                        error => DbErr::Custom(error.to_string()),
                    })?;
                self.imported.currencies += 1;
                // Another transaction may have been first.
                found = ledger::currency(self.db, code).await?;
            }
            self.exponents
                .extend(found.map(|it| (it.code, it.exponent)));
        }
        Ok(())
    }

    async fn transaction(&mut self, transaction: &Transaction) -> Result<(), ImportError> {
        let pairs = transaction.pairs()?;
        if pairs.is_empty() {
            self.imported.moving_nothing += 1;
            return Ok(());
        }
        let mut lines = Vec::with_capacity(pairs.len());
        for pair in &pairs {
            let code = self.currency(pair.debit)?;
            for posting in [pair.debit, pair.credit] {
                self.minor_units(posting, &code, posting.quantity)?;
            }
            let amount = self.minor_units(pair.debit, &code, pair.quantity)?;
            let mut ids = [Uuid::nil(); 2];
            for (id, posting) in ids.iter_mut().zip([pair.debit, pair.credit]) {
                *id = self
                    .accounts
                    .id(self.db, posting, &code, self.clock)
                    .await?;
            }
            let [debit, credit] = ids.map(AccountRef::Id);
            lines.push(NewLine {
                debit,
                credit,
                amount,
                currency: code,
            });
        }
        self.lines += lines.len();
        let entry = PostEntry {
            id: self.ids.next(self.clock.now()),
            lines,
            notes: EntryNotes {
                reference: transaction.reference.clone(),
                effective_at: Some(transaction.effective_at),
                description: transaction.description.clone(),
                metadata: Some(transaction.metadata.clone()),
                ..EntryNotes::default()
            },
            expect: Vec::new(),
            conditions: Vec::new(),
        };
        self.batch.push((transaction.line, entry));
        if self.lines >= BATCH {
            self.flush().await?;
        }
        Ok(())
    }

    fn currency(&mut self, posting: &Posting) -> Result<String, Refusal> {
        let code = self.survey.symbols.code(&posting.symbol);
        code.map_err(|problem| Refusal::of_line(posting.line, problem))
    }

    fn minor_units(&self, posting: &Posting, code: &str, quantity: i128) -> Result<i64, Refusal> {
        let exponent = self.exponents.get(code).copied().unwrap_or_default();
        let places = u32::try_from(exponent).unwrap_or_default();
        let unit = 10_i128.pow(amount::PLACES.saturating_sub(places));
        let shown = || amount::text(quantity);
        if quantity % unit != 0 {
            let problem = format!(
                "{} has more decimal places than {code} has in this ledger, which is {places}: round it",
                shown()
            );
            return Err(Refusal::of_line(posting.line, problem));
        }
        i64::try_from(quantity / unit).map_err(|_| {
            let problem = format!("{} {code} is more than the ledger can keep: its amounts have 64 bits of minor units", shown());
            Refusal::of_line(posting.line, problem)
        })
    }

    async fn flush(&mut self) -> Result<(), ImportError> {
        let (begins, entries): (Vec<u64>, Vec<PostEntry>) = self.batch.drain(..).unzip();
        if entries.is_empty() {
            return Ok(());
        }
        self.imported.entries += entries.len() as u64;
        self.imported.lines += std::mem::take(&mut self.lines) as u64;
        let posted = ledger::post_entries(self.db, &mut self.bulk, entries, self.clock).await;
        posted.map_err(|error| match error {
            PostEntriesError::Entry { index, source } if source.code().is_some() => {
                let line = begins.get(index).copied().unwrap_or_default();
                Refusal::of_line(line, source.to_string()).into()
            }
            error => error.into_db_err().into(),
        })
    }
}

/// Ids that are in the order of the file, also within a millisecond.
struct Ids {
    random: Random,
    count: u32,
}

impl Ids {
    const fn new(random: Random) -> Self {
        Self { random, count: 0 }
    }

    fn next(&mut self, now: DateTime<Utc>) -> Uuid {
        self.count = self.count.wrapping_add(1);
        let [a, b, c, ..] = self.random;
        let [d, e, f, g] = self.count.to_be_bytes();
        let [.., h, i, j] = random();
        new_entry_id(now, [a, b, c, d, e, f, g, h, i, j])
    }
}
