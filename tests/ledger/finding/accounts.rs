//! Accounts by metadata and balance, and metadata that changes.

use super::{filled, has};
use crate::ledger::book::{Book, at, by, line, new_account, new_entry};
use daybook::ledger::{
    AccountFilter, AccountOrder, AmountRange, AnnotateEntry, Clock, EntryFilter, EntryRef,
    OpenAccount, PageRequest, UpdateAccount, annotate_entry, count_accounts, count_entries,
    page_accounts, posted_balance, update_account,
};
use daybook_entity::account;
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_every_engine! {
    async fn accounts_are_found_by_metadata_and_balance(database: TestDatabase) {
        let book = filled(database).await;
        let accounts = account::Entity::find().all(&book.db).await.unwrap();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let range = |currency: &str, min, max| Some(AmountRange { currency: currency.to_owned(), min, max });
        let middle = posted_balance(&book.find("a").await);
        let mut seen = 0;
        for pairs in [vec![], vec![pair("kind", "short")], vec![pair("kind", "short"), pair("rank", "7"), pair("code", "a")], vec![pair("kind", "long")]] {
            for balance in [None, range("EUR", None, Some(0)), range("EUR", Some(middle), Some(middle)), range("EUR", Some(0), None), range("JPY", None, Some(-1)), range("JPY", None, None)] {
                let filter = AccountFilter { metadata: pairs.clone(), balance: balance.clone(), ..AccountFilter::default() };
                let expected: Vec<&str> = accounts.iter().filter(|it| pairs.iter().all(|pair| has(&it.metadata, pair)))
                    .filter(|it| balance.as_ref().is_none_or(|range| it.currency == range.currency
                        && range.min.is_none_or(|min| posted_balance(it) >= min) && range.max.is_none_or(|max| posted_balance(it) <= max)))
                    .map(|it| it.code.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
                let page = page_accounts(&book.db, &filter, AccountOrder::default(), &PageRequest::default()).await.unwrap();
                let found: Vec<_> = page.edges.iter().map(|edge| edge.node.code.as_str()).collect();
                assert_eq!(found, expected, "{filter:?}");
                assert_eq!(count_accounts(&book.db, &filter).await.unwrap(), expected.len() as u64);
                seen += expected.len();
            }
        }
        assert!(seen > 20, "{seen}");
    }

    /// The database follows metadata that changes, whoever changes it.
    async fn changed_metadata_is_found_by_what_it_is(database: TestDatabase) {
        let book = Book::new(database).await;
        let account = OpenAccount { metadata: Some(json!({ "tier": "gold", "n": 1 })), ..new_account("a") };
        book.open(account).await.unwrap();
        let count = async |key: &str, value: &str| {
            let filter = AccountFilter { metadata: vec![(key.to_owned(), value.to_owned())], ..AccountFilter::default() };
            count_accounts(&book.db, &filter).await.unwrap()
        };
        assert_eq!((count("tier", "gold").await, count("n", "1").await), (1, 1));
        let change = async |metadata: Value| {
            let change = UpdateAccount {
                account: by("a"), expected_revision: None, name: None, class: None, limit_policy: None, min_balance: None, max_balance: None,
                metadata: Some(metadata), recorded_by: None,
            };
            let clock = Clock::at(at(1));
            book.write(async |tx| update_account(tx, change, &clock).await).await.unwrap();
        };
        change(json!({ "tier": "silver", "n": 1 })).await;
        assert_eq!((count("tier", "gold").await, count("tier", "silver").await, count("n", "1").await), (0, 1, 1));
        change(json!({})).await;
        assert_eq!((count("tier", "silver").await, count("n", "1").await), (0, 0));

        book.open(new_account("b")).await.unwrap();
        let mut entry = new_entry(vec![line("a", "b", 1)]);
        entry.notes.metadata = Some(json!({ "order": "7", "state": "new" }));
        let posted = book.post(entry).await.unwrap();
        let found = async |key: &str, value: &str| {
            let filter = EntryFilter { metadata: vec![(key.to_owned(), value.to_owned())], ..EntryFilter::default() };
            count_entries(&book.db, &filter).await.unwrap()
        };
        assert_eq!((found("order", "7").await, found("state", "new").await), (1, 1));
        let added = AnnotateEntry {
            entry: EntryRef::Id(posted.entry.id), metadata: json!({ "state": "paid", "by": "card" }), replace: true, recorded_by: None,
        };
        let clock = Clock::at(at(3));
        book.write(async |tx| annotate_entry(tx, added, &clock).await).await.unwrap();
        assert_eq!((found("order", "7").await, found("state", "new").await, found("state", "paid").await, found("by", "card").await), (1, 0, 1, 1));
    }
}
