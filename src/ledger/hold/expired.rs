//! Holds that have expired, and that nobody has released.

use super::{HoldError, ReleaseHold, release_hold};
use crate::ledger::{Clock, EntryNotes, PostedEntry, new_entry_id, random};
use chrono::{DateTime, Utc};
use daybook_entity::{EntryKind, entry};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

/// At most `limit` holds that expired from `since` to `now` and are not resolved, the oldest first: one statement, by index.
///
/// # Errors
/// When the database fails.
pub async fn expired_holds(
    db: &impl ConnectionTrait,
    since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Uuid>, DbErr> {
    let found = find_expired_holds(db, since, None, now, limit).await?;
    Ok(found.into_iter().map(|hold| hold.id).collect())
}

/// A hold that has expired, and that nobody has released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiredHold {
    /// When it expired.
    pub expires_at: DateTime<Utc>,
    /// Its entry.
    pub id: Uuid,
}

/// As [`expired_holds`], page after page: those that come after one that was found before.
///
/// # Errors
/// When the database fails.
pub async fn find_expired_holds(
    db: &impl ConnectionTrait,
    since: Option<DateTime<Utc>>,
    after: Option<ExpiredHold>,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<ExpiredHold>, DbErr> {
    let resolver = Alias::new("resolver");
    let resolved = Query::select()
        .expr(Expr::val(1))
        .from_as(entry::Entity, resolver.clone())
        .and_where(
            Expr::col((resolver.clone(), entry::Column::ResolvesId))
                .eq(Expr::col((entry::Entity, entry::Column::Id))),
        )
        .and_where(Expr::col((resolver, entry::Column::LeavesRest)).eq(false))
        .to_owned();
    let mut expired = entry::Entity::find()
        .select_only()
        .column(entry::Column::ExpiresAt)
        .column(entry::Column::Id)
        .filter(entry::Column::Kind.eq(EntryKind::Hold))
        .filter(entry::Column::ExpiresAt.is_not_null())
        .filter(entry::Column::ExpiresAt.lte(now))
        .filter(Expr::exists(resolved).not());
    if let Some(since) = since {
        expired = expired.filter(entry::Column::ExpiresAt.gte(since));
    }
    if let Some(after) = after {
        let place = Expr::tuple([
            Expr::col(entry::Column::ExpiresAt),
            Expr::col(entry::Column::Id),
        ]);
        let last = Expr::tuple([Expr::value(after.expires_at), Expr::value(after.id)]);
        expired = expired.filter(place.gt(last));
    }
    let found: Vec<(DateTime<Utc>, Uuid)> = expired
        .order_by_asc(entry::Column::ExpiresAt)
        .order_by_asc(entry::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let found = found.into_iter();
    Ok(found
        .map(|(expires_at, id)| ExpiredHold { expires_at, id })
        .collect())
}

/// Releases a hold because it has expired; `None` when somebody else was faster.
///
/// # Errors
/// When the database fails. The transaction must then be rolled back.
pub async fn release_expired_hold(
    db: &impl ConnectionTrait,
    hold_id: Uuid,
    clock: &Clock,
) -> Result<Option<PostedEntry>, HoldError> {
    let command = ReleaseHold {
        id: new_entry_id(clock.now(), random()),
        hold_id,
        amounts: None,
        notes: EntryNotes {
            description: Some("The hold has expired".to_owned()),
            ..EntryNotes::default()
        },
    };
    match release_hold(db, command, clock).await {
        Ok(posted) => Ok(Some(posted)),
        Err(HoldError::AlreadyResolved { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
