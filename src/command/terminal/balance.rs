//! `daybook balance`: what is on accounts, each by itself, or added up by the first parts of their codes.

use std::{collections::BTreeMap, io::Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{
    client::{Ask, Client},
    failure::Failure,
    list::List,
    money::{Money, sum},
    output::{JsonArray, Output},
    paint::Paint,
    table::{Column, Table},
    text::words,
};
use crate::config::BalanceTask;

pub(super) const ACCOUNTS: &str =
    "query Balances($filter: AccountFilter, $after: String, $at: PointInTime, $timeZone: String) {
  accounts(first: 90, after: $after, filter: $filter) {
    pageInfo { hasNextPage endCursor }
    edges {
      node {
        code name currency normalSide
        balances(at: $at, timeZone: $timeZone) {
          posted { amount decimal }
          pending { amount decimal }
          available { amount decimal }
          version
        }
      }
    }
  }
}";

pub(super) const GROUPS: &str =
    "query Groups($filter: AccountFilter, $depth: Int!, $during: SumPeriod, $timeZone: String) {
  accountSums(by: [CODE], codeDepth: $depth, filter: $filter, during: $during, timeZone: $timeZone) {
    code currency accounts closing { amount decimal }
  }
}";

const ACCOUNT_COLUMNS: [Column; 6] = [
    Column::Name("ACCOUNT"),
    Column::Amount("POSTED"),
    Column::Amount("PENDING"),
    Column::Amount("AVAILABLE"),
    Column::Name("CURRENCY"),
    Column::Name("SIDE"),
];

const GROUP_COLUMNS: [Column; 5] = [
    Column::Name("GROUP"),
    Column::Amount("ACCOUNTS"),
    Column::Amount("DEBIT"),
    Column::Amount("CREDIT"),
    Column::Name("CURRENCY"),
];

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    code: String,
    name: String,
    currency: String,
    normal_side: String,
    balances: Balances,
}

#[derive(Deserialize, Serialize)]
struct Balances {
    posted: Money,
    pending: Money,
    available: Money,
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Groups {
    account_sums: Vec<Group>,
}

#[derive(Deserialize, Serialize)]
struct Group {
    code: String,
    currency: String,
    accounts: u64,
    closing: Money,
}

/// Writes the balances. Returns whether there is any account.
pub(super) async fn run(
    client: &Client,
    task: &BalanceTask,
    out: &mut Output,
    json: bool,
    paint: Paint,
) -> Result<bool, Failure> {
    let mut filter = Map::new();
    for (name, value) in [("codePrefix", &task.prefix), ("currency", &task.currency)] {
        filter.extend(value.clone().map(|value| (name.to_owned(), value.into())));
    }
    match task.depth {
        Some(depth) => by_group(client, task, (filter, depth), out, json, paint).await,
        None => by_account(client, task, filter, out, json, paint).await,
    }
}

/// The time zone, for what is a day there. The API refuses one that says nothing.
fn zone(task: &BalanceTask) -> Option<&'static str> {
    task.at
        .filter(|at| at.is_day())
        .map(|_| task.time_zone.name())
}

async fn by_account(
    client: &Client,
    task: &BalanceTask,
    filter: Map<String, Json>,
    out: &mut Output,
    json: bool,
    paint: Paint,
) -> Result<bool, Failure> {
    let at = task.at.map(|at| json!({ "effectiveAt": at.to_api() }));
    let is_shown = |account: &Account| {
        let Balances {
            posted, pending, ..
        } = &account.balances;
        !task.nonzero || !posted.is_zero() || !pending.is_zero()
    };
    let variables = [
        ("filter", filter.into()),
        ("at", at.into()),
        ("timeZone", zone(task).into()),
    ];
    let list = List {
        document: ACCOUNTS,
        variables: variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        columns: &ACCOUNT_COLUMNS,
        json,
        paint,
    };
    list.write(client, out, is_shown, account_row).await
}

fn account_row(account: Account) -> Vec<String> {
    let Balances {
        posted,
        pending,
        available,
        ..
    } = account.balances;
    vec![
        account.code,
        posted.decimal,
        pending.decimal,
        available.decimal,
        account.currency,
        words(&account.normal_side),
    ]
}

async fn by_group(
    client: &Client,
    task: &BalanceTask,
    (filter, depth): (Map<String, Json>, u32),
    out: &mut Output,
    json: bool,
    paint: Paint,
) -> Result<bool, Failure> {
    let during = task.at.map(|at| json!({ "effectiveUntil": at.to_api() }));
    let ask = Ask {
        document: GROUPS,
        variables: json!({ "filter": filter, "depth": depth, "during": during, "timeZone": zone(task) }),
        writes: None,
    };
    let mut groups = client.ask::<Groups>(ask).await?.data.account_sums;
    let is_any = !groups.is_empty();
    groups.retain(|group| !task.nonzero || !group.closing.is_zero());
    if json {
        let mut array = JsonArray::default();
        groups.iter().try_for_each(|group| array.item(out, group))?;
        array.end(out)?;
        writeln!(out)?;
        return Ok(is_any);
    }
    let mut rows = Vec::new();
    let mut totals = BTreeMap::<String, (u64, Vec<Money>, Vec<Money>)>::new();
    for group in groups {
        let (accounts, debits, credits) = totals.entry(group.currency.clone()).or_default();
        *accounts += group.accounts;
        let of_debits = !group.closing.is_negative();
        let column = if of_debits { debits } else { credits };
        let amount = group.closing.unsigned();
        rows.push(group_row(
            group.code,
            group.accounts,
            &amount,
            of_debits,
            group.currency,
        ));
        column.push(amount);
    }
    for (currency, (accounts, debits, credits)) in totals {
        // Amounts of one currency have the same places.
        let places = debits.iter().chain(&credits).map(Money::places).next();
        let total = |column: &[Money]| sum(column, places.unwrap_or(0));
        let (debit, credit) = (total(&debits)?, total(&credits)?);
        let title = "total".to_owned();
        rows.push(vec![title, accounts.to_string(), debit, credit, currency]);
    }
    Table::new(&GROUP_COLUMNS, paint).rows(out, &rows)?;
    Ok(is_any)
}

fn group_row(
    code: String,
    accounts: u64,
    amount: &Money,
    of_debits: bool,
    currency: String,
) -> Vec<String> {
    let (debit, credit) = match of_debits {
        true => (amount.decimal.clone(), String::new()),
        false => (String::new(), amount.decimal.clone()),
    };
    vec![code, accounts.to_string(), debit, credit, currency]
}
