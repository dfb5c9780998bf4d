//! What the database refuses by itself, whoever writes: each rule is violated here behind the domain's back.

use super::book::{Book, at, line, new_entry, noon, violated};
use daybook::ledger::{PostedEntry, new_account_id, new_entry_id, random};
use daybook_entity::{
    AccountStatus, EntryKind, LimitPolicy, Side, account, currency, entry, entry_line,
};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, IntoActiveModel};
use serde_json::json;
use uuid::Uuid;

pub(super) fn an_account() -> account::Model {
    account::Model {
        id: new_account_id(noon(), random()),
        code: random().iter().map(|byte| format!("{byte:02x}")).collect(),
        name: "Name".to_owned(),
        currency: "EUR".to_owned(),
        normal_side: Side::Debit,
        debits_posted: 0,
        debits_pending: 0,
        credits_posted: 0,
        credits_pending: 0,
        limit_policy: LimitPolicy::None,
        version: 0,
        status: AccountStatus::Open,
        metadata: json!({}),
        created_at: noon(),
        latest_effective_at: None,
        class: None,
        revision: 1,
        revised_at: None,
        revised_by: None,
        min_balance: None,
        max_balance: None,
        ledger: None,
    }
}

pub(super) fn an_entry() -> entry::Model {
    entry::Model {
        id: new_entry_id(noon(), random()),
        kind: EntryKind::Post,
        resolves_id: None,
        reverses_id: None,
        description: None,
        effective_at: noon(),
        recorded_at: noon(),
        expires_at: None,
        metadata: json!({}),
        reference: None,
        recorded_by: None,
        part: None,
        leaves_rest: false,
        ledger: None,
    }
}

pub(super) async fn insert<M>(book: &Book, model: M) -> Result<(), DbErr>
where
    M: sea_orm::ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::ActiveModel: Send,
{
    M::Entity::insert(model.into_active_model())
        .exec_without_returning(&book.db)
        .await
        .map(|_| ())
}

pub(super) async fn refused<M>(book: &Book, model: M, name: &str)
where
    M: sea_orm::ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::ActiveModel: Send,
{
    let error = insert(book, model).await.expect_err(name);
    // MariaDB names no primary key.
    let has_no_name = book.engine == Engine::MariaDb && name.ends_with("_pkey");
    assert_eq!(violated(&error), if has_no_name { "PRIMARY" } else { name });
}

/// The name of a foreign key, as far as the engine knows it.
pub(super) fn foreign_key<'a>(book: &Book, name: &'a str) -> &'a str {
    if book.engine == Engine::Sqlite {
        "FOREIGN KEY constraint failed"
    } else {
        name
    }
}

/// Three accounts and an entry between the first two.
pub(super) async fn with_an_entry(
    database: TestDatabase,
) -> (Book, [account::Model; 3], PostedEntry) {
    let book = Book::new(database).await;
    let accounts = [
        book.account("a").await,
        book.account("b").await,
        book.account("c").await,
    ];
    let posted = book
        .post(new_entry(vec![line("a", "b", 100)]))
        .await
        .unwrap();
    (book, accounts, posted)
}

fn plain(code: &str, exponent: i32) -> currency::Model {
    currency::Model {
        code: code.to_owned(),
        exponent,
        symbol: None,
        recorded_at: None,
        recorded_by: None,
    }
}

on_every_engine! {
    async fn accounts_keep_their_rules(database: TestDatabase) {
        let book = Book::new(database).await;
        let good = an_account();
        insert(&book, good.clone()).await.unwrap();
        let unique = |name, columns| if book.engine == Engine::Sqlite { columns } else { name };
        refused(&book, account::Model { code: good.code.clone(), ..an_account() }, unique("account_code_key", "account.code")).await;
        refused(&book, account::Model { id: good.id, ..an_account() }, unique("account_pkey", "account.id, account.currency")).await;
        refused(
            &book,
            account::Model { currency: "XXX".to_owned(), ..an_account() },
            foreign_key(&book, "account_currency_fkey"),
        )
        .await;

        use LimitPolicy::{NoCreditOverdraft, NoDebitOverdraft};
        let base = an_account;
        let credit = || account::Model { normal_side: Side::Credit, ..base() };
        for (name, model) in [
            ("account_code_length", account::Model { code: String::new(), ..base() }),
            ("account_code_length", account::Model { code: "x".repeat(65), ..base() }),
            ("account_name_length", account::Model { name: String::new(), ..base() }),
            ("account_version_range", account::Model { version: -1, ..base() }),
            ("account_debits_range", account::Model { debits_posted: -1, ..base() }),
            ("account_debits_range", account::Model { debits_pending: -1, ..base() }),
            ("account_debits_range", account::Model { debits_posted: i64::MAX, debits_pending: 1, ..base() }),
            ("account_credits_range", account::Model { credits_posted: -1, ..base() }),
            ("account_credits_range", account::Model { credits_pending: -1, ..base() }),
            ("account_credits_range", account::Model { credits_posted: i64::MAX, credits_pending: 1, ..base() }),
            ("account_no_debit_overdraft", account::Model { limit_policy: NoDebitOverdraft, debits_posted: 1, ..base() }),
            (
                "account_no_debit_overdraft",
                account::Model { limit_policy: NoDebitOverdraft, credits_posted: 9, debits_posted: 5, debits_pending: 5, ..base() },
            ),
            ("account_no_credit_overdraft", account::Model { limit_policy: NoCreditOverdraft, credits_posted: 1, ..base() }),
            (
                "account_no_credit_overdraft",
                account::Model { limit_policy: NoCreditOverdraft, debits_posted: 9, credits_posted: 5, credits_pending: 5, ..base() },
            ),
            ("account_min_balance", account::Model { min_balance: Some(1), ..base() }),
            ("account_min_balance", account::Model { min_balance: Some(-5), credits_posted: 6, ..base() }),
            ("account_min_balance", account::Model { min_balance: Some(-5), credits_posted: 3, credits_pending: 3, debits_pending: 3, ..base() }),
            ("account_min_balance", account::Model { min_balance: Some(-5), debits_posted: 3, debits_pending: 3, ..credit() }),
            ("account_max_balance", account::Model { max_balance: Some(-1), ..base() }),
            ("account_max_balance", account::Model { max_balance: Some(5), debits_posted: 6, ..base() }),
            ("account_max_balance", account::Model { max_balance: Some(5), debits_posted: 3, debits_pending: 3, credits_pending: 3, ..base() }),
            ("account_max_balance", account::Model { max_balance: Some(5), credits_posted: 3, credits_pending: 3, ..credit() }),
            ("account_min_balance_by_policy", account::Model { min_balance: Some(-1), limit_policy: NoCreditOverdraft, ..base() }),
            ("account_min_balance_by_policy", account::Model { min_balance: Some(-1), limit_policy: NoDebitOverdraft, ..credit() }),
            ("account_max_balance_by_policy", account::Model { max_balance: Some(1), limit_policy: NoDebitOverdraft, ..base() }),
            ("account_max_balance_by_policy", account::Model { max_balance: Some(1), limit_policy: NoCreditOverdraft, ..credit() }),
            ("account_closed_is_empty", account::Model { status: AccountStatus::Closed, debits_posted: 1, ..base() }),
            ("account_closed_is_empty", account::Model { status: AccountStatus::Closed, credits_pending: 1, ..base() }),
            ("account_metadata_object", account::Model { metadata: json!([]), ..base() }),
        ] {
            refused(&book, model, name).await;
        }
        for (column, name) in [
            ("limit_policy", "account_limit_policy_known"),
            ("status", "account_status_known"),
        ] {
            let error = book.db.execute_unprepared(&format!("UPDATE account SET {column} = 'OTHER', revision = revision + 1, revised_at = created_at")).await.unwrap_err();
            assert_eq!(violated(&error), name);
        }
        let id = book.new_id();
        let of_no_side = format!(
            "INSERT INTO account (id, code, name, currency, normal_side, limit_policy, status, metadata, created_at)
             SELECT {id}, 'x', name, currency, 'OTHER', limit_policy, status, metadata, created_at FROM account"
        );
        let error = book.db.execute_unprepared(&of_no_side).await.unwrap_err();
        assert_eq!(violated(&error), "account_normal_side_known");
        // What exactly fits a limit is allowed.
        let full = account::Model { limit_policy: NoDebitOverdraft, credits_posted: 10, debits_posted: 5, debits_pending: 5, ..base() };
        insert(&book, full).await.unwrap();
        for (min, max) in [(-5, 5), (i64::MIN, i64::MAX)] {
            let limits = || account::Model { min_balance: Some(min), max_balance: Some(max), ..base() };
            let debited = account::Model { debits_posted: 2, debits_pending: 3, credits_pending: 7, ..limits() };
            insert(&book, debited).await.unwrap();
            let credited = account::Model { normal_side: Side::Credit, debits_posted: 2, debits_pending: 3, credits_pending: 7, ..limits() };
            insert(&book, credited).await.unwrap();
        }
        // The wrong side of a policy has no limit of 0 that could be wider.
        insert(&book, account::Model { min_balance: Some(-1), limit_policy: NoDebitOverdraft, ..base() }).await.unwrap();
        insert(&book, account::Model { max_balance: Some(1), limit_policy: NoDebitOverdraft, ..credit() }).await.unwrap();
    }

    async fn currencies_keep_their_rules(database: TestDatabase) {
        let book = Book::new(database).await;
        for (code, exponent, name) in [
            ("POINTS", 19, "currency_exponent_range"),
            ("POINTS", -1, "currency_exponent_range"),
            ("points", 0, "currency_code_form"),
            ("XY", 0, "currency_code_form"),
        ] {
            refused(&book, plain(code, exponent), name).await;
        }
        let named = |symbol: &str, by: Option<&str>| currency::Model { symbol: Some(symbol.to_owned()), recorded_by: by.map(str::to_owned), ..plain("POINTS", 0) };
        refused(&book, named("", None), "currency_symbol_length").await;
        refused(&book, named(&"x".repeat(13), None), "currency_symbol_length").await;
        refused(&book, named("x", Some("")), "currency_recorded_by_length").await;
        insert(&book, plain("ETHEREUM", 18)).await.unwrap();
    }

    async fn entries_keep_their_rules(database: TestDatabase) {
        let (book, _, posted) = with_an_entry(database).await;
        let base = an_entry;
        let hold = entry::Model { kind: EntryKind::Hold, expires_at: Some(at(60)), ..base() };
        insert(&book, hold.clone()).await.unwrap();
        let capture = || entry::Model { kind: EntryKind::Capture, resolves_id: Some(hold.id), ..base() };
        let reversal = || entry::Model { kind: EntryKind::Reversal, reverses_id: Some(posted.entry.id), ..base() };
        insert(&book, capture()).await.unwrap();
        insert(&book, reversal()).await.unwrap();
        let referenced = |text: &str| entry::Model { reference: Some(text.to_owned()), ..base() };
        for text in ["order 1", "order 2", &"ß".repeat(200)] {
            insert(&book, referenced(text)).await.unwrap();
        }

        let odd = Uuid::from_u128(posted.entry.id.as_u128() | 1);
        for (name, model) in [
            ("entry_pkey", entry::Model { id: posted.entry.id, ..base() }),
            ("entry_resolved_once", capture()),
            ("entry_resolved_once", entry::Model { kind: EntryKind::Release, ..capture() }),
            ("entry_reversed_once", reversal()),
            ("entry_id_form", entry::Model { id: odd, ..base() }),
            ("entry_resolves_by_kind", entry::Model { resolves_id: Some(posted.entry.id), ..base() }),
            ("entry_resolves_by_kind", entry::Model { kind: EntryKind::Release, ..base() }),
            ("entry_reverses_by_kind", entry::Model { reverses_id: Some(hold.id), ..base() }),
            ("entry_reverses_by_kind", entry::Model { kind: EntryKind::Reversal, ..base() }),
            ("entry_expires_by_kind", entry::Model { expires_at: Some(noon()), ..base() }),
            ("entry_description_length", entry::Model { description: Some(String::new()), ..base() }),
            ("entry_description_length", entry::Model { description: Some("x".repeat(1001)), ..base() }),
            ("entry_reference_once", referenced("order 1")),
            ("entry_reference_length", referenced("")),
            ("entry_reference_length", referenced(&"x".repeat(201))),
            ("entry_recorded_by_length", entry::Model { recorded_by: Some(String::new()), ..base() }),
            ("entry_recorded_by_length", entry::Model { recorded_by: Some("x".repeat(1025)), ..base() }),
            ("entry_metadata_object", entry::Model { metadata: json!(1), ..base() }),
        ] {
            refused(&book, model, name).await;
        }
        let nowhere = Some(new_entry_id(noon(), random()));
        let lost = entry::Model { kind: EntryKind::Release, resolves_id: nowhere, ..base() };
        refused(&book, lost, foreign_key(&book, "entry_resolves_fkey")).await;
        let lost = entry::Model { kind: EntryKind::Reversal, reverses_id: nowhere, ..base() };
        refused(&book, lost, foreign_key(&book, "entry_reverses_fkey")).await;
    }

    async fn lines_keep_their_rules(database: TestDatabase) {
        let (book, [a, b, c], posted) = with_an_entry(database).await;
        let yen = account::Model { currency: "JPY".to_owned(), ..an_account() };
        insert(&book, yen.clone()).await.unwrap();
        let base = || entry_line::Model {
            line_no: 2,
            debit_account_id: b.id,
            credit_account_id: c.id,
            ..posted.lines[0].clone()
        };
        for (name, model) in [
            ("entry_line_pkey", entry_line::Model { line_no: 1, ..base() }),
            ("entry_line_debit_version_key", entry_line::Model { debit_account_id: a.id, ..base() }),
            ("entry_line_credit_version_key", entry_line::Model { credit_account_id: b.id, debit_account_id: c.id, ..base() }),
            ("entry_line_two_accounts", entry_line::Model { credit_account_id: b.id, credit_version: 9, ..base() }),
            ("entry_line_amount_positive", entry_line::Model { amount: 0, ..base() }),
            ("entry_line_amount_positive", entry_line::Model { amount: -1, ..base() }),
            ("entry_line_no_range", entry_line::Model { line_no: 0, ..base() }),
            ("entry_line_no_range", entry_line::Model { line_no: 4096, ..base() }),
            ("entry_line_version_range", entry_line::Model { debit_version: 0, ..base() }),
        ] {
            refused(&book, model, name).await;
        }
        for (name, model) in [
            ("entry_line_entry_fkey", entry_line::Model { entry_id: new_entry_id(noon(), random()), ..base() }),
            ("entry_line_debit_account_fkey", entry_line::Model { debit_account_id: yen.id, ..base() }),
            ("entry_line_credit_account_fkey", entry_line::Model { credit_account_id: yen.id, ..base() }),
            ("entry_line_credit_account_fkey", entry_line::Model { credit_account_id: Uuid::nil(), ..base() }),
        ] {
            refused(&book, model, foreign_key(&book, name)).await;
        }
        insert(&book, base()).await.unwrap();
    }

    async fn entries_and_lines_are_append_only(database: TestDatabase) {
        let (book, _, posted) = with_an_entry(database).await;
        let taken = Some("taken".to_owned());
        insert(&book, entry::Model { reference: taken, ..an_entry() }).await.unwrap();
        let mut attempts = vec![
            ("UPDATE entry SET description = 'x'", "entry_append_only"),
            ("UPDATE entry SET description = description", "entry_append_only"),
            ("DELETE FROM entry", "entry_append_only"),
            ("UPDATE entry_line SET amount = amount + 1", "entry_line_append_only"),
            ("DELETE FROM entry_line", "entry_line_append_only"),
        ];
        if book.engine == Engine::MariaDb {
            attempts.push(("REPLACE INTO entry_line SELECT * FROM entry_line", "entry_line_append_only"));
            attempts.push((
                "REPLACE INTO entry (id, kind, effective_at, recorded_at, metadata) SELECT id, kind, effective_at, recorded_at, metadata FROM entry",
                "entry_append_only",
            ));
        } else if book.engine == Engine::Postgres {
            attempts.push(("TRUNCATE entry_line CASCADE", "entry_line_append_only"));
            attempts.push(("TRUNCATE entry CASCADE", "entry_append_only"));
        } else {
            attempts.push(("INSERT OR REPLACE INTO entry SELECT * FROM entry", "entry_pkey"));
            attempts.push((
                "INSERT OR REPLACE INTO entry (id, kind, effective_at, recorded_at, metadata, reference)
                 VALUES (CAST(randomblob(14) || x'0000' AS BLOB), 'POST', '2026-11-23T12:00:00+00:00', '2026-11-23T12:00:00+00:00', '{}', 'taken')",
                "entry_reference_once",
            ));
            attempts.push((
                "INSERT OR REPLACE INTO entry_line SELECT entry_id, line_no, debit_account_id, credit_account_id, currency, amount,
                 debit_version + 1, debit_balance, credit_version + 1, credit_balance, effect FROM entry_line",
                "entry_line_pkey",
            ));
            attempts.push((
                "INSERT OR REPLACE INTO entry_line SELECT entry_id, 2, debit_account_id, credit_account_id, currency, amount,
                 debit_version + 1, debit_balance, credit_version, credit_balance, effect FROM entry_line",
                "entry_line_credit_version_key",
            ));
        }
        for (sql, name) in attempts {
            let error = book.db.execute_unprepared(sql).await.expect_err(sql);
            assert_eq!(violated(&error), name, "{sql}");
        }
        let lines = entry_line::Entity::find().all(&book.db).await.unwrap();
        assert_eq!(lines, posted.lines);
        let entries = entry::Entity::find().all(&book.db).await.unwrap();
        assert!(entries.len() == 2 && entries.contains(&posted.entry), "{entries:?}");
    }

    async fn an_account_with_lines_can_neither_go_nor_change_its_currency(database: TestDatabase) {
        let (book, ..) = with_an_entry(database).await;
        for sql in ["DELETE FROM account WHERE code = 'a'", "UPDATE account SET currency = 'JPY' WHERE code = 'a'"] {
            let error = book.db.execute_unprepared(sql).await.unwrap_err();
            let name = if sql.contains("currency") { "account_identity_fixed" } else { foreign_key(&book, "entry_line_debit_account_fkey") };
            let violated = violated(&error);
            // Of several foreign keys, each engine names one.
            assert!(violated == name || book.engine == Engine::MariaDb && violated == "account_change_account_fkey", "{sql}: {violated}");
        }
    }
}
