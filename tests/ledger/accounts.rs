//! Opening accounts, and their status.

use super::book::{Book, by, new_account, noon};
use daybook::ledger::{
    AccountRef, Code, OpenAccount, OpenAccountError, SetAccountStatusError, account,
    accounts_by_id, open_account,
};
use daybook_entity::AccountStatus::{Closed, Frozen, Open};
use daybook_entity::{AccountStatus, account as accounts_table};
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::EntityTrait;
use serde_json::json;

async fn set(
    book: &Book,
    code: &str,
    status: AccountStatus,
) -> Result<accounts_table::Model, SetAccountStatusError> {
    book.set_status(code, status).await
}

on_every_engine! {
    async fn an_opened_account_is_found_as_it_was_answered(database: TestDatabase) {
        let book = Book::new(database).await;
        let metadata = Some(json!({ "owner": { "name": "Ünal" }, "tags": [1, 2.5, null] }));
        let opened = book.open(OpenAccount { metadata: metadata.clone(), ..new_account("  資産:現金 ") }).await.unwrap();
        assert_eq!((opened.code.as_str(), opened.version, opened.status), ("資産:現金", 0, Open));
        assert_eq!((opened.created_at, Some(&opened.metadata)), (noon(), metadata.as_ref()));

        assert_eq!(account(&book.db, &by("資産:現金")).await.unwrap().as_ref(), Some(&opened));
        assert_eq!(account(&book.db, &AccountRef::Id(opened.id)).await.unwrap().as_ref(), Some(&opened));
        assert_eq!(accounts_by_id(&book.db, [opened.id]).await.unwrap()[&opened.id], opened);
        for nobody in ["資産", "", "\0"] {
            assert_eq!(account(&book.db, &by(nobody)).await.unwrap(), None);
        }
        assert!(accounts_by_id(&book.db, []).await.unwrap().is_empty());
    }

    async fn a_code_in_use_is_refused_and_leaves_the_transaction_usable(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("cash").await;
        book.write(async |tx| {
            let refused = open_account(tx, new_account("cash"), noon()).await.unwrap_err();
            assert!(matches!(&refused, OpenAccountError::CodeTaken { account_code } if account_code == "cash"));
            assert_eq!(refused.code(), Some(Code::AccountCodeTaken));
            open_account(tx, new_account("bank"), noon()).await.map(|_| ())
        })
        .await
        .unwrap();
        assert_eq!(accounts_table::Entity::find().all(&book.db).await.unwrap().len(), 2);
    }

    async fn bad_input_is_refused_with_the_field_s_name(database: TestDatabase) {
        let book = Book::new(database).await;
        let good = || new_account("cash");
        for (field, command) in [
            ("code", OpenAccount { code: "a\nb".to_owned(), ..good() }),
            ("code", OpenAccount { code: " ".to_owned(), ..good() }),
            ("name", OpenAccount { name: "x".repeat(201), ..good() }),
            ("currency", OpenAccount { currency: "XXX".to_owned(), ..good() }),
            ("currency", OpenAccount { currency: "\0".to_owned(), ..good() }),
            ("metadata", OpenAccount { metadata: Some(json!([])), ..good() }),
        ] {
            match book.open(command).await.unwrap_err() {
                OpenAccountError::Input(input) => assert_eq!(input.field, field),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn accounts_are_frozen_opened_and_closed_for_good(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("a").await;
        for status in [Open, Frozen, Frozen, Open, Frozen, Closed, Closed] {
            assert_eq!(set(&book, "a", status).await.unwrap().status, status);
            assert_eq!(book.find("a").await.status, status);
        }
        for status in [Open, Frozen] {
            let refused = set(&book, "a", status).await.unwrap_err();
            assert!(matches!(refused, SetAccountStatusError::Closed { .. }), "{refused:?}");
        }
        assert_eq!(book.find("a").await.status, Closed);
        assert!(matches!(set(&book, "b", Open).await, Err(SetAccountStatusError::NotFound { .. })));
    }

    async fn an_account_with_money_on_it_is_not_closed(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("a").await;
        book.account("b").await;
        book.transfer("a", "b", 5).await.unwrap();
        let refused = set(&book, "b", Closed).await.unwrap_err();
        assert!(matches!(refused, SetAccountStatusError::NotEmpty { posted: 5, .. }), "{refused:?}");
        book.transfer("b", "a", 5).await.unwrap();
        assert_eq!(set(&book, "b", Closed).await.unwrap().version, 2);
    }
}
