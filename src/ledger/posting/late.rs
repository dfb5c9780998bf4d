//! What is written in addition for a *late* line: one that counts from an earlier instant than a line before it on the same account.
//!
//! The account's row is locked, so what is read here does not change, and nobody else writes these buckets.

use super::error::PostEntryError;
use super::movement::out_of_range;
use super::rows::Change;
use super::together;
use crate::ledger::history::buckets;
use chrono::{DateTime, Utc};
use daybook_entity::{account, entry, late_line, late_total};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What history needs of the late lines of the entries that were written. Most entries have none, and then nothing is written.
#[derive(Default)]
pub(super) struct Late {
    /// Up to where each account's late lines are summed up.
    sums: BTreeMap<Uuid, late_line::Model>,
    lines: Vec<late_line::Model>,
    totals: BTreeMap<(Uuid, i32, i64), late_total::Model>,
}

impl Late {
    /// Adds those of an entry that left `accounts` as they are.
    pub(super) async fn add(
        &mut self,
        db: &impl ConnectionTrait,
        entry: &entry::Model,
        accounts: &BTreeMap<Uuid, account::Model>,
        changes: &[Change],
    ) -> Result<(), PostEntryError> {
        let failed = |source| PostEntryError::Database {
            entry_id: entry.id,
            source,
        };
        for account in accounts.values() {
            let Some(latest) = account
                .latest_effective_at
                .filter(|latest| *latest > entry.effective_at)
            else {
                continue;
            };
            let before = match self.sums.remove(&account.id) {
                Some(sum) => sum,
                None => {
                    let last = last(db, account.id).await.map_err(failed)?;
                    last.unwrap_or_else(|| none(account.id, latest))
                }
            };
            let mut sum = before.clone();
            let changes = changes
                .iter()
                .filter(|change| change.account_id == account.id);
            for change in changes {
                add(&mut sum, change).ok_or_else(|| out_of_range(account))?;
                sum.latest_effective_at = latest;
                self.lines.push(sum.clone());
            }
            self.add_to_totals(entry, &before, &sum);
            self.sums.insert(account.id, sum);
        }
        Ok(())
    }

    fn add_to_totals(
        &mut self,
        entry: &entry::Model,
        before: &late_line::Model,
        after: &late_line::Model,
    ) {
        if after.lines == before.lines {
            return;
        }
        for (level, bucket) in buckets(entry.effective_at) {
            let key = (after.account_id, level, bucket);
            let total = self.totals.entry(key).or_insert(late_total::Model {
                account_id: after.account_id,
                level,
                bucket,
                lines: 0,
                posted: 0,
                debits_pending: 0,
                credits_pending: 0,
            });
            total.lines += after.lines - before.lines;
            total.posted += after.posted - before.posted;
            total.debits_pending += after.debits_pending - before.debits_pending;
            total.credits_pending += after.credits_pending - before.credits_pending;
        }
    }

    pub(super) async fn write(self, db: &impl ConnectionTrait) -> Result<(), DbErr> {
        if self.lines.is_empty() {
            return Ok(());
        }
        // One after the other: the database adds them up in their order (`late_place`).
        for lines in self.lines.chunks(together::ROWS) {
            together::execute(db, together::inserts(lines).collect()).await?;
        }
        add_to_totals(db, self.totals.into_values().collect()).await
    }
}

fn none(account_id: Uuid, latest_effective_at: DateTime<Utc>) -> late_line::Model {
    late_line::Model {
        account_id,
        version: 0,
        latest_effective_at,
        lines: 0,
        posted: 0,
        debits_pending: 0,
        credits_pending: 0,
        held: 0,
    }
}

async fn last(
    db: &impl ConnectionTrait,
    account_id: Uuid,
) -> Result<Option<late_line::Model>, DbErr> {
    late_line::Entity::find()
        .filter(late_line::Column::AccountId.eq(account_id))
        .order_by_desc(late_line::Column::Version)
        .one(db)
        .await
}

/// `None` when the sums of what late lines have set aside and freed no longer fit. The sums of what they posted fit, as part of totals
/// that do.
fn add(sum: &mut late_line::Model, change: &Change) -> Option<()> {
    let held = change.debits_pending.abs() + change.credits_pending.abs();
    sum.version = change.version;
    sum.lines += 1;
    sum.posted += change.posted;
    sum.held = sum.held.checked_add(held)?;
    sum.debits_pending += change.debits_pending;
    sum.credits_pending += change.credits_pending;
    Some(())
}

async fn add_to_totals(
    db: &impl ConnectionTrait,
    totals: Vec<late_total::Model>,
) -> Result<(), DbErr> {
    use late_total::Column;
    let mut on_conflict = OnConflict::columns([Column::AccountId, Column::Level, Column::Bucket]);
    for column in [
        Column::Lines,
        Column::Posted,
        Column::DebitsPending,
        Column::CreditsPending,
    ] {
        let added: Expr = match db.get_database_backend() {
            DbBackend::MySql => Func::cust("VALUES").arg(Expr::col(column)).into(),
            _ => Expr::col((Alias::new("excluded"), column)),
        };
        on_conflict.value(column, Expr::col((late_total::Entity, column)).add(added));
    }
    // Within every engine's number of parameters: an entry touches at most two thousand accounts.
    for totals in totals.chunks(1000) {
        let totals = totals
            .iter()
            .cloned()
            .map(IntoActiveModel::into_active_model);
        late_total::Entity::insert_many(totals)
            .on_conflict(on_conflict.clone())
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}
