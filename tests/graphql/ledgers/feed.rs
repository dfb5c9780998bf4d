//! The feed, to those who see some ledgers alone.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::{ACME, ALL, POST, data, open, sale, two_ledgers};
use crate::{
    graphql::server::{Ledger, Subscription},
    http::{access::sign, jwt::claims},
};

async fn subscribe(ledger: &Ledger, scopes: &str, query: &str) -> Subscription {
    let init = json!({ "authorization": format!("Bearer {}", sign(&claims(scopes))) });
    Subscription::open_with(ledger.address(), init, query, json!({}))
        .await
        .unwrap()
}

const ENTRIES: &str = "subscription { entryPosted(after: \"0\") { entry { reference ledger { code } lines { debit { code } } } } }";

fn reference(event: &Value) -> &str {
    event["data"]["entryPosted"]["entry"]["reference"]
        .as_str()
        .unwrap_or_else(|| panic!("{event}"))
}

on_every_engine! {
    /// Events of others are passed over: from the table, and from what the server has in memory.
    (not on MariaDB: "no rows are hidden from an operation there, so no token is for some ledgers")
    async fn a_subscriber_hears_of_the_ledgers_that_the_token_is_for(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        two_ledgers(&ledger).await;
        let post = async |prefix: &str, name: &str| {
            data(&ledger, ALL, POST, sale(prefix, 5, name)).await;
        };
        post("beta:", "b1").await;
        post("acme:", "a1").await;
        post("", "n1").await;
        let mut acme = subscribe(&ledger, ACME, ENTRIES).await;
        let mut both = subscribe(&ledger, "ledger:read:acme ledger:read:beta", ENTRIES).await;
        let mut all = subscribe(&ledger, ALL, ENTRIES).await;
        assert_eq!(reference(&acme.try_event().await.unwrap()), "a1");
        for name in ["b1", "a1"] {
            assert_eq!(reference(&both.try_event().await.unwrap()), name);
        }
        for name in ["b1", "a1", "n1"] {
            assert_eq!(reference(&all.try_event().await.unwrap()), name);
        }
        post("", "n2").await;
        post("beta:", "b2").await;
        post("acme:", "a2").await;
        assert_eq!(reference(&acme.try_event().await.unwrap()), "a2");
        for name in ["b2", "a2"] {
            assert_eq!(reference(&both.try_event().await.unwrap()), name);
        }
        for name in ["n2", "b2", "a2"] {
            assert_eq!(reference(&all.try_event().await.unwrap()), name);
        }
    }

    (not on MariaDB: "no rows are hidden from an operation there, so no token is for some ledgers")
    async fn changes_of_accounts_and_entries_are_told_to_those_who_see_them(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        two_ledgers(&ledger).await;
        let accounts = "subscription { accountChanged(after: \"0\") { change { account { code } } } }";
        let mut accounts = subscribe(&ledger, ACME, accounts).await;
        for code in ["acme:cash", "acme:sales"] {
            let event = accounts.try_event().await.unwrap();
            assert_eq!(event["data"]["accountChanged"]["change"]["account"]["code"], code, "{event}");
        }
        open(&ledger, ALL, "beta:more", "DEBIT").await;
        open(&ledger, ALL, "acme:more", "DEBIT").await;
        let event = accounts.try_event().await.unwrap();
        assert_eq!(event["data"]["accountChanged"]["change"]["account"]["code"], "acme:more", "{event}");
        let changes = "subscription { entryChanged(after: \"0\") { change { entry { reference } } } }";
        let mut changes = subscribe(&ledger, ACME, changes).await;
        for (prefix, name) in [("beta:", "b1"), ("acme:", "a1")] {
            data(&ledger, ALL, POST, sale(prefix, 5, name)).await;
            let annotate = "mutation ($reference: String!) { annotateEntry(input: { entry: { reference: $reference }, metadata: { a: 1 } }) { entry { id } } }";
            data(&ledger, ALL, annotate, json!({ "reference": name })).await;
        }
        let event = changes.try_event().await.unwrap();
        assert_eq!(event["data"]["entryChanged"]["change"]["entry"]["reference"], "a1", "{event}");
    }

    /// An account of another ledger is none, as it is elsewhere.
    (not on MariaDB: "no rows are hidden from an operation there, so no token is for some ledgers")
    async fn accounts_of_others_cannot_be_chosen(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        two_ledgers(&ledger).await;
        for code in ["beta:cash", "cash", "nowhere"] {
            let query = format!("subscription {{ entryPosted(accounts: [{{ code: \"{code}\" }}]) {{ cursor }} }}");
            let mut refused = subscribe(&ledger, ACME, &query).await;
            let event = refused.message().await;
            assert!(event.to_string().contains("ACCOUNT_NOT_FOUND"), "{code}: {event}");
        }
    }
}
