//! Reads endpoints, what they choose, and what could not be delivered to them.

use crate::ledger::{EventKind, sql::Sql};
use daybook_entity::{account, webhook, webhook_dead_letter};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult as _, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::HashMap;
use uuid::Uuid;

/// All endpoints, oldest first: at most [`MOST_WEBHOOKS`](super::MOST_WEBHOOKS).
///
/// # Errors
/// When the database fails.
pub async fn webhooks(db: &impl ConnectionTrait) -> Result<Vec<webhook::Model>, DbErr> {
    let all = webhook::Entity::find().order_by_asc(webhook::Column::Id);
    all.all(db).await
}

/// The endpoint with this id.
///
/// # Errors
/// When the database fails.
pub async fn webhook(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<webhook::Model>, DbErr> {
    webhook::Entity::find_by_id(id).one(db).await
}

/// The kinds of events that an endpoint is told.
#[must_use]
pub fn webhook_kinds(webhook: &webhook::Model) -> Vec<EventKind> {
    let names: Vec<_> = webhook.events.split(' ').collect();
    let kinds = super::change::KINDS.into_iter();
    let chosen = kinds.filter(|(_, name)| names.contains(name));
    chosen.map(|(kind, _)| kind).collect()
}

/// The accounts that each of these endpoints chooses, by code. One that chooses none is told of all, and is not in the map.
///
/// # Errors
/// When the database fails.
pub async fn accounts_of_webhooks(
    db: &impl ConnectionTrait,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<account::Model>>, DbErr> {
    let mut chosen: HashMap<Uuid, Vec<account::Model>> = HashMap::new();
    if ids.is_empty() {
        return Ok(chosen);
    }
    let ids = Sql::join(ids.iter().map(|id| Sql::new("?").bind(*id)), ", ");
    let all = Sql::new(
        "SELECT webhook_account.webhook_id, account.* FROM webhook_account
         JOIN account ON account.id = webhook_account.account_id WHERE webhook_account.webhook_id IN (",
    )
    .and(ids)
    .then(") ORDER BY account.code");
    for row in db.query_all_raw(all.statement(db)).await? {
        let accounts = chosen.entry(row.try_get("", "webhook_id")?).or_default();
        accounts.push(account::Model::from_query_result(&row, "")?);
    }
    Ok(chosen)
}

/// At most `limit` of the events that could not be delivered to an endpoint, after number `after`, in their order.
///
/// # Errors
/// When the database fails.
pub async fn dead_letters(
    db: &impl ConnectionTrait,
    id: Uuid,
    after: i64,
    limit: u64,
) -> Result<Vec<webhook_dead_letter::Model>, DbErr> {
    webhook_dead_letter::Entity::find()
        .filter(webhook_dead_letter::Column::WebhookId.eq(id))
        .filter(webhook_dead_letter::Column::Seq.gt(after))
        .order_by_asc(webhook_dead_letter::Column::Seq)
        .limit(limit)
        .all(db)
        .await
}

/// How many events could not be delivered to an endpoint.
///
/// # Errors
/// When the database fails.
pub async fn count_dead_letters(db: &impl ConnectionTrait, id: Uuid) -> Result<u64, DbErr> {
    webhook_dead_letter::Entity::find()
        .filter(webhook_dead_letter::Column::WebhookId.eq(id))
        .count(db)
        .await
}
