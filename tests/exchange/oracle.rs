//! hledger is the oracle of the importer: a random journal is imported as hledger reads it, date by date, or refused.
//!
//! What hledger refuses may not be imported. What hledger reads may be refused, for the importer guesses at nothing; how often it is not is
//! counted, so that a generator that makes only nonsense is noticed.
//!
//! The journals are the same each time. With `DAYBOOK_JOURNALS`, which says how many there are to be, they are others each time.

use super::command::{start, stderr};
use crate::ledger::book::{Book, noon};
use daybook::exchange::{self, ImportError, Outcome, Source, Symbols};
use daybook::ledger::Clock;
use daybook_entity::import;
use daybook_test_harness::{Engine, TestDatabase};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, Statement};
use serde_json::Value as Json;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

/// By date, account and currency: a quantity in 10^-18.
type Moved = BTreeMap<(String, String, String), i128>;

const ATTO: u32 = 18;

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(str::to_owned)
}

/// Mostly the first, and one of the others now and then.
fn mostly(usual: &'static str, others: &'static [&'static str]) -> BoxedStrategy<String> {
    prop_oneof![29 => Just(usual.to_owned()), 1 => one_of(others)].boxed()
}

fn date() -> impl Strategy<Value = String> {
    let usual =
        (1..=12_u32, 1..=28_u32).prop_map(|(month, day)| format!("2026-{month:02}-{day:02}"));
    let odd = one_of(&[
        "2026/1/9",
        "2026.01.10",
        "2026-01/10",
        "2026/01-10",
        "26-01-10",
        "026-1-1",
        "1/2",
        "1-2",
        "2026-1-2=2026-1-3",
        "2026-1-2=1-3",
        "2026-1-2=1/3",
        "0001-01-01",
        "9999-12-31",
        "2026-02-30",
        "2026-13-01",
        "2026-1",
        "2026-01-10=",
        "2026-001-2",
        "20260110",
        "2024-02-29",
        "2026-01-01-01",
    ]);
    prop_oneof![15 => usual, 1 => odd]
}

fn header() -> impl Strategy<Value = String> {
    let status = mostly("", &["*", "!", "* ", "! ", "**", "*!"]);
    let code = mostly(
        "",
        &[
            "(100)", "(a;b)", "(a b) ", "( x )", "()", "(open", ")", "(a)(b)", "(é;)", "(;)",
            "(a;b", "((a)",
        ],
    );
    let description = prop_oneof![
        6 => one_of(&["shop", "eat & drink", "a | b", ""]),
        1 => one_of(&["x;y", "x ; note", "x  two", "; all note", "x ; date:2026-03-01", "x ; [2026-03-01]", "x (c) y", "= x", "x ; [=3/1]", "\"q\""]),
    ];
    let space = mostly(" ", &["  ", "\t", "\u{a0}", ""]);
    (date(), space, status, code, description).prop_map(
        |(date, space, status, code, description)| {
            format!("{date}{space}{status}{code}{description}")
        },
    )
}

fn account() -> BoxedStrategy<String> {
    prop_oneof![
        20 => one_of(&["a", "b", "a:b", "assets:bank", "income", "a b"]),
        1 => one_of(&["a:b [USD]", "a:b [EUR]", "a [EUR]", "a [USD]", "(v)", "[v]", "a;b", "a ;b", "* a", "!b", "A", "a:", "資産", "(v)x", "a\u{a0}b", "1a"]),
    ]
    .boxed()
}

fn amount() -> BoxedStrategy<String> {
    prop_oneof![
        20 => (1..100_u32, select(&["EUR", "USD"])).prop_map(|(number, currency)| format!("{number} {currency}")),
        2 => one_of(&["EUR 1", "-3 EUR", "$1", "-$1", "$-1.50", "1.50 EUR", "0 EUR", "1EUR", "EUR1", "$ 2", "+1 EUR", "USD -2.25"]),
        1 => one_of(&[
            "1,50 EUR", "1,000 EUR", "1.000 EUR", "1,000.00 EUR", "1 000 EUR", "1e3 EUR", "1.000.000 EUR", "1.000,5 EUR", ".5 EUR", "5. EUR",
            ",5 EUR",
            "1.5 EUR",
            "1,50 USD",
            "--1 EUR", "- 1 EUR", "1", "(1 EUR)", "1 EUR x", "EUR", "\"A B\" 1", "1 \"EUR\"", "1 eur", "1 €", "0.001 EUR", "1,5", "1 EUR USD",
            "-EUR 1", "EUR - 1", "1 000,00 EUR", "1'000 EUR", "٣ EUR",  "0x1 EUR", "1_0 EUR",
        ]),
        // Numbers with any separators, which the decimal mark that the file has said explains, or contradicts.
        1 => string_regex("[$]?[0-9]{1,3}([,. ][0-9]{1,3}){1,3}[,.]?( EUR| USD)?").unwrap(),
        1 => one_of(&[
            "1 EUR @ 2 USD", "1 EUR @@ 2 USD", "1 EUR {2 USD}", "1 EUR = 1 EUR", "1 EUR =1 EUR", "1 EUR == 1 EUR", "1 EUR =* 1 EUR", "= 1 EUR",
            "1 EUR = 2", "1 EUR = $1", "1 EUR [2026-02-01]", "1 EUR (x)", "0 EUR = 0 EUR",
        ]),
    ]
    .boxed()
}

fn comment() -> BoxedStrategy<String> {
    mostly(
        "",
        &[
            " ; plain",
            " ; date:2026-02-01",
            ";date:2026-02-01",
            " ; x date:2/1",
            " ; x, date:2/1",
            " ; date2:2026-02-01",
            " ; [2026-02-01]",
            " ; [=2026-02-01]",
            " ; [2026-02-01=2026-02-03]",
            " ; update:2026-02-01",
            " ; date:",
            " ; date:foo",
            " ; [1]",
            " ; [x]",
            " ; [2/1]",
            " ; x: y date:2/1",
            " ; x: y, date:2/1",
            " ;; date:2/1",
            " ; Date:2/1",
            " # x",
            "\n    ; date:2026-02-01",
            "\n    ; [2026/2/1]",
            "\n    ; plain",
            " ; [2026.2.1] x",
            " ; date: 2026-02-01",
            " ; date:\t2/1",
            " ; [02-01]",
            " ;x:[2026-02-01]",
            " ; date:2026-02-01,",
        ],
    )
}

fn posting() -> impl Strategy<Value = String> {
    let separator = mostly("  ", &[" ", "   ", " \t"]);
    let amount = prop::option::weighted(0.9, amount());
    let indent = mostly("    ", &[" ", "\t", ""]);
    (indent, account(), separator, amount, comment()).prop_map(
        |(indent, account, separator, amount, comment)| match amount {
            Some(amount) => format!("{indent}{account}{separator}{amount}{comment}\n"),
            None => format!("{indent}{account}{comment}\n"),
        },
    )
}

fn transaction() -> impl Strategy<Value = String> {
    // Most balance, by a posting that has no amount.
    let rest = mostly(
        "    equity:rest\n",
        &[
            "",
            "\n",
            "    equity:rest  \n",
            "  equity:rest  ; date:2026-02-02\n",
        ],
    );
    let note = mostly(
        "",
        &[
            "    ; note\n",
            "    ; date:2026-03-01\n",
            "    ; [2026-03-01]\n",
            "    ; x: y\n",
        ],
    );
    (header(), note, prop::collection::vec(posting(), 1..4), rest).prop_map(
        |(header, note, postings, rest)| format!("{header}\n{note}{}{rest}\n", postings.concat()),
    )
}

/// Without what only ledger and newer versions of hledger read: comments that begin with `%` or `|`, `test` blocks, `year`.
fn directive() -> impl Strategy<Value = String> {
    one_of(&[
        "account a\n",
        "account a:b [USD]\n",
        "account a:b  ; type:L\n",
        "commodity 1000.00 EUR\n",
        "commodity 1.000,00 EUR\n",
        "commodity EUR\n  format 1.000,00 EUR\n",
        "commodity $1,000.00\n",
        "D 1000.00 EUR\n",
        "D $1,000.00\n",
        "D 1.000,00 EUR\n",
        "decimal-mark ,\n",
        "decimal-mark .\n",
        "Y2026\n",
        "Y 2025\n",
        "Y26\n",
        "; comment\n",
        "# comment\n",
        "* heading\n",
        "comment\n2026-1-1 x\n  a  1\nend comment\n",
        "P 2026-01-01 USD 0.9 EUR\n",
        "alias a=b\n",
        "apply account x\n",
        "payee shop\n",
        "tag x\n",
        "~ monthly\n  a  1\n  b\n",
        "= a\n  (b)  1\n",
        "end\n",
        "~\n",
        "\n",
        "   \n",
        "  ; indented\n",
        "include x\n",
        "comment\nend comment \n",
        "apply year 2020\n",
        "commodity 1,000 EUR\n",
        "tag date\n",
        "\u{feff}\n",
    ])
}

fn journal() -> impl Strategy<Value = String> {
    let chunk = prop_oneof![6 => transaction().boxed(), 1 => directive().boxed()];
    prop::collection::vec(chunk, 1..4).prop_map(|chunks| chunks.concat())
}

/// What hledger reads; `None` where it refuses.
fn by_hledger(journal: &str) -> Option<Moved> {
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
async fn by_daybook(book: &Book, journal: &str) -> Result<Moved, String> {
    let survey = exchange::survey(
        Source::journal(journal.as_bytes()),
        Symbols::new(HashMap::new()),
    )
    .map_err(|error| error.to_string())?;
    let import = async |tx: &DatabaseTransaction| {
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

async fn written(tx: &DatabaseTransaction) -> Moved {
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
fn is_same(by_hledger: &Moved, by_daybook: &Moved) -> bool {
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

#[test]
fn random_journals_are_read_as_hledger_reads_them() {
    let asked = std::env::var("DAYBOOK_JOURNALS");
    let cases = asked.as_ref().map_or(400, |text| {
        text.parse().expect("DAYBOOK_JOURNALS is a number")
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let book =
        runtime.block_on(async { Book::new(TestDatabase::create(Engine::Sqlite).await).await });
    let (imported, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let differences = RefCell::new(Vec::new());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = match asked {
        Ok(_) => TestRunner::new(config),
        Err(_) => {
            let rng = TestRng::deterministic_rng(RngAlgorithm::default());
            TestRunner::new_with_rng(config, rng)
        }
    };
    runner
        .run(&journal(), |journal| {
            let read = runtime.block_on(by_daybook(&book, &journal));
            match (by_hledger(&journal), read) {
                (Some(by_hledger), Ok(by_daybook)) if is_same(&by_hledger, &by_daybook) => {
                    imported.set(imported.get() + 1);
                }
                (_, Err(_)) => refused.set(refused.get() + 1),
                (by_hledger, Ok(by_daybook)) => differences.borrow_mut().push(format!(
                    "{journal}\nhledger {by_hledger:?}\nDaybook {by_daybook:?}"
                )),
            }
            Ok(())
        })
        .unwrap();
    let mut differences = differences.into_inner();
    differences.sort_by_key(String::len);
    let shown = &differences[..differences.len().min(5)];
    assert!(
        differences.is_empty(),
        "{} of {cases} journals are read otherwise; the shortest:\n{}",
        differences.len(),
        shown.join("\n\n")
    );
    // So that a generator that makes only nonsense, or nothing odd, is noticed.
    assert!(
        imported.get() * 4 > cases && refused.get() * 10 > cases,
        "{imported:?} imported, {refused:?} refused"
    );
}
