//! `daybook accounts`: the accounts by code, a page at a time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{
    client::Client, failure::Failure, list::List, money::Money, output::Output, paint::Paint,
    table::Column, text::words,
};
use crate::config::AccountsTask;

pub(super) const DOCUMENT: &str = "query Accounts($filter: AccountFilter, $after: String) {
  accounts(first: 90, after: $after, filter: $filter) {
    pageInfo { hasNextPage endCursor }
    edges { node {
      id code name class currency normalSide limitPolicy status createdAt metadata
      minBalance { amount decimal } maxBalance { amount decimal }
    } }
  }
}";

/// `LimitPolicy.NONE`.
const NO_LIMIT: &str = "NONE";

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
    min_balance: Option<Money>,
    max_balance: Option<Money>,
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
    let limits = limits(&account);
    vec![
        account.code,
        account.name,
        account.class.as_deref().map(words).unwrap_or_default(),
        account.currency,
        words(&account.normal_side),
        limits,
        words(&account.status),
    ]
}

/// All limits of an account, as "no debit overdraft, at most 500.00".
fn limits(account: &Account) -> String {
    let bound = |name, bound: &Option<Money>| {
        let bound = bound.as_ref();
        bound.map(|bound| format!("{name} {}", bound.decimal))
    };
    let policy = (account.limit_policy != NO_LIMIT).then(|| words(&account.limit_policy));
    let all = [
        policy,
        bound("at least", &account.min_balance),
        bound("at most", &account.max_balance),
    ];
    let all: Vec<_> = all.into_iter().flatten().collect();
    if all.is_empty() {
        return words(NO_LIMIT);
    }
    all.join(", ")
}
