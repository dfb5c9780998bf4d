//! `daybook post`: one entry, as the arguments say it.
//!
//! A command can be repeated without posting twice. With a reference, the ledger keeps it to one entry for ever, and answers a repeated
//! command with the entry that is there. Without one, each command has an idempotency key, its own if none is given: if it is not known
//! what became of the command, the key is printed, and with it the command can be repeated.

use std::{collections::HashMap, io::Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    client::{Ask, Client, Writes},
    failure::{Failure, Outcome},
    money::Money,
    no_account,
    output::Output,
    paint::Paint,
    table::{Column, Table},
    text::plain,
};
use crate::config::{AccountName, PostLine, PostTask};

pub(super) const CURRENCIES: &str = "query Currencies { currencies { code exponent } }";

pub(super) const ACCOUNT: &str =
    "query AccountCurrency($account: AccountRef!) { account(by: $account) { currency } }";

pub(super) const POST: &str = "mutation Post($input: PostEntryInput!) {
  postEntry(input: $input) {
    alreadyPosted
    entry {
      id kind description reference effectiveAt recordedAt recordedBy metadata
      lines { debit { code } credit { code } amount { amount decimal currency } }
    }
    accounts { code currency balances { posted { amount decimal } available { amount decimal } version } }
  }
}";

const LINES: [Column; 4] = [
    Column::Name("DEBIT"),
    Column::Name("CREDIT"),
    Column::Amount("AMOUNT"),
    Column::Name("CURRENCY"),
];

const BALANCES: [Column; 4] = [
    Column::Name("ACCOUNT"),
    Column::Amount("POSTED"),
    Column::Amount("AVAILABLE"),
    Column::Name("CURRENCY"),
];

#[derive(Deserialize)]
struct Currencies {
    currencies: Vec<Currency>,
}

#[derive(Deserialize)]
struct Currency {
    code: String,
    exponent: usize,
}

#[derive(Deserialize)]
struct AccountAnswer {
    account: Option<AccountCurrency>,
}

#[derive(Deserialize)]
struct AccountCurrency {
    currency: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    post_entry: Payload,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    already_posted: bool,
    entry: Entry,
    accounts: Vec<Account>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    kind: String,
    description: Option<String>,
    reference: Option<String>,
    effective_at: String,
    recorded_at: String,
    recorded_by: Option<String>,
    metadata: Json,
    lines: Vec<Line>,
}

#[derive(Deserialize, Serialize)]
struct Line {
    debit: Code,
    credit: Code,
    amount: LineAmount,
}

#[derive(Deserialize, Serialize)]
struct Code {
    code: String,
}

#[derive(Deserialize, Serialize)]
struct LineAmount {
    #[serde(flatten)]
    money: Money,
    currency: String,
}

#[derive(Deserialize, Serialize)]
struct Account {
    code: String,
    currency: String,
    balances: Balances,
}

#[derive(Deserialize, Serialize)]
struct Balances {
    posted: Money,
    available: Money,
    version: String,
}

/// What is printed for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    dry_run: bool,
    #[serde(flatten)]
    payload: Payload,
}

/// Posts the entry and prints it.
pub(super) async fn run(
    client: &Client,
    task: &PostTask,
    out: &mut Output,
    json: bool,
    paint: Paint,
) -> Result<(), Failure> {
    let lines = lines(client, task).await.map_err(nothing)?;
    let own_key = format!("daybook-{}", Uuid::new_v4());
    let key = match (&task.idempotency_key, &task.reference) {
        _ if task.dry_run => None,
        (Some(key), _) => Some(key.as_str()),
        // The reference does more than a key.
        (None, Some(_)) => None,
        (None, None) => Some(own_key.as_str()),
    };
    let ask = Ask {
        document: POST,
        variables: json!({ "input": input(task, lines) }),
        writes: Some(Writes {
            idempotency_key: key,
            dry_run: task.dry_run,
        }),
    };
    let answer = client.ask::<Posted>(ask).await.map_err(|failure| {
        match (failure.outcome, &task.idempotency_key, &task.reference) {
            (Outcome::Unknown, None, None) => failure.and(&format!(
                "it is not known whether the entry was posted: repeat the command within a day with --idempotency-key {own_key}, which posts it once"
            )),
            (Outcome::Unknown, ..) => failure.and(
                "it is not known whether the entry was posted: repeat the command as it is, which posts it once",
            ),
            _ => nothing(failure),
        }
    })?;
    let mut payload = answer.data.post_entry;
    payload.already_posted |= answer.replayed;
    if json {
        let printed = Printed {
            dry_run: task.dry_run,
            payload,
        };
        writeln!(out, "{}", serde_json::to_string(&printed)?)?;
        return Ok(());
    }
    print(out, task, payload, paint)
}

fn nothing(failure: Failure) -> Failure {
    failure.and("nothing was posted")
}

/// The lines as the API takes them: amounts in minor units.
async fn lines(client: &Client, task: &PostTask) -> Result<Vec<Json>, Failure> {
    let ask = Ask {
        document: CURRENCIES,
        variables: json!({}),
        writes: None,
    };
    let currencies = client.ask::<Currencies>(ask).await?.data.currencies;
    let mut of_accounts = HashMap::new();
    let mut lines = Vec::new();
    for line in &task.lines {
        let code = match (&line.currency, of_accounts.get(&line.debit)) {
            (Some(code), _) | (None, Some(code)) => String::clone(code),
            (None, None) => {
                let code = currency_of(client, &line.debit).await?;
                of_accounts.insert(line.debit.clone(), code.clone());
                code
            }
        };
        let currency = currencies.iter().find(|it| it.code == code);
        let currency = currency.ok_or_else(|| no_currency(&code, &currencies))?;
        let amount = line.amount.minor_units(currency.exponent);
        let amount = amount.map_err(|problem| {
            Failure::refused("BAD_USER_INPUT", format!("the currency {code} {problem}"))
        })?;
        lines.push(line_input(line, amount, &code));
    }
    Ok(lines)
}

async fn currency_of(client: &Client, account: &AccountName) -> Result<String, Failure> {
    let ask = Ask {
        document: ACCOUNT,
        variables: json!({ "account": account_input(account) }),
        writes: None,
    };
    let answer = client.ask::<AccountAnswer>(ask).await?.data.account;
    Ok(answer.ok_or_else(|| no_account(account))?.currency)
}

fn no_currency(code: &str, currencies: &[Currency]) -> Failure {
    let like = |it: &&Currency| it.code.starts_with(&code[..1]);
    let near: Vec<&str> = currencies
        .iter()
        .filter(like)
        .map(|it| it.code.as_str())
        .collect();
    let near = match near.is_empty() {
        true => String::new(),
        false => format!("; there are {}", near.join(", ")),
    };
    Failure::refused(
        "BAD_USER_INPUT",
        format!("there is no currency {code}{near}"),
    )
}

fn account_input(account: &AccountName) -> Json {
    match account {
        AccountName::Code(code) => json!({ "code": code }),
        AccountName::Id(id) => json!({ "id": id }),
    }
}

fn line_input(line: &PostLine, amount: i64, currency: &str) -> Json {
    json!({
        "debit": account_input(&line.debit),
        "credit": account_input(&line.credit),
        "amount": amount.to_string(),
        "currency": currency,
    })
}

fn input(task: &PostTask, lines: Vec<Json>) -> Map<String, Json> {
    let mut input = Map::new();
    input.insert("lines".to_owned(), lines.into());
    let texts = [
        ("description", task.description.clone()),
        ("effectiveAt", task.date.map(crate::config::When::to_api)),
        ("reference", task.reference.clone()),
        (
            "onTakenReference",
            task.reference.as_ref().map(|_| "RETURN_ENTRY".to_owned()),
        ),
    ];
    for (name, text) in texts {
        input.extend(text.map(|text| (name.to_owned(), text.into())));
    }
    if !task.metadata.is_empty() {
        input.insert("metadata".to_owned(), task.metadata.clone().into());
    }
    input
}

fn print(out: &mut Output, task: &PostTask, payload: Payload, paint: Paint) -> Result<(), Failure> {
    let Payload {
        already_posted,
        entry,
        mut accounts,
    } = payload;
    let what = match (already_posted, task.dry_run) {
        (true, _) => "was posted before: nothing was posted now",
        (false, true) => "would be posted: this was a dry run",
        (false, false) => "posted",
    };
    let id = paint.heading(&plain(&entry.id));
    match task.dry_run && !already_posted {
        // The id goes with the transaction.
        true => writeln!(out, "The entry {what}.")?,
        false => writeln!(out, "{id} {what}.")?,
    }
    for (name, text) in [
        ("counts from", Some(&entry.effective_at)),
        ("description", entry.description.as_ref()),
        ("reference", entry.reference.as_ref()),
    ] {
        if let Some(text) = text {
            writeln!(out, "{name:<13}{}", plain(text))?;
        }
    }
    writeln!(out)?;
    let rows: Vec<_> = entry.lines.into_iter().map(line_row).collect();
    Table::new(&LINES, paint).rows(out, &rows)?;
    writeln!(out)?;
    // The API has them by id.
    accounts.sort_by(|one, other| one.code.cmp(&other.code));
    let rows: Vec<_> = accounts.into_iter().map(account_row).collect();
    Ok(Table::new(&BALANCES, paint).rows(out, &rows)?)
}

fn line_row(line: Line) -> Vec<String> {
    let LineAmount { money, currency } = line.amount;
    vec![line.debit.code, line.credit.code, money.decimal, currency]
}

fn account_row(account: Account) -> Vec<String> {
    let Balances {
        posted, available, ..
    } = account.balances;
    vec![
        account.code,
        posted.decimal,
        available.decimal,
        account.currency,
    ]
}
