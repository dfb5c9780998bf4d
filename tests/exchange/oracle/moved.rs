//! What a journal moves, as hledger reads it and as the importer writes it.

use std::collections::{BTreeMap, HashMap};

use daybook::exchange::{self, ImportError, Outcome, Source, Symbols};
use daybook::ledger::Clock;
use daybook_entity::import;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, Statement};
use serde_json::Value as Json;

use crate::exchange::command::{start, stderr};
use crate::ledger::book::{Book, noon};
use crate::ledger::sent::Sent;

/// By date, account and currency: a quantity in 10^-18.
pub(super) type Moved = BTreeMap<(String, String, String), i128>;

const ATTO: u32 = 18;

/// What hledger reads; `None` where it refuses.
pub(super) fn by_hledger(journal: &str) -> Option<Moved> {
    let output = start("hledger", &["-f", "-", "print", "-O", "json"], journal)
        .wait_with_output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    let transactions: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    let mut moved = Moved::new();
    for transaction in transactions.as_array().unwrap() {
        for posting in transaction["tpostings"].as_array().unwrap() {
            let date = posting["pdate"]
                .as_str()
                .or(transaction["tdate"].as_str())
                .unwrap();
            for amount in posting["pamount"].as_array().unwrap() {
                let symbol = amount["acommodity"].as_str().unwrap();
                let quantity = &amount["aquantity"];
                let places = u32::try_from(quantity["decimalPlaces"].as_u64().unwrap()).unwrap();
                let mantissa = i128::from(quantity["decimalMantissa"].as_i64().unwrap());
                let key = (
                    date.to_owned(),
                    posting["paccount"].as_str().unwrap().to_owned(),
                    currency(symbol),
                );
                *moved.entry(key).or_default() += mantissa * 10_i128.pow(ATTO - places);
            }
        }
    }
    moved.retain(|_, quantity| *quantity != 0);
    Some(moved)
}

fn currency(symbol: &str) -> String {
    match symbol {
        "$" => "USD".to_owned(),
        "€" => "EUR".to_owned(),
        other => other.to_uppercase(),
    }
}

/// What an import writes, or why it is refused. Nothing of it stays.
pub(super) async fn by_daybook(book: &Book, journal: &str) -> Result<Moved, String> {
    let survey = exchange::survey(
        Source::journal(journal.as_bytes()),
        Symbols::new(HashMap::new()),
    )
    .map_err(|error| error.to_string())?;
    let import = async |tx: &Sent<DatabaseTransaction>| {
        let file = import::Model {
            sha256: "0".repeat(64),
            name: "oracle".to_owned(),
            imported_at: noon(),
        };
        let source = Source::journal(journal.as_bytes());
        match exchange::import(tx, file, source, survey, &Clock::at(noon())).await {
            Ok(Outcome::Imported(_)) => Ok(written(tx).await),
            Ok(other) => panic!("{other:?}"),
            Err(ImportError::Source(error)) => Err(error.to_string()),
            Err(error) => panic!("{error}: {journal}"),
        }
    };
    // Err, so that it is rolled back.
    let read = book.write(async |tx| Err::<(), _>(import(tx).await)).await;
    read.unwrap_err()
}

async fn written(tx: &Sent<DatabaseTransaction>) -> Moved {
    let side = |column: &str, sign: &str| {
        format!(
            "SELECT substr(effective_at, 1, 10) AS date, account.code AS account, entry_line.currency AS currency,
                    exponent, {sign}amount AS amount
             FROM entry_line JOIN entry ON entry.id = entry_id JOIN account ON account.id = {column}
                  JOIN currency ON currency.code = entry_line.currency"
        )
    };
    let sql = format!(
        "{} UNION ALL {}",
        side("debit_account_id", ""),
        side("credit_account_id", "-")
    );
    let rows = tx
        .query_all_raw(Statement::from_string(tx.get_database_backend(), sql))
        .await
        .unwrap();
    let mut moved = Moved::new();
    for row in rows {
        let text = |column: &str| row.try_get::<String>("", column).unwrap();
        let (currency, amount): (String, i64) =
            (text("currency"), row.try_get("", "amount").unwrap());
        let exponent = u32::try_from(row.try_get::<i32>("", "exponent").unwrap()).unwrap();
        let quantity = i128::from(amount) * 10_i128.pow(ATTO - exponent);
        *moved
            .entry((text("date"), text("account"), currency))
            .or_default() += quantity;
    }
    moved.retain(|_, quantity| *quantity != 0);
    moved
}

/// Both by account: what each has, by date. An account of the journal is one of the ledger for each currency, under its name or
/// `NAME [CURRENCY]`.
pub(super) fn is_same(by_hledger: &Moved, by_daybook: &Moved) -> bool {
    type ByAccount<'a> = BTreeMap<(&'a str, &'a str), BTreeMap<&'a str, i128>>;
    fn by_account(moved: &Moved) -> ByAccount<'_> {
        let mut accounts = ByAccount::new();
        for ((date, account, currency), quantity) in moved {
            accounts
                .entry((account, currency))
                .or_default()
                .insert(date, *quantity);
        }
        accounts
    }
    let mut there = by_account(by_daybook);
    // Names as they are first, so that each account of the ledger is used by one name.
    let (mut left, expected) = (Vec::new(), by_account(by_hledger));
    for ((account, currency), moved) in &expected {
        match there.remove(&(*account, *currency)) {
            Some(found) if found == *moved => {}
            Some(_) => return false,
            None => left.push(((account, currency), moved)),
        }
    }
    for ((account, currency), moved) in left {
        let code = format!("{account} [{currency}]");
        let key = there
            .keys()
            .find(|(name, of)| *name == code && of == currency)
            .copied();
        if key.and_then(|key| there.remove(&key)).as_ref() != Some(moved) {
            return false;
        }
    }
    there.is_empty()
}
