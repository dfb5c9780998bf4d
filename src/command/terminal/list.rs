//! A list of accounts, a page at a time: rows of a table, or the items of a JSON array.

use std::io::Write;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value as Json};

use super::{
    client::{Ask, Client, Page},
    failure::Failure,
    output::{JsonArray, Output},
    paint::Paint,
    table::{Column, Table},
};

/// What is asked, and how it looks.
pub(super) struct List<'a> {
    /// It answers `accounts`, and takes the cursor `after`.
    pub(super) document: &'static str,
    pub(super) variables: Map<String, Json>,
    pub(super) columns: &'a [Column],
    pub(super) json: bool,
    pub(super) paint: Paint,
}

#[derive(Deserialize)]
struct Answer<T> {
    accounts: Page<T>,
}

impl List<'_> {
    /// Writes the accounts that `is_shown` lets through. Returns whether there is any, shown or not.
    pub(super) async fn write<T: DeserializeOwned + Serialize>(
        mut self,
        client: &Client,
        out: &mut Output,
        is_shown: impl Fn(&T) -> bool,
        row: impl Fn(T) -> Vec<String>,
    ) -> Result<bool, Failure> {
        let mut table = Table::new(self.columns, self.paint);
        let mut array = JsonArray::default();
        let mut after = None;
        let mut is_any = false;
        loop {
            self.variables.insert("after".to_owned(), after.into());
            let ask = Ask {
                document: self.document,
                variables: self.variables.clone().into(),
                writes: None,
            };
            let page = client.ask::<Answer<T>>(ask).await?.data.accounts;
            after = page.next();
            is_any |= !page.edges.is_empty();
            let mut accounts = page.into_nodes().filter(&is_shown);
            if self.json {
                accounts.try_for_each(|account| array.item(out, &account))?;
            } else {
                let rows: Vec<_> = accounts.map(&row).collect();
                table.rows(out, &rows)?;
            }
            if after.is_none() {
                break;
            }
        }
        if self.json {
            array.end(out)?;
            writeln!(out)?;
        }
        Ok(is_any)
    }
}
