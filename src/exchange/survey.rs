//! Reads a file without a database, before it is imported: whatever it says by itself that cannot be kept is known before anything is
//! locked.

use super::item::Item;
use super::refusal::{Refusal, SourceError};
use super::source::Source;
use super::transaction::Posting;
use super::{Symbols, Transaction};
use std::collections::BTreeMap;
use std::io::BufRead;

/// What a file has.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Which currencies its symbols stand for.
    pub(super) symbols: Symbols,
    /// By code, the most decimal places that an amount has, or that the file says amounts have.
    pub(super) places: BTreeMap<String, u32>,
    /// How many transactions.
    pub transactions: u64,
}

/// Reads all of `source`.
///
/// # Errors
/// When it says something that the ledger cannot keep, or cannot be read.
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
    // A symbol that no amount has need not be a currency's.
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
