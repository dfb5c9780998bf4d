//! `daybook post`: one entry, as the arguments say it.
//!
//! A command can be repeated without posting twice. With a reference, the ledger keeps it to one entry for ever, and answers a repeated
//! command with the entry that is there. Without one, each command has an idempotency key, its own if none is given: if it is not known
//! what became of the command, the key is printed, and with it the command can be repeated.

mod printed;

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use self::printed::{Payload, Printed};
use super::{
    client::{Ask, Client, Writes},
    failure::{Failure, Outcome},
    no_account,
    output::Output,
    paint::Paint,
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
    let printed = Printed {
        dry_run: task.dry_run,
        payload,
    };
    match json {
        true => printed.for_programs(out),
        false => printed.for_people(out, paint),
    }
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
