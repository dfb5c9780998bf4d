//! `daybook accounts`: the accounts by code, a page at a time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{
    client::Client, failure::Failure, list::List, output::Output, paint::Paint, table::Column,
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
    let list = List {
        document: DOCUMENT,
        variables: Map::from_iter([("filter".to_owned(), filter.into())]),
        columns: &COLUMNS,
        json,
        paint,
    };
    list.write(client, out, |_| true, row).await
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
