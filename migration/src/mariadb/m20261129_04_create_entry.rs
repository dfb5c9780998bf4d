//! `entry`, `entry_line`, `entry_change`, `line_part`, and what entries are found by: `entry_metadata`, `entry_word`, `open_hold`. See
//! `m20261123_03` and `_04`, `m20261127_22` and `_30`, `m20261128_95` and `_97`.
//!
//! Unique indexes of PostgreSQL with a condition or an expression have generated columns: `part_or_one` and `ledger_or_none`. They have rows
//! without a value, too, which are equal to none.

use super::rules::{
    INSTANT, JSON, KEY_TEXT, TABLE, UUID, append_only, append_only_but_for, json_object, length,
    refuse, share, signal, trigger, unchanged,
};
use crate::dialect::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// The columns of an entry that never change. The generated ones follow from them.
const FIXED: [&str; 13] = [
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
    "ledger",
];

/// What a change of an entry's row has to be: the one that the last change of its metadata says.
const CHANGED: &str = "EXISTS (
    SELECT 1 FROM entry_change WHERE entry_id = OLD.id AND metadata_before = OLD.metadata AND metadata_after = NEW.metadata
        AND number = (SELECT MAX(number) FROM entry_change WHERE entry_id = OLD.id)
)";

/// What a part's row has to be like.
const PART_FORM: &str = "CASE WHEN part IS NULL THEN NOT leaves_rest
    ELSE (resolves_id IS NOT NULL OR reverses_id IS NOT NULL) AND part BETWEEN 1 AND 100
        AND (leaves_rest OR part > 1) AND (part < 100 OR NOT leaves_rest) END";

/// Whether a part has none before it that has left something.
const FOLLOWS_NONE: &str = "NEW.part > 1 AND NOT EXISTS (
    SELECT 1 FROM entry AS earlier WHERE (earlier.reverses_id = NEW.reverses_id OR earlier.resolves_id = NEW.resolves_id)
        AND earlier.part = NEW.part - 1 AND earlier.leaves_rest
)";

/// Whether a row is not of the part that it says, or what is left is not what was left before less what is taken.
const NOT_LEFT: &str = "NOT EXISTS (
    SELECT 1 FROM entry WHERE id = NEW.by_entry_id AND part = NEW.part AND COALESCE(reverses_id, resolves_id) = NEW.entry_id
        AND (leaves_rest OR NEW.remaining = 0)
) OR EXISTS (
    SELECT 1 FROM line_part WHERE entry_id = NEW.entry_id AND line_no = NEW.line_no AND part >= NEW.part
) OR NEW.remaining + NEW.amount <> COALESCE(
    (SELECT remaining FROM line_part WHERE entry_id = NEW.entry_id AND line_no = NEW.line_no ORDER BY part DESC LIMIT 1),
    (SELECT amount FROM entry_line WHERE entry_id = NEW.entry_id AND line_no = NEW.line_no AND effect <> 'RELEASE'),
    -1
)";

/// Whether a line is not on two accounts of its entry's ledger.
const CROSSES: &str = "(
    SELECT COUNT(*) FROM account WHERE id IN (NEW.debit_account_id, NEW.credit_account_id)
        AND ledger <=> (SELECT ledger FROM entry WHERE id = NEW.entry_id)
) <> 2";

/// Whether a line is of an entry that counts from an instant at which one of its accounts is closed, whatever the snapshot is. The entry is
/// looked up only if something is closed.
const CLOSED: &str = "EXISTS (
    SELECT 1 FROM closed_period WHERE closed_until > (SELECT effective_at FROM entry WHERE id = NEW.entry_id) AND EXISTS (
        SELECT 1 FROM account WHERE id IN (NEW.debit_account_id, NEW.credit_account_id)
            AND substr(code, 1, char_length(code_prefix)) = code_prefix
    )
    LOCK IN SHARE MODE
)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = entries() + &lines() + &changes() + &parts() + &found_by();
        let triggers = [
            append_only_but_for("entry", &format!("{} AND {CHANGED}", unchanged(&FIXED))),
            refuse(
                "entry",
                "entry_part_follows",
                "BEFORE INSERT",
                FOLLOWS_NONE,
            ),
            trigger(
                "entry",
                "entry_opens_hold",
                "AFTER INSERT",
                "IF NEW.kind = 'HOLD' THEN INSERT INTO open_hold (entry_id) VALUES (NEW.id); END IF;",
            ),
            trigger(
                "entry",
                "entry_ends_hold",
                "AFTER INSERT",
                "IF NEW.resolves_id IS NOT NULL AND NOT NEW.leaves_rest THEN DELETE FROM open_hold WHERE entry_id = NEW.resolves_id; END IF;",
            ),
            super::metadata::create("entry"),
            of_lines(),
            append_only("entry_change"),
            refuse(
                "entry_change",
                "entry_change_follows",
                "BEFORE INSERT",
                "NEW.metadata_before = NEW.metadata_after
                 OR NEW.number <> COALESCE((SELECT MAX(number) FROM entry_change WHERE entry_id = NEW.entry_id), 0) + 1
                 OR NOT EXISTS (SELECT 1 FROM entry WHERE id = NEW.entry_id AND metadata = NEW.metadata_before)",
            ),
            trigger(
                "entry_change",
                "entry_change_to_entry",
                "AFTER INSERT",
                "UPDATE entry SET metadata = NEW.metadata_after WHERE id = NEW.entry_id;
                 INSERT INTO outbox_unnumbered (entry_id, revision) VALUES (NEW.entry_id, NEW.number);",
            ),
            append_only("line_part"),
            refuse("line_part", "line_part_follows", "BEFORE INSERT", NOT_LEFT),
            append_only("entry_word"),
        ];
        run(manager, &(tables + &triggers.concat())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP TABLE entry_metadata; DROP TABLE open_hold; DROP TABLE entry_word; DROP TABLE line_part; DROP TABLE entry_change;
             DROP TABLE entry_line; DROP TABLE entry;",
        )
        .await
    }
}

fn entries() -> String {
    format!(
        "CREATE TABLE entry (
            id             {UUID} NOT NULL,
            kind           varchar(64) NOT NULL,
            resolves_id    {UUID},
            reverses_id    {UUID},
            description    text,
            effective_at   {INSTANT} NOT NULL,
            recorded_at    {INSTANT} NOT NULL,
            expires_at     {INSTANT},
            metadata       {JSON} NOT NULL,
            reference      {KEY_TEXT},
            recorded_by    text,
            part           int,
            leaves_rest    tinyint(1) NOT NULL DEFAULT FALSE,
            ledger         {KEY_TEXT},
            part_or_one    int GENERATED ALWAYS AS (COALESCE(part, 1)) VIRTUAL,
            ledger_or_none {KEY_TEXT} GENERATED ALWAYS AS (COALESCE(ledger, '')) VIRTUAL,
            PRIMARY KEY (id),
            CONSTRAINT entry_resolved_once UNIQUE (resolves_id, part_or_one),
            CONSTRAINT entry_reversed_once UNIQUE (reverses_id, part_or_one),
            CONSTRAINT entry_reference_once UNIQUE (reference, ledger_or_none),
            CONSTRAINT entry_resolves_fkey FOREIGN KEY (resolves_id) REFERENCES entry (id),
            CONSTRAINT entry_reverses_fkey FOREIGN KEY (reverses_id) REFERENCES entry (id),
            CONSTRAINT entry_id_form CHECK (right(hex(id), 3) = '000'),
            CONSTRAINT entry_kind_known CHECK (kind IN ('POST', 'HOLD', 'CAPTURE', 'RELEASE', 'REVERSAL')),
            CONSTRAINT entry_resolves_by_kind CHECK ((resolves_id IS NOT NULL) = (kind IN ('CAPTURE', 'RELEASE'))),
            CONSTRAINT entry_reverses_by_kind CHECK ((reverses_id IS NOT NULL) = (kind = 'REVERSAL')),
            CONSTRAINT entry_expires_by_kind CHECK (expires_at IS NULL OR kind = 'HOLD'),
            CONSTRAINT entry_description_length CHECK ({description}),
            CONSTRAINT entry_metadata_object CHECK ({metadata}),
            CONSTRAINT entry_reference_length CHECK ({reference}),
            CONSTRAINT entry_recorded_by_length CHECK ({recorded_by}),
            CONSTRAINT entry_leaves_rest_form CHECK (leaves_rest IN (FALSE, TRUE)),
            CONSTRAINT entry_part_form CHECK ({PART_FORM})
         ) {TABLE};
         CREATE INDEX entry_recorded_at_id_idx ON entry (recorded_at, id);
         CREATE INDEX entry_effective_at_id_idx ON entry (effective_at, id);
         CREATE INDEX entry_expires_at_id_idx ON entry (expires_at, id);
         CREATE INDEX entry_kind_recorded_at_id_idx ON entry (kind, recorded_at, id);
         CREATE INDEX entry_kind_effective_at_id_idx ON entry (kind, effective_at, id);
         CREATE INDEX entry_ledger_recorded_at_id_idx ON entry (ledger, recorded_at, id);\n",
        description = length("description", 1000),
        metadata = json_object("metadata"),
        reference = length("reference", 200),
        recorded_by = length("recorded_by", 1024),
    )
}

fn lines() -> String {
    format!(
        "CREATE TABLE entry_line (
            entry_id          {UUID} NOT NULL,
            line_no           int NOT NULL,
            debit_account_id  {UUID} NOT NULL,
            credit_account_id {UUID} NOT NULL,
            currency          {KEY_TEXT} NOT NULL,
            amount            bigint NOT NULL,
            debit_version     bigint NOT NULL,
            debit_balance     bigint NOT NULL,
            credit_version    bigint NOT NULL,
            credit_balance    bigint NOT NULL,
            effect            varchar(64) NOT NULL DEFAULT 'POST',
            PRIMARY KEY (entry_id, line_no),
            CONSTRAINT entry_line_debit_version_key UNIQUE (debit_account_id, debit_version),
            CONSTRAINT entry_line_credit_version_key UNIQUE (credit_account_id, credit_version),
            CONSTRAINT entry_line_entry_fkey FOREIGN KEY (entry_id) REFERENCES entry (id),
            CONSTRAINT entry_line_debit_account_fkey FOREIGN KEY (debit_account_id, currency) REFERENCES account (id, currency),
            CONSTRAINT entry_line_credit_account_fkey FOREIGN KEY (credit_account_id, currency) REFERENCES account (id, currency),
            CONSTRAINT entry_line_no_range CHECK (line_no BETWEEN 1 AND 4095),
            CONSTRAINT entry_line_two_accounts CHECK (debit_account_id <> credit_account_id),
            CONSTRAINT entry_line_amount_positive CHECK (amount > 0),
            CONSTRAINT entry_line_version_range CHECK (debit_version > 0 AND credit_version > 0),
            CONSTRAINT entry_line_effect_known CHECK (effect IN ('POST', 'HOLD', 'CAPTURE', 'RELEASE'))
         ) {TABLE};
         CREATE INDEX entry_line_currency_amount_idx ON entry_line (currency, amount);\n"
    )
}

/// One trigger for all that an inserted line does. It comes after the insertion, when the entry can be seen that the line is of. What it
/// locks comes first: what it reads then is what those have committed that it has waited for.
fn of_lines() -> String {
    let sql = format!(
        "{share}
         IF EXISTS (SELECT 1 FROM ledger) THEN IF {CROSSES} THEN {crosses} END IF; END IF;
         IF {CLOSED} THEN {closed} END IF;
         IF NEW.line_no = 1 THEN INSERT INTO outbox_unnumbered (entry_id) VALUES (NEW.entry_id); END IF;",
        share = share("closed_period"),
        crosses = signal("entry_within_ledger"),
        closed = signal("entry_period_closed"),
    );
    append_only("entry_line") + &trigger("entry_line", "entry_line_to_outbox", "AFTER INSERT", &sql)
}

fn changes() -> String {
    format!(
        "CREATE TABLE entry_change (
            entry_id        {UUID} NOT NULL,
            number          bigint NOT NULL,
            metadata_before {JSON} NOT NULL,
            metadata_after  {JSON} NOT NULL,
            recorded_at     {INSTANT} NOT NULL,
            recorded_by     text,
            PRIMARY KEY (entry_id, number),
            CONSTRAINT entry_change_entry_fkey FOREIGN KEY (entry_id) REFERENCES entry (id),
            CONSTRAINT entry_change_number_range CHECK (number BETWEEN 1 AND 100),
            CONSTRAINT entry_change_metadata_object CHECK ({metadata}),
            CONSTRAINT entry_change_recorded_by_length CHECK ({recorded_by})
         ) {TABLE};\n",
        metadata = json_object("metadata_after"),
        recorded_by = length("recorded_by", 1024),
    )
}

fn parts() -> String {
    format!(
        "CREATE TABLE line_part (
            entry_id    {UUID} NOT NULL,
            line_no     int NOT NULL,
            part        int NOT NULL,
            by_entry_id {UUID} NOT NULL,
            amount      bigint NOT NULL,
            remaining   bigint NOT NULL,
            PRIMARY KEY (entry_id, line_no, part),
            CONSTRAINT line_part_by_key UNIQUE (by_entry_id, line_no),
            CONSTRAINT line_part_line_fkey FOREIGN KEY (entry_id, line_no) REFERENCES entry_line (entry_id, line_no),
            CONSTRAINT line_part_by_fkey FOREIGN KEY (by_entry_id) REFERENCES entry (id),
            CONSTRAINT line_part_amount_positive CHECK (amount > 0),
            CONSTRAINT line_part_remaining_range CHECK (remaining >= 0)
         ) {TABLE};\n"
    )
}

fn found_by() -> String {
    format!(
        "CREATE TABLE entry_word (
            word     {KEY_TEXT} NOT NULL,
            entry_id {UUID} NOT NULL,
            PRIMARY KEY (word, entry_id)
         ) {TABLE};
         CREATE TABLE open_hold (
            entry_id {UUID} NOT NULL,
            PRIMARY KEY (entry_id)
         ) {TABLE};\n"
    )
}
