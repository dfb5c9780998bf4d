//! Which files were imported: each once.

use super::{input, insert_once};
use daybook_entity::import;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait};

/// Records that this transaction imports a file. Answers the earlier import instead, if a file with the same contents was imported.
///
/// Waits for another transaction that records the same file: if that commits, it is the earlier import.
///
/// # Errors
/// When the database fails.
pub async fn record_import(
    db: &impl ConnectionTrait,
    mut import: import::Model,
) -> Result<Option<import::Model>, DbErr> {
    import.imported_at = input::microseconds(import.imported_at);
    let earlier = import::Entity::find_by_id(&import.sha256).one(db).await?;
    if earlier.is_some() {
        return Ok(earlier);
    }
    if insert_once::insert_once(db, &import, &[import::Column::Sha256]).await? {
        return Ok(None);
    }
    let earlier = import::Entity::find_by_id(&import.sha256).one(db).await?;
    earlier.map_or(Err(DbErr::RecordNotInserted), |it| Ok(Some(it)))
}
