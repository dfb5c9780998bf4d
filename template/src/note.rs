//! What can be done with notes. Each function takes a connection: the unit of a GraphQL operation, of a webhook or of a job.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use crate::entity::note;

/// A page of at most 100 notes, in the order in which they were written.
pub async fn page(
    db: &impl ConnectionTrait,
    after: i64,
    first: u64,
) -> Result<Vec<note::Model>, DbErr> {
    note::Entity::find()
        .filter(note::Column::Id.gt(after))
        .order_by_asc(note::Column::Id)
        .limit(first.min(100))
        .all(db)
        .await
}

/// The note with this id.
pub async fn find(db: &impl ConnectionTrait, id: i64) -> Result<Option<note::Model>, DbErr> {
    note::Entity::find_by_id(id).one(db).await
}

/// Writes a note.
pub async fn write(db: &impl ConnectionTrait, text: String) -> Result<note::Model, DbErr> {
    let note = note::ActiveModel {
        text: Set(text),
        is_read: Set(false),
        ..Default::default()
    };
    note.insert(db).await
}

/// Marks a note as read. `None` if there is no such note.
pub async fn mark_read(db: &impl ConnectionTrait, id: i64) -> Result<Option<note::Model>, DbErr> {
    let Some(note) = find(db, id).await? else {
        return Ok(None);
    };
    let mut note = note.into_active_model();
    note.is_read = Set(true);
    note.update(db).await.map(Some)
}
