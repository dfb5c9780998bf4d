//! `ledger`: ledgers beside the one that has no name; append-only. `account.ledger` and `entry.ledger`: the ledger that each belongs to, none
//! where it is the one without a name.
//!
//! **A ledger is the first part of its accounts' codes**, before a colon. An account is in a ledger exactly if the first part of its code is
//! that of a ledger, and this never changes: a ledger is created before the first account whose code begins like that.
//!
//! **No entry crosses.** All lines of an entry are on accounts of the entry's own ledger. So each ledger balances by itself, at each time,
//! and who sees one whole ledger sees nothing that lacks its other half. References are unique within a ledger.
//!
//! **Races.** Whoever opens an account locks `ledger` in the mode ROW SHARE until the end of the transaction, and whoever creates a ledger
//! locks it in the mode EXCLUSIVE: as `m20261127_23_add_closing` says of closings.
//!
//! **Row-level security**, on PostgreSQL: for the role `daybook_confined`, and for no other, rows of ledgers that are not in the setting
//! `daybook.ledgers` (their codes, with spaces between) are not there. Operations of callers who may not see all ledgers run as this role.
//! Owners of the tables are not subject to it, and pay nothing for it. The function `daybook_confine()` sets it up: `daybook migrate --confine`
//! calls it. A migration does not, since roles are those of the whole server, and a dump of the database would ask for the role where it is
//! restored. SQLite has no roles: there, the server writes the same conditions into each statement.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The first part of a code.
fn first_part(dialect: &Dialect, code: &str) -> String {
    match dialect.alters_columns() {
        true => format!("split_part({code}, ':', 1)"),
        false => format!("substr({code} || ':', 1, instr({code} || ':', ':') - 1)"),
    }
}

const ANY_LEDGER: &str = "EXISTS (SELECT 1 FROM ledger)";

/// Whether a line is not on two accounts of its entry's ledger.
const CROSSES: &str = "(
    SELECT COUNT(*) FROM account WHERE id IN (NEW.debit_account_id, NEW.credit_account_id)
        AND ledger IS NOT DISTINCT FROM (SELECT ledger FROM entry WHERE id = NEW.entry_id)
) <> 2";

/// As in `m20261127_23_add_closing`.
const CLOSED: &str = "EXISTS (
    SELECT 1 FROM closed_period WHERE closed_until > (SELECT effective_at FROM entry WHERE id = NEW.entry_id) AND EXISTS (
        SELECT 1 FROM account WHERE id IN (NEW.debit_account_id, NEW.credit_account_id)
            AND substr(code, 1, length(code_prefix)) = code_prefix
    )
)";

/// As in `m20261128_95_add_parts`.
const CHANGED: &str = "EXISTS (
    SELECT 1 FROM entry_change WHERE entry_id = OLD.id AND metadata_before = OLD.metadata AND metadata_after = NEW.metadata
        AND number = (SELECT MAX(number) FROM entry_change WHERE entry_id = OLD.id)
)";

/// The columns that an entry had before, but for its metadata.
const FIXED: [&str; 12] = [
    "id",
    "kind",
    "resolves_id",
    "reverses_id",
    "description",
    "effective_at",
    "recorded_at",
    "expires_at",
    "reference",
    "recorded_by",
    "part",
    "leaves_rest",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let Dialect {
            sorted_text,
            timestamp,
            table_options,
            ..
        } = dialect;
        let recorded_at_rule = dialect.timestamp_rule("recorded_at");
        let code_form = match dialect.alters_columns() {
            true => "code ~ '^[A-Za-z0-9_-]{1,32}$'",
            false => "length(code) BETWEEN 1 AND 32 AND code NOT GLOB '*[^A-Za-z0-9_-]*'",
        };
        run(
            manager,
            &format!(
                "CREATE TABLE ledger (
                    code        {sorted_text} NOT NULL,
                    name        text NOT NULL,
                    recorded_at {timestamp} NOT NULL,
                    recorded_by text,
                    CONSTRAINT ledger_pkey PRIMARY KEY (code),
                    CONSTRAINT ledger_code_form CHECK ({code_form}),
                    CONSTRAINT ledger_name_length CHECK (length(name) BETWEEN 1 AND 200),
                    CONSTRAINT ledger_recorded_at_form CHECK ({recorded_at_rule}),
                    CONSTRAINT ledger_recorded_by_length CHECK (length(recorded_by) BETWEEN 1 AND 1024)
                 ) {table_options};
                 ALTER TABLE account ADD COLUMN ledger {sorted_text} CONSTRAINT account_ledger_fkey REFERENCES ledger (code);
                 ALTER TABLE entry ADD COLUMN ledger {sorted_text};
                 CREATE INDEX account_ledger_code_idx ON account (ledger, code) WHERE ledger IS NOT NULL;
                 CREATE INDEX entry_ledger_recorded_at_id_idx ON entry (ledger, recorded_at, id) WHERE ledger IS NOT NULL;"
            ),
        )
        .await?;
        reference_once(
            manager,
            &dialect,
            "reference, COALESCE(ledger, '')",
            "reference = NEW.reference AND ledger IS NEW.ledger",
        )
        .await?;
        if !dialect.alters_columns() {
            let fixed = [&FIXED[..], &["ledger"]].concat();
            let changed = dialect.fix_but_for("entry", "metadata", &fixed, CHANGED);
            run(manager, &changed).await?;
        }
        for rule in [
            dialect.append_only("ledger", &[("ledger_pkey", "code = NEW.code")]),
            dialect.before_each(
                "ledger",
                "ledger_locks",
                "INSERT",
                "LOCK TABLE ledger IN EXCLUSIVE MODE;",
            ),
            // By name after the lock: on PostgreSQL, triggers run in the order of their names.
            dialect.refuse(
                "ledger",
                "ledger_without_accounts",
                "BEFORE INSERT",
                "EXISTS (SELECT 1 FROM account WHERE code = NEW.code)
                 OR EXISTS (SELECT 1 FROM account WHERE code >= NEW.code || ':' AND code < NEW.code || ';')",
            ),
            dialect.before_each(
                "account",
                "account_keeps_ledgers",
                "INSERT",
                "LOCK TABLE ledger IN ROW SHARE MODE;",
            ),
            of_code(&dialect),
            dialect.refuse(
                "account",
                "account_ledger_fixed",
                "BEFORE UPDATE OF ledger",
                "NEW.ledger IS DISTINCT FROM OLD.ledger",
            ),
            within_ledger(&dialect),
        ] {
            run(manager, &rule).await?;
        }
        if dialect.alters_columns() {
            run(manager, &confine()).await?;
        }
        Ok(())
    }

    /// Refused if there are ledgers: their references could be those of other ledgers.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let ledgers = Statement::from_string(
            manager.get_database_backend(),
            "SELECT 1 FROM ledger LIMIT 1",
        );
        if manager
            .get_connection()
            .query_one_raw(ledgers)
            .await?
            .is_some()
        {
            let refusal = "there are several ledgers, which cannot be kept without this migration";
            return Err(DbErr::Migration(refusal.to_owned()));
        }
        if dialect.alters_columns() {
            run(manager, &release()).await?;
        }
        for sql in [
            across_ledgers(&dialect),
            dialect.drop_trigger("account", "account_ledger_fixed"),
            dialect.drop_trigger("account", "account_ledger_of_code"),
            dialect.drop_before_each("account", "account_keeps_ledgers"),
            dialect.drop_trigger("ledger", "ledger_without_accounts"),
            dialect.drop_before_each("ledger", "ledger_locks"),
        ] {
            run(manager, &sql).await?;
        }
        reference_once(manager, &dialect, "reference", "reference = NEW.reference").await?;
        if !dialect.alters_columns() {
            let changed = dialect.fix_but_for("entry", "metadata", &FIXED, CHANGED);
            run(manager, &changed).await?;
        }
        let leftovers = dialect.drop_append_only("ledger");
        run(
            manager,
            &format!(
                "DROP INDEX entry_ledger_recorded_at_id_idx; DROP INDEX account_ledger_code_idx;
                 ALTER TABLE entry DROP COLUMN ledger; ALTER TABLE account DROP COLUMN ledger;
                 DROP TABLE ledger; {leftovers}"
            ),
        )
        .await
    }
}

/// Refuses an account that is in another ledger than its code says.
///
/// Whoever opens an account looks for the ledger first. One that is created in between is found here, after its transaction has ended: then the
/// transaction has lost a conflict, and can be run again.
fn of_code(dialect: &Dialect) -> String {
    const NAME: &str = "account_ledger_of_code";
    let first = first_part(dialect, "NEW.code");
    let differs =
        format!("NEW.ledger IS DISTINCT FROM (SELECT code FROM ledger WHERE code = {first})");
    let refuse = dialect.refuse("account", NAME, "BEFORE INSERT", &differs);
    refuse.replace(
        "ERRCODE = 'restrict_violation'",
        "ERRCODE = CASE WHEN NEW.ledger IS NULL THEN 'serialization_failure' ELSE 'restrict_violation' END",
    )
}

/// Makes the index of references anew, with what refuses `INSERT OR REPLACE` on SQLite.
async fn reference_once(
    manager: &SchemaManager<'_>,
    dialect: &Dialect,
    columns: &str,
    in_the_way: &str,
) -> Result<(), DbErr> {
    const NAME: &str = "entry_reference_once";
    let guard = dialect.guard_unique("entry", NAME, "NEW.reference IS NOT NULL", in_the_way);
    let no_guard = dialect.drop_guard(NAME);
    run(
        manager,
        &format!(
            "{no_guard} DROP INDEX {NAME};
             CREATE UNIQUE INDEX {NAME} ON entry ({columns}) WHERE reference IS NOT NULL; {guard}"
        ),
    )
    .await
}

/// On PostgreSQL, each call of a trigger costs an entry time. So this is checked where `m20261127_23_add_closing` checks that no period is
/// closed.
fn within_ledger(dialect: &Dialect) -> String {
    if !dialect.alters_columns() {
        let crosses = format!("{ANY_LEDGER} AND {CROSSES}");
        return dialect.refuse(
            "entry_line",
            "entry_within_ledger",
            "AFTER INSERT",
            &crosses,
        );
    }
    of_lines(Some(CROSSES))
}

/// Undoes [`within_ledger`].
fn across_ledgers(dialect: &Dialect) -> String {
    if !dialect.alters_columns() {
        return dialect.drop_trigger("entry_line", "entry_within_ledger");
    }
    of_lines(None)
}

/// The functions that check a line on PostgreSQL.
fn of_lines(crosses: Option<&str>) -> String {
    // It finds nothing, and is there for the lock.
    let lock = "EXISTS (SELECT 1 FROM closed_period WHERE FALSE FOR KEY SHARE)";
    let refuse = |name: &str| {
        format!(
            "RAISE EXCEPTION USING
                 ERRCODE = 'restrict_violation', TABLE = 'entry_line', CONSTRAINT = '{name}', MESSAGE = '{name}: refused';"
        )
    };
    let closed = refuse("entry_period_closed");
    // By itself: PostgreSQL prepares all of a statement, also what it then does not run, and that costs an entry three times as much.
    let refuse_crossing = crosses.map_or_else(String::new, |crosses| {
        let refuse = refuse("entry_within_ledger");
        format!("IF {ANY_LEDGER} THEN IF {crosses} THEN {refuse} END IF; END IF;")
    });
    format!(
        "CREATE OR REPLACE FUNCTION entry_line_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             {refuse_crossing}
             INSERT INTO outbox (entry_id) SELECT NEW.entry_id WHERE NOT {lock} AND NOT {CLOSED};
             IF NOT FOUND THEN
                 {closed}
             END IF;
             RETURN NULL;
         END $$;
         CREATE OR REPLACE FUNCTION entry_period_closed() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             {refuse_crossing}
             IF {lock} OR {CLOSED} THEN
                 {closed}
             END IF;
             RETURN NULL;
         END $$;"
    )
}

/// The rows that a confined operation sees of each table, and those that it may write. What it writes beside accounts, entries and lines
/// belongs to these, and can be written in the same statement, before they can be seen.
const VISIBLE: [(&str, &str, &str); 27] = [
    ("ledger", LISTED_CODE, "FALSE"),
    ("account", LISTED, LISTED),
    ("account_change", OF_ACCOUNT, "TRUE"),
    ("account_metadata", OF_ACCOUNT, "TRUE"),
    ("account_pending", OF_ACCOUNT, "TRUE"),
    ("late_line", OF_ACCOUNT, "TRUE"),
    ("late_place", OF_ACCOUNT, "TRUE"),
    ("late_total", OF_ACCOUNT, "TRUE"),
    ("entry", LISTED, LISTED),
    (
        "entry_line",
        "EXISTS (SELECT 1 FROM account WHERE account.id = debit_account_id)",
        "EXISTS (SELECT 1 FROM account WHERE account.id = debit_account_id)
             AND EXISTS (SELECT 1 FROM account WHERE account.id = credit_account_id)",
    ),
    ("entry_change", OF_ENTRY, "TRUE"),
    ("entry_metadata", OF_ENTRY, "TRUE"),
    ("entry_word", OF_ENTRY, "TRUE"),
    ("open_hold", OF_ENTRY, "TRUE"),
    ("line_part", OF_ENTRY, "TRUE"),
    ("seal", OF_ENTRY, "FALSE"),
    (
        "outbox",
        "EXISTS (SELECT 1 FROM entry WHERE entry.id = entry_id) OR EXISTS (SELECT 1 FROM account WHERE account.id = account_id)",
        "TRUE",
    ),
    ("closing", OF_PREFIX, "FALSE"),
    ("closed_period", OF_PREFIX, "FALSE"),
    ("account_group", "FALSE", "FALSE"),
    ("group_member", "FALSE", "FALSE"),
    ("group_prefix", "FALSE", "FALSE"),
    ("group_change", "FALSE", "FALSE"),
    ("webhook", "FALSE", "FALSE"),
    ("webhook_account", "FALSE", "FALSE"),
    ("webhook_dead_letter", "FALSE", "FALSE"),
    ("import", "FALSE", "FALSE"),
];

const LISTED: &str =
    "ledger = ANY (string_to_array(current_setting('daybook.ledgers', true), ' '))";
const LISTED_CODE: &str =
    "code = ANY (string_to_array(current_setting('daybook.ledgers', true), ' '))";
const OF_ACCOUNT: &str = "EXISTS (SELECT 1 FROM account WHERE account.id = account_id)";
const OF_ENTRY: &str = "EXISTS (SELECT 1 FROM entry WHERE entry.id = entry_id)";
const OF_PREFIX: &str =
    "EXISTS (SELECT 1 FROM ledger WHERE starts_with(ledger.code || ':', code_prefix)
    OR starts_with(code_prefix, ledger.code || ':'))";

/// Tables without rows of ledgers, which confined operations use.
const SHARED: &str = "currency, unit_of_work_idempotency, unit_of_work_marker";

fn confine() -> String {
    let policies = VISIBLE.map(|(table, seen, written)| {
        format!(
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
             DROP POLICY IF EXISTS everyone ON {table};
             DROP POLICY IF EXISTS confined ON {table};
             CREATE POLICY everyone ON {table} USING (TRUE);
             CREATE POLICY confined ON {table} AS RESTRICTIVE TO daybook_confined USING ({seen}) WITH CHECK ({written});
             GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO daybook_confined;\n"
        )
    });
    format!(
        "CREATE FUNCTION daybook_confine() RETURNS void LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM set_config('client_min_messages', 'warning', true);
             IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'daybook_confined') THEN
                 BEGIN
                     CREATE ROLE daybook_confined NOLOGIN;
                 EXCEPTION
                     -- Somebody has created it for another database of this server meanwhile.
                     WHEN duplicate_object OR unique_violation THEN NULL;
                 END;
             END IF;
             IF NOT pg_has_role(current_user, 'daybook_confined', 'MEMBER') THEN
                 EXECUTE format('GRANT daybook_confined TO %I', current_user);
             END IF;
             {}
             GRANT SELECT, INSERT, UPDATE, DELETE ON {SHARED} TO daybook_confined;
             EXECUTE format('GRANT USAGE ON SCHEMA %I TO daybook_confined', current_schema());
         END $$;",
        policies.concat()
    )
}

/// Undoes what `daybook_confine()` has done, and removes it. The role stays: other databases may use it.
fn release() -> String {
    let policies = VISIBLE.map(|(table, ..)| {
        format!(
            "DROP POLICY IF EXISTS everyone ON {table}; DROP POLICY IF EXISTS confined ON {table};
             ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
             IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'daybook_confined') THEN
                 REVOKE ALL ON {table} FROM daybook_confined;
             END IF;\n"
        )
    });
    format!(
        "DO $$
         BEGIN
             {}
             IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'daybook_confined') THEN
                 REVOKE ALL ON {SHARED} FROM daybook_confined;
                 EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM daybook_confined', current_schema());
             END IF;
         END $$;
         DROP FUNCTION daybook_confine();",
        policies.concat()
    )
}
