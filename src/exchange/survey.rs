//! The first reading of a file, without a database. It finds everything in the file that the ledger cannot store before anything is locked.

use super::item::Item;
use super::refusal::{Refusal, SourceError};
use super::source::Source;
use super::transaction::Posting;
use super::{Symbols, Transaction};
use std::collections::BTreeMap;
use std::io::BufRead;

/// What the first reading finds out.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The currencies that its symbols stand for.
    pub(super) symbols: Symbols,
    /// The most decimal places of an amount or a declaration, by the currency's code.
    pub(super) places: BTreeMap<String, u32>,
    /// How many transactions the file has.
    pub transactions: u64,
}

/// Reads all of `source`.
///
/// # Errors
/// If the ledger cannot store something in the file, or the file cannot be read.
pub fn survey<R: BufRead>(mut source: Source<R>, symbols: Symbols) -> Result<Survey, SourceError> {
    let mut survey = Survey {
        symbols,
        ..Survey::default()
    };
    let mut declared: Vec<(String, u32)> = Vec::new();
    while let Some(item) = source.next()? {
        match item {
            Item::Transaction(transaction) => survey.transaction(&transaction)?,
            Item::Commodity { symbol, places } => declared.push((symbol, places)),
            Item::Account(account) => {
                if let Some(note) = account.note {
                    survey.note(&note.currency, account.line, 0)?;
                }
            }
        }
    }
    // A symbol that no amount uses need not stand for a currency.
    for (symbol, places) in declared {
        if let Ok(code) = survey.symbols.code(&symbol)
            && let Some(most) = survey.places.get_mut(&code)
        {
            *most = places.max(*most);
        }
    }
    Ok(survey)
}

impl Survey {
    fn transaction(&mut self, transaction: &Transaction) -> Result<(), Refusal> {
        self.transactions += 1;
        for Posting {
            symbol,
            line,
            places,
            ..
        } in &transaction.postings
        {
            self.note(symbol, *line, *places)?;
        }
        transaction.pairs().map(drop)
    }

    fn note(&mut self, symbol: &str, line: u64, places: u32) -> Result<(), Refusal> {
        let code = self.symbols.code(symbol).map_err(|problem| Refusal {
            line,
            column: None,
            problem,
        })?;
        let most = self.places.entry(code).or_default();
        *most = places.max(*most);
        Ok(())
    }
}
