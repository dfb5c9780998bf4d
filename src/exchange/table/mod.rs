//! Reads comma-separated values: a header with the names of columns, and under it one row for each line of the ledger.
//!
//! | column | has |
//! |---|---|
//! | `date` | from when the entry counts: `2026-11-25`, or an instant such as `2026-11-25T12:00:00Z` |
//! | `debit`, `credit` | the codes of the accounts |
//! | `amount` | a positive number, with a point before its decimal places |
//! | `currency` | its code |
//! | `entry` | optional: neighbouring rows that have the same are one entry; a row without is one by itself |
//! | `description`, `metadata`, `reference` | optional, of the entry: in its first row; metadata is a JSON object |
//! | `debit_side`, `credit_side` | optional: the normal side of an account that is not there yet, DEBIT or CREDIT |
//! | `kind`, `recorded_at` | those of an export of Daybook's; they are not imported |

mod row;

use super::item::Item;
use super::refusal::{Refusal, SourceError};
use super::transaction::Transaction;
use crate::ledger::LINES_PER_ENTRY;
use csv::{ErrorKind, ReaderBuilder, StringRecord};
pub(super) use row::HEADER;
use row::{Places, Row};
use serde_json::json;
use std::io::{self, BufRead, Read};

/// The most bytes of a row. A quote that does not end would make the rest of the file one row.
const BYTES: u64 = 1024 * 1024;

/// Reads a file of rows.
pub(super) struct Table<R> {
    reader: csv::Reader<Bounded<R>>,
    places: Option<Places>,
    /// A row that was read, and is not part of a transaction yet.
    row: Option<Row>,
}

impl<R: BufRead> Table<R> {
    pub(super) fn new(reader: R) -> Self {
        let reader = Bounded {
            reader,
            left: BYTES,
        };
        Self {
            reader: ReaderBuilder::new().from_reader(reader),
            places: None,
            row: None,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Item>, SourceError> {
        let first = match self.row.take() {
            Some(row) => row,
            None => match self.read()? {
                Some(row) => row,
                None => return Ok(None),
            },
        };
        let mut transaction = Transaction {
            line: first.line,
            effective_at: first.effective_at,
            description: first.description,
            metadata: first.metadata.unwrap_or_else(|| json!({})),
            reference: first.reference,
            postings: first.postings.into(),
        };
        while !first.entry.is_empty() {
            match self.read()? {
                Some(row) if row.entry == first.entry => {
                    let differs = row.effective_at != transaction.effective_at
                        || row
                            .description
                            .is_some_and(|it| transaction.description != Some(it))
                        || row.metadata.is_some_and(|it| transaction.metadata != it)
                        || row
                            .reference
                            .is_some_and(|it| transaction.reference != Some(it));
                    if differs {
                        let problem = format!(
                            "the row is of the entry that begins in line {}, and its date, description, metadata or reference are not that one's: \
                             make them the same, or give it another `entry`",
                            transaction.line
                        );
                        return Err(Refusal::of_line(row.line, problem).into());
                    }
                    if transaction.postings.len() >= 2 * LINES_PER_ENTRY {
                        let problem =
                            format!("an entry has at most {LINES_PER_ENTRY} lines: split it");
                        return Err(Refusal::of_line(row.line, problem).into());
                    }
                    transaction.postings.extend(row.postings);
                }
                row => {
                    self.row = row;
                    break;
                }
            }
        }
        Ok(Some(Item::Transaction(transaction)))
    }

    fn read(&mut self) -> Result<Option<Row>, SourceError> {
        let places = match self.places {
            Some(places) => places,
            None => {
                let header = self.reader.headers().map_err(failed)?;
                let places = row::places(header)?;
                self.places = Some(places);
                places
            }
        };
        let mut record = StringRecord::new();
        self.reader.get_mut().left = BYTES;
        let has_row = self.reader.read_record(&mut record).map_err(failed)?;
        Ok(if has_row {
            Some(row::row(&record, &places)?)
        } else {
            None
        })
    }
}

/// An error of the CSV reader: a refusal if it is about the contents.
fn failed(error: csv::Error) -> SourceError {
    let line = error.position().map_or(1, csv::Position::line);
    let problem = match error.kind() {
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!(
                "the row has {len} fields, and the header {expected_len}: is a quote or a comma missing?"
            )
        }
        ErrorKind::Utf8 { .. } => {
            "this is not UTF-8: convert the file, with `iconv -t utf-8`".to_owned()
        }
        _ => return SourceError::Read(error.into()),
    };
    Refusal::of_line(line, problem).into()
}

/// A reader that fails after a number of bytes.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a row is longer than {BYTES} bytes: is a quote missing?"),
            ));
        }
        let read = self.reader.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Transaction>, String> {
        let mut table = Table::new(text.as_bytes());
        let mut read = Vec::new();
        while let Some(item) = table.next().map_err(|error| error.to_string())? {
            match item {
                Item::Transaction(transaction) => read.push(transaction),
                item => panic!("{item:?}"),
            }
        }
        Ok(read)
    }

    #[test]
    fn neighbouring_rows_of_an_entry_are_one() {
        let text = "entry,date,debit,credit,amount,currency,description\n\
                    1,2026-11-25,a,b,1.50,EUR,\"x, y\"\n1,2026-11-25,b,c,2,USD,\n,2026-11-25T01:02:03Z,a,b,1,EUR,\n,2026-11-26,a,b,1,EUR,\n";
        let read = read(text).unwrap();
        let shape: Vec<_> = read
            .iter()
            .map(|it| (it.line, it.postings.len(), it.description.as_deref()))
            .collect();
        assert_eq!(shape, [(2, 4, Some("x, y")), (4, 2, None), (5, 2, None)]);
        assert_eq!(
            read[1].effective_at.to_rfc3339(),
            "2026-11-25T01:02:03+00:00"
        );
        assert_eq!(read[0].postings[1].quantity, -1_500_000_000_000_000_000);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_line() {
        let row = |row: &str| {
            format!(
                "date,debit,credit,amount,currency,entry,description,metadata,debit_side\n{row}\n"
            )
        };
        for (text, refusal) in [
            (
                "date,debit\n".to_owned(),
                "line 1: there is no column `credit`",
            ),
            ("date,x\n".to_owned(), "line 1: `x` is no column"),
            ("date,date\n".to_owned(), "line 1: there are two columns"),
            (
                row("2026-11-25,a,b"),
                "line 2: the row has 3 fields, and the header 9",
            ),
            (
                row("25.11.2026,a,b,1,EUR,,,,"),
                "line 2: `25.11.2026` is no date",
            ),
            (
                row("2026-11-25,a,,1,EUR,,,,"),
                "line 2: `debit` and `credit` name",
            ),
            (
                row("2026-11-25,a,a,1,EUR,,,,"),
                "line 2: `debit` and `credit` are the same",
            ),
            (
                row("2026-11-25,a,b,\"1,5\",EUR,,,,"),
                "line 2: the amount `1,5` is no positive number",
            ),
            (
                row("2026-11-25,a,b,-1,EUR,,,,"),
                "line 2: the amount `-1` is no positive number",
            ),
            (
                row("2026-11-25,a,b,0.0,EUR,,,,"),
                "line 2: the amount is zero",
            ),
            (
                row("2026-11-25,a,b,1,EUR,,,{,"),
                "line 2: the metadata is no JSON",
            ),
            (
                row("2026-11-25,a,b,1,EUR,,,,X"),
                "line 2: `X` is no `debit_side`",
            ),
            (
                row("2026-11-25,a,b,1,EUR,1,x,,\n2026-11-25,a,b,1,EUR,1,y,,"),
                "line 3: the row is of the entry that begins in line 2",
            ),
            (
                row(&format!(
                    "2026-11-25,a,b,1,EUR,,\"{}",
                    "x\n".repeat(1 << 20)
                )),
                "the file cannot be read",
            ),
        ] {
            let refused = read(&text).unwrap_err();
            assert!(
                refused.starts_with(refusal),
                "expected {refusal}\nand not  {refused}"
            );
        }
    }
}
