//! `currency`, `ledger`, and `account` with its history (`account_change`), what is pending on it (`account_pending`), and what it is found by
//! (`account_metadata`). The migrations of the other engines say why: `m20261123_02`, `m20261125_06`, `m20261127_21`, `m20261128_71` and
//! `m20261128_97`.
//!
//! Whoever opens an account shares the lock `ledger`, and whoever creates a ledger takes it alone. So an account never misses its ledger.

use super::rules::{
    INSTANT, JSON, KEY_TEXT, TABLE, UUID, append_only, json_object, length, refuse, share, signal,
    take, trigger, unchanged,
};
use crate::{dialect::run, iso_4217::CURRENCIES};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// What describes an account: each change of it is a revision.
const DESCRIPTION: [&str; 7] = [
    "name",
    "class",
    "limit_policy",
    "status",
    "metadata",
    "min_balance",
    "max_balance",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = currencies() + &ledgers() + &accounts() + &history() + &of_lines();
        let triggers = [
            refuse(
                "currency",
                "currency_fixed",
                "BEFORE UPDATE",
                &format!(
                    "NOT ({})",
                    unchanged(&["code", "exponent", "recorded_at", "recorded_by"])
                ),
            ),
            of_ledger(),
            of_account(),
            append_only("account_pending"),
            super::metadata::create("account"),
        ];
        run(manager, &(tables + &triggers.concat())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP TABLE account_metadata; DROP TABLE account_pending; DROP TABLE account_change; DROP TABLE account; DROP TABLE ledger;
             DROP TABLE currency;",
        )
        .await
    }
}

fn currencies() -> String {
    let rows: Vec<_> = CURRENCIES
        .iter()
        .map(|(code, exponent)| format!("('{code}', {exponent})"))
        .collect();
    format!(
        "CREATE TABLE currency (
            code        {KEY_TEXT} NOT NULL,
            exponent    int NOT NULL,
            symbol      text,
            recorded_at {INSTANT},
            recorded_by text,
            PRIMARY KEY (code),
            CONSTRAINT currency_code_form CHECK (char_length(code) BETWEEN 3 AND 12 AND code = upper(code)),
            CONSTRAINT currency_exponent_range CHECK (exponent BETWEEN 0 AND 18),
            CONSTRAINT currency_symbol_length CHECK ({symbol}),
            CONSTRAINT currency_recorded_by_length CHECK ({recorded_by})
         ) {TABLE};
         INSERT INTO currency (code, exponent) VALUES {rows};\n",
        symbol = length("symbol", 12),
        recorded_by = length("recorded_by", 1024),
        rows = rows.join(", "),
    )
}

fn ledgers() -> String {
    format!(
        "CREATE TABLE ledger (
            code        {KEY_TEXT} NOT NULL,
            name        text NOT NULL,
            recorded_at {INSTANT} NOT NULL,
            recorded_by text,
            PRIMARY KEY (code),
            CONSTRAINT ledger_code_form CHECK (char_length(code) BETWEEN 1 AND 32 AND code NOT REGEXP '[^A-Za-z0-9_-]'),
            CONSTRAINT ledger_name_length CHECK ({name}),
            CONSTRAINT ledger_recorded_by_length CHECK ({recorded_by})
         ) {TABLE};\n",
        name = length("name", 200),
        recorded_by = length("recorded_by", 1024),
    )
}

/// The sums are compared by moving one side over, so that a check itself cannot overflow.
fn accounts() -> String {
    format!(
        "CREATE TABLE account (
            id                  {UUID} NOT NULL,
            code                {KEY_TEXT} NOT NULL,
            name                text NOT NULL,
            currency            {KEY_TEXT} NOT NULL,
            normal_side         text NOT NULL,
            debits_posted       bigint NOT NULL DEFAULT 0,
            debits_pending      bigint NOT NULL DEFAULT 0,
            credits_posted      bigint NOT NULL DEFAULT 0,
            credits_pending     bigint NOT NULL DEFAULT 0,
            limit_policy        text NOT NULL,
            version             bigint NOT NULL DEFAULT 0,
            status              text NOT NULL,
            metadata            {JSON} NOT NULL,
            created_at          {INSTANT} NOT NULL,
            latest_effective_at {INSTANT},
            class               varchar(64),
            revision            bigint NOT NULL DEFAULT 1,
            revised_at          {INSTANT},
            revised_by          text,
            min_balance         bigint,
            max_balance         bigint,
            ledger              {KEY_TEXT},
            PRIMARY KEY (id),
            CONSTRAINT account_code_key UNIQUE (code),
            CONSTRAINT account_id_currency_key UNIQUE (id, currency),
            CONSTRAINT account_currency_fkey FOREIGN KEY (currency) REFERENCES currency (code),
            CONSTRAINT account_ledger_fkey FOREIGN KEY (ledger) REFERENCES ledger (code),
            CONSTRAINT account_code_length CHECK ({code}),
            CONSTRAINT account_name_length CHECK ({name}),
            CONSTRAINT account_normal_side_known CHECK (normal_side IN ('DEBIT', 'CREDIT')),
            CONSTRAINT account_limit_policy_known
                CHECK (limit_policy IN ('NONE', 'NO_DEBIT_OVERDRAFT', 'NO_CREDIT_OVERDRAFT')),
            CONSTRAINT account_status_known CHECK (status IN ('OPEN', 'FROZEN', 'CLOSED')),
            CONSTRAINT account_class_known CHECK (class IN ('ASSET', 'LIABILITY', 'EQUITY', 'INCOME', 'EXPENSE')),
            CONSTRAINT account_version_range CHECK (version >= 0),
            CONSTRAINT account_debits_range
                CHECK (debits_posted >= 0 AND debits_pending >= 0 AND debits_posted <= 9223372036854775807 - debits_pending),
            CONSTRAINT account_credits_range
                CHECK (credits_posted >= 0 AND credits_pending >= 0 AND credits_posted <= 9223372036854775807 - credits_pending),
            CONSTRAINT account_no_debit_overdraft
                CHECK (limit_policy <> 'NO_DEBIT_OVERDRAFT' OR debits_posted <= credits_posted - debits_pending),
            CONSTRAINT account_no_credit_overdraft
                CHECK (limit_policy <> 'NO_CREDIT_OVERDRAFT' OR credits_posted <= debits_posted - credits_pending),
            CONSTRAINT account_min_balance CHECK (
                min_balance IS NULL OR min_balance <= CASE normal_side
                    WHEN 'CREDIT' THEN credits_posted - debits_posted - debits_pending
                    ELSE debits_posted - credits_posted - credits_pending END
            ),
            CONSTRAINT account_min_balance_by_policy CHECK (
                min_balance IS NULL OR min_balance >= 0
                OR limit_policy <> CASE normal_side WHEN 'CREDIT' THEN 'NO_DEBIT_OVERDRAFT' ELSE 'NO_CREDIT_OVERDRAFT' END
            ),
            CONSTRAINT account_max_balance CHECK (
                max_balance IS NULL OR max_balance >= CASE normal_side
                    WHEN 'CREDIT' THEN credits_posted + credits_pending - debits_posted
                    ELSE debits_posted + debits_pending - credits_posted END
            ),
            CONSTRAINT account_max_balance_by_policy CHECK (
                max_balance IS NULL OR max_balance <= 0
                OR limit_policy <> CASE normal_side WHEN 'CREDIT' THEN 'NO_CREDIT_OVERDRAFT' ELSE 'NO_DEBIT_OVERDRAFT' END
            ),
            CONSTRAINT account_closed_is_empty
                CHECK (status <> 'CLOSED' OR (debits_posted = credits_posted AND debits_pending = 0 AND credits_pending = 0)),
            CONSTRAINT account_metadata_object CHECK ({metadata}),
            CONSTRAINT account_revised_by_length CHECK ({revised_by})
         ) {TABLE};
         CREATE INDEX account_created_at_id_idx ON account (created_at, id);
         CREATE INDEX account_class_code_idx ON account (class, code);
         CREATE INDEX account_ledger_code_idx ON account (ledger, code);\n",
        code = length("code", 64),
        name = length("name", 200),
        metadata = json_object("metadata"),
        revised_by = length("revised_by", 1024),
    )
}

fn history() -> String {
    format!(
        "CREATE TABLE account_change (
            account_id   {UUID} NOT NULL,
            revision     bigint NOT NULL,
            name         text NOT NULL,
            class        varchar(64),
            limit_policy text NOT NULL,
            status       text NOT NULL,
            metadata     {JSON} NOT NULL,
            recorded_at  {INSTANT} NOT NULL,
            recorded_by  text,
            min_balance  bigint,
            max_balance  bigint,
            PRIMARY KEY (account_id, revision),
            CONSTRAINT account_change_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT account_change_revision_range CHECK (revision >= 1)
         ) {TABLE};\n"
    )
}

fn of_lines() -> String {
    format!(
        "CREATE TABLE account_pending (
            account_id      {UUID} NOT NULL,
            version         bigint NOT NULL,
            debits_pending  bigint NOT NULL,
            credits_pending bigint NOT NULL,
            PRIMARY KEY (account_id, version),
            CONSTRAINT account_pending_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT account_pending_version_range CHECK (version > 0),
            CONSTRAINT account_pending_range CHECK (debits_pending >= 0 AND credits_pending >= 0)
         ) {TABLE};\n"
    )
}

fn of_ledger() -> String {
    let locks = trigger("ledger", "ledger_locks", "BEFORE INSERT", &take("ledger"));
    let without_accounts = refuse(
        "ledger",
        "ledger_without_accounts",
        "BEFORE INSERT",
        "EXISTS (SELECT 1 FROM account WHERE code = NEW.code LOCK IN SHARE MODE)
             OR EXISTS (SELECT 1 FROM account WHERE code >= concat(NEW.code, ':') AND code < concat(NEW.code, ';') LOCK IN SHARE MODE)",
    );
    // Whoever opens an account looks for the ledger first. One that is created in between is found here: then the transaction has lost a
    // conflict, and can be run again.
    const OF_CODE: &str = "account_ledger_of_code";
    let of_code = trigger(
        "account",
        OF_CODE,
        "BEFORE INSERT",
        &format!(
            "{}
             IF NOT NEW.ledger <=> (SELECT code FROM ledger WHERE code = substring_index(NEW.code, ':', 1) LOCK IN SHARE MODE) THEN
                 IF NEW.ledger IS NULL THEN
                     SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1020, MESSAGE_TEXT = '{OF_CODE}: refused';
                 END IF;
                 {}
             END IF;",
            share("ledger"),
            signal(OF_CODE)
        ),
    );
    let fixed = refuse(
        "account",
        "account_ledger_fixed",
        "BEFORE UPDATE",
        "NOT NEW.ledger <=> OLD.ledger",
    );
    [
        append_only("ledger"),
        locks,
        without_accounts,
        of_code,
        fixed,
    ]
    .concat()
}

/// The database itself writes the history of an account.
fn of_account() -> String {
    let names = DESCRIPTION.join(", ");
    let new = format!("NEW.{}", DESCRIPTION.join(", NEW."));
    let same = DESCRIPTION.map(|column| format!("{column} <=> NEW.{column}"));
    let columns = format!("account_id, revision, {names}, recorded_at, recorded_by");
    let revised: Vec<_> = DESCRIPTION
        .into_iter()
        .chain(["revision", "revised_at", "revised_by"])
        .collect();
    [
        append_only("account_change"),
        refuse(
            "account_change",
            "account_change_is_account",
            "BEFORE INSERT",
            &format!(
                "NOT EXISTS (SELECT 1 FROM account WHERE id = NEW.account_id AND revision = NEW.revision AND {})",
                same.join(" AND ")
            ),
        ),
        trigger(
            "account_change",
            "account_change_to_outbox",
            "AFTER INSERT",
            "INSERT INTO outbox_unnumbered (account_id, revision) VALUES (NEW.account_id, NEW.revision);",
        ),
        refuse(
            "account",
            "account_first_revision",
            "BEFORE INSERT",
            "NEW.revision <> 1 OR NEW.revised_at IS NOT NULL",
        ),
        refuse(
            "account",
            "account_identity_fixed",
            "BEFORE UPDATE",
            &format!(
                "NOT ({})",
                unchanged(&["id", "code", "currency", "normal_side", "created_at"])
            ),
        ),
        refuse(
            "account",
            "account_next_revision",
            "BEFORE UPDATE",
            &format!(
                "NOT ({}) AND (NEW.revision <> OLD.revision + 1 OR NEW.revised_at IS NULL)",
                unchanged(&revised)
            ),
        ),
        trigger(
            "account",
            "account_opening_to_history",
            "AFTER INSERT",
            &format!(
                "INSERT INTO account_change ({columns}) VALUES (NEW.id, NEW.revision, {new}, NEW.created_at, NEW.revised_by);"
            ),
        ),
        trigger(
            "account",
            "account_change_to_history",
            "AFTER UPDATE",
            &format!(
                "IF NEW.revision <> OLD.revision THEN
                     INSERT INTO account_change ({columns}) VALUES (NEW.id, NEW.revision, {new}, NEW.revised_at, NEW.revised_by);
                 END IF;"
            ),
        ),
    ]
    .concat()
}
