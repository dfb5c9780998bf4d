//! `daybook accounts`: the accounts by code, a page at a time.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{
    client::{Ask, Client, Page},
    failure::Failure,
    output::{JsonArray, Output},
    paint::Paint,
    table::{Column, Table},
    text::words,
};
use crate::config::AccountsTask;

pub(super) const DOCUMENT: &str = "query Accounts($filter: AccountFilter, $after: String) {
  accounts(first: 90, after: $after, filter: $filter) {
    pageInfo { hasNextPage endCursor }
    edges { node { id code name class currency normalSide limitPolicy status createdAt metadata } }
  }
}";

const COLUMNS: [Column; 7] = [
    Column::Name("ACCOUNT"),
    Column::Text("NAME"),
    Column::Name("CLASS"),
    Column::Name("CURRENCY"),
    Column::Name("SIDE"),
    Column::Name("LIMIT"),
    Column::Name("STATUS"),
];

#[derive(Deserialize)]
struct Answer {
    accounts: Page<Account>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    id: String,
    code: String,
    name: String,
    class: Option<String>,
    currency: String,
    normal_side: String,
    limit_policy: String,
    status: String,
    created_at: String,
    metadata: Json,
}

/// Writes the accounts. Returns whether there is any.
pub(super) async fn run(
    client: &Client,
    task: &AccountsTask,
    out: &mut Output,
    json: bool,
    paint: Paint,
) -> Result<bool, Failure> {
    let mut filter = Map::new();
    for (name, value) in [
        ("codePrefix", task.prefix.as_deref()),
        ("class", task.class),
        ("currency", task.currency.as_deref()),
        ("status", task.status),
    ] {
        filter.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    let mut table = Table::new(&COLUMNS, paint);
    let mut array = JsonArray::default();
    let mut after = None;
    let mut is_any = false;
    loop {
        let ask = Ask {
            document: DOCUMENT,
            variables: json!({ "filter": filter, "after": after }),
            writes: None,
        };
        let page = client.ask::<Answer>(ask).await?.data.accounts;
        let next = page.next();
        let accounts: Vec<Account> = page.into_nodes().collect();
        is_any |= !accounts.is_empty();
        if json {
            accounts
                .iter()
                .try_for_each(|account| array.item(out, account))?;
        } else {
            let rows: Vec<_> = accounts.into_iter().map(row).collect();
            table.rows(out, &rows)?;
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    if json {
        array.end(out)?;
        writeln!(out)?;
    }
    Ok(is_any)
}

fn row(account: Account) -> Vec<String> {
    vec![
        account.code,
        account.name,
        account.class.as_deref().map(words).unwrap_or_default(),
        account.currency,
        words(&account.normal_side),
        words(&account.limit_policy),
        words(&account.status),
    ]
}
