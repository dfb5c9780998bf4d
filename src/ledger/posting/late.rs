//! What is written beside a line that counts from an earlier instant than one before it on the same account.
//!
//! The account's row is locked by then, so what is read here does not change, and the buckets are nobody else's.

use super::error::PostEntryError;
use super::movement::out_of_range;
use super::rows::Change;
use super::together;
use crate::ledger::history::buckets;
use daybook_entity::{account, entry, late_line, late_total};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Writes what history needs of the late ones among `changes`: nothing where none is, as for most entries.
pub(super) async fn write(
    db: &impl ConnectionTrait,
    entry: &entry::Model,
    accounts: &BTreeMap<Uuid, account::Model>,
    changes: &[Change],
) -> Result<(), PostEntryError> {
    let failed = |source| PostEntryError::Database {
        entry_id: entry.id,
        source,
    };
    let (mut lines, mut totals) = (Vec::new(), Vec::new());
    for account in accounts.values() {
        let Some(latest) = account
            .latest_effective_at
            .filter(|latest| *latest > entry.effective_at)
        else {
            continue;
        };
        let changes = changes
            .iter()
            .filter(|change| change.account_id == account.id);
        let before = last(db, account.id).await.map_err(failed)?;
        let mut sum = before.clone().unwrap_or(late_line::Model {
            account_id: account.id,
            version: 0,
            latest_effective_at: latest,
            lines: 0,
            posted: 0,
            debits_pending: 0,
            credits_pending: 0,
            held: 0,
        });
        for change in changes {
            add(&mut sum, change).ok_or_else(|| out_of_range(account))?;
            sum.latest_effective_at = latest;
            lines.push(sum.clone());
        }
        let before = before.unwrap_or(late_line::Model {
            lines: 0,
            posted: 0,
            debits_pending: 0,
            credits_pending: 0,
            ..sum.clone()
        });
        totals.extend(
            buckets(entry.effective_at).map(|(level, bucket)| late_total::Model {
                account_id: account.id,
                level,
                bucket,
                lines: sum.lines - before.lines,
                posted: sum.posted - before.posted,
                debits_pending: sum.debits_pending - before.debits_pending,
                credits_pending: sum.credits_pending - before.credits_pending,
            }),
        );
    }
    totals.retain(|total| total.lines > 0);
    if lines.is_empty() {
        return Ok(());
    }
    let inserts = together::inserts(&lines).collect();
    together::execute(db, inserts).await.map_err(failed)?;
    add_to_totals(db, totals).await.map_err(failed)
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

/// `None` when what late lines have set aside and freed does not fit any more. What they posted does: it is part of totals that fit.
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
        let added = Expr::col((Alias::new("excluded"), column));
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
