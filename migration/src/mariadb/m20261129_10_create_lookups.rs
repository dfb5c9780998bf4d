//! Functions that look up the next row of an index.
//!
//! MariaDB reads a range of an index from an end that is known when the statement is planned. In a subquery, an end that comes from the row
//! around it is compared with one row after the other: with all of an account's, in the worst case. In a function it is known.
//!
//! They only read, and with the rights of whoever calls them.

use super::rules::{INSTANT, UUID};
use crate::dialect::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// Names, parameters, and what they do.
fn functions() -> Vec<(&'static str, String, String)> {
    let account = format!("of_account {UUID}");
    let filter = "effects varchar(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, of_side varchar(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin";
    let from = "from_version bigint, to_version bigint";
    let places =
        format!("from_at {INSTANT}, from_version bigint, to_at {INSTANT}, to_version bigint");
    let last = |table: &str| {
        format!(
            "RETURN (SELECT version FROM {table} WHERE account_id = of_account AND version <= up_to ORDER BY version DESC LIMIT 1)"
        )
    };
    vec![
        (
            "last_pending",
            format!("{account}, up_to bigint"),
            last("account_pending"),
        ),
        (
            "last_late_line",
            format!("{account}, up_to bigint"),
            last("late_line"),
        ),
        (
            "last_late_place",
            format!("{account}, instant {INSTANT}, up_to bigint"),
            "RETURN (SELECT version FROM late_place WHERE account_id = of_account AND effective_at = instant AND version <= up_to
              ORDER BY version DESC LIMIT 1)"
                .to_owned(),
        ),
        (
            "sum_of_late_before",
            format!("{account}, microseconds bigint"),
            sum_of_late_before(),
        ),
        (
            "first_line",
            format!("{account}, {from}, {filter}"),
            line("MIN", "ASC"),
        ),
        (
            "last_line",
            format!("{account}, {from}, {filter}"),
            line("MAX", "DESC"),
        ),
        (
            "run_begins",
            format!("{account}, of_version bigint"),
            run_of(">=", "ASC"),
        ),
        (
            "run_ends",
            format!("{account}, of_version bigint"),
            run_of("<=", "DESC"),
        ),
        (
            "first_place",
            format!("{account}, {places}, {filter}"),
            place("ASC"),
        ),
        (
            "last_place",
            format!("{account}, {places}, {filter}"),
            place("DESC"),
        ),
    ]
}

/// What the late lines of an account add that count from before an instant, which is given in microseconds since the year 1: the sum of the
/// buckets of each size that make up the time before it.
fn sum_of_late_before() -> String {
    let of_level = |level: u32| {
        format!(
            "(SELECT SUM(posted) AS posted FROM late_total WHERE account_id = of_account AND level = {level}
                AND bucket >= (microseconds >> {above}) << 6 AND bucket < microseconds >> {own})",
            above = 6 * level + 6,
            own = 6 * level,
        )
    };
    let levels: Vec<_> = (0..10).map(of_level).collect();
    format!(
        "RETURN (SELECT SUM(posted) FROM ({}) AS levels)",
        levels.join(" UNION ALL ")
    )
}

/// Of the lines of an account after `from_version` and up to `to_version`, the first or the last one.
fn line(end: &str, order: &str) -> String {
    let side = |side: &str| {
        format!(
            "(SELECT {side}_version AS version FROM entry_line WHERE {side}_account_id = of_account
                AND {side}_version > from_version AND {side}_version <= to_version
                AND (of_side IS NULL OR of_side = '{side}') AND (effects IS NULL OR FIND_IN_SET(effect, effects))
              ORDER BY {side}_version {order} LIMIT 1)"
        )
    };
    format!(
        "RETURN (SELECT {end}(version) FROM ({} UNION ALL {}) AS sides)",
        side("debit"),
        side("credit")
    )
}

/// The end of the run of late lines that a late line is in. Within a run, `run_after` is the same. It is read beforehand: what a subquery
/// answers is not known, either, when a statement is planned.
fn run_of(comparison: &str, order: &str) -> String {
    format!(
        "BEGIN
             DECLARE here bigint DEFAULT (SELECT run_after FROM late_line WHERE account_id = of_account AND version = of_version);
             RETURN (
                 SELECT version FROM late_line WHERE account_id = of_account AND run_after {comparison} here
                 ORDER BY run_after {order}, version {order} LIMIT 1
             );
         END"
    )
}

/// The version of the first or the last late line of an account after one place and up to another, by instant and version.
fn place(order: &str) -> String {
    let effect = |side: &str, other: &str| {
        format!(
            "(SELECT effect FROM entry_line WHERE {side}_account_id = of_account AND {side}_version = late.version
                AND (of_side IS NULL OR of_side <> '{other}'))"
        )
    };
    let effect = format!(
        "COALESCE({}, {})",
        effect("debit", "credit"),
        effect("credit", "debit")
    );
    format!(
        "RETURN (SELECT late.version FROM late_place AS late WHERE late.account_id = of_account
             AND late.effective_at >= from_at AND (late.effective_at > from_at OR late.version > from_version)
             AND late.effective_at <= to_at AND (late.effective_at < to_at OR late.version <= to_version)
             AND (effects IS NULL AND (of_side IS NULL OR {effect} IS NOT NULL) OR FIND_IN_SET({effect}, effects))
          ORDER BY late.effective_at {order}, late.version {order} LIMIT 1)"
    )
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = String::new();
        for (name, parameters, body) in functions() {
            sql += &format!(
                "CREATE FUNCTION {name} ({parameters}) RETURNS bigint DETERMINISTIC READS SQL DATA SQL SECURITY INVOKER {body};\n"
            );
        }
        run(manager, &sql).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let names = functions();
        let drops: Vec<_> = names
            .iter()
            .map(|(name, ..)| format!("DROP FUNCTION {name};"))
            .collect();
        run(manager, &drops.concat()).await
    }
}
