//! Journals and tables: what is imported, exported and imported again is the same money.

use std::collections::{BTreeMap, HashMap};

use chrono::DateTime;
use daybook::{
    exchange::{
        ExportError, Format, ImportError, Outcome, Source, SourceError, Symbols, export, import,
        survey,
    },
    ledger::Clock,
};
use daybook_entity::{account, import as file};
use sea_orm::{DbErr, EntityTrait};
use unit_of_work::{Database, UnitOfWork};

use crate::stand;

/// What is on the accounts: debits less credits by code, with the currency and the side.
type Money = BTreeMap<String, (String, String, i128)>;

/// Why a unit of work is rolled back: always, for the next input finds the ledger empty.
#[derive(Debug)]
enum End {
    Refused(SourceError),
    Imported {
        money: Money,
        exports: Vec<(Format, Vec<u8>)>,
    },
    Failed(String),
}

impl From<DbErr> for End {
    fn from(error: DbErr) -> Self {
        Self::Failed(format!("{error:?}"))
    }
}

fn source(format: Format, text: &[u8]) -> Source<&[u8]> {
    match format {
        Format::Csv => Source::csv(text),
        _ => Source::journal(text),
    }
}

/// Reads a journal, and the same bytes as a table.
pub(super) fn survey_only(input: &[u8]) {
    for format in [Format::Hledger, Format::Csv] {
        if let Err(error) = survey(source(format, input), Symbols::new(HashMap::new())) {
            let SourceError::Refused(refusal) = &error else {
                // What is not UTF-8.
                continue;
            };
            assert!(refusal.line > 0, "{refusal}");
            drop(error.to_string());
        }
    }
}

pub(super) fn journal(input: &[u8]) {
    run(Format::Hledger, input);
}

pub(super) fn csv(input: &[u8]) {
    run(Format::Csv, input);
}

fn run(format: Format, input: &[u8]) {
    stand::on_empty(|stand| {
        let database = stand.database();
        let End::Imported { money, exports } = stand.block_on(in_and_out(database, format, input))
        else {
            return;
        };
        for (format, text) in exports {
            let shown = || String::from_utf8_lossy(&text).into_owned();
            match stand.block_on(in_and_out(database, format, &text)) {
                End::Imported { money: again, .. } => {
                    // A table has no accounts on which nothing is.
                    let moved = |money: &Money| -> Money {
                        let moved = money.iter().filter(|(_, (_, _, sum))| *sum != 0);
                        moved
                            .map(|(code, sum)| (code.clone(), sum.clone()))
                            .collect()
                    };
                    match format {
                        Format::Csv => assert_eq!(moved(&again), moved(&money), "{}", shown()),
                        _ => assert_eq!(again, money, "{}", shown()),
                    }
                }
                End::Refused(error) => panic!("the export is refused: {error}\n{}", shown()),
                End::Failed(error) => panic!("{error}\n{}", shown()),
            }
        }
    });
}

/// Imports a file into the ledger, takes what is there then, and rolls back.
async fn in_and_out(database: &Database, format: Format, text: &[u8]) -> End {
    let survey = match survey(source(format, text), Symbols::new(HashMap::new())) {
        Ok(survey) => survey,
        Err(error) => return End::Refused(error),
    };
    let ended = database
        .write(async |unit| -> Result<(), End> {
            let file = file::Model {
                sha256: "0".repeat(64),
                name: "fuzz".to_owned(),
                imported_at: DateTime::UNIX_EPOCH,
            };
            let source = source(format, text);
            match import(&unit, file, source, survey, &Clock::system()).await {
                Ok(Outcome::Imported(_)) => Err(taken(&unit).await),
                Ok(other) => Err(End::Failed(format!("{other:?}"))),
                Err(ImportError::Source(error)) => Err(End::Refused(error)),
                Err(error) => Err(End::Failed(format!("{error:?}"))),
            }
        })
        .await;
    match ended {
        Ok(()) => unreachable!("it always fails"),
        Err(End::Failed(error)) => panic!("{error}\n{}", String::from_utf8_lossy(text)),
        Err(end) => end,
    }
}

async fn taken(unit: &UnitOfWork) -> End {
    let money = match money(unit).await {
        Ok(money) => money,
        Err(error) => return End::Failed(format!("{error:?}")),
    };
    let mut exports = Vec::new();
    for format in [Format::Hledger, Format::Csv, Format::Ledger, Format::Json] {
        let mut text = Vec::new();
        match export(unit, format, &mut text, &|_| {}).await {
            Ok(_) if matches!(format, Format::Hledger | Format::Csv) => {
                exports.push((format, text));
            }
            Ok(_) => {}
            Err(ExportError::Date { .. }) if format == Format::Ledger => {}
            Err(error) => return End::Failed(format!("{format:?}: {error:?}")),
        }
    }
    End::Imported { money, exports }
}

async fn money(unit: &UnitOfWork) -> Result<Money, DbErr> {
    let accounts = account::Entity::find().all(unit).await?;
    Ok(accounts
        .into_iter()
        .map(|it| {
            let sum = i128::from(it.debits_posted) - i128::from(it.credits_posted);
            (it.code, (it.currency, format!("{:?}", it.normal_side), sum))
        })
        .collect())
}
