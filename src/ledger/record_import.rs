//! Which files were imported: each once.

use super::input;
use daybook_entity::import;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, TryInsertResult};

/// Records that a file is being imported in this transaction, unless one with the same contents was before, which is then the answer.
///
/// Another transaction that records the same file is waited for: it was before if it commits, and was not if it does not.
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
    // Not a plain INSERT: the unique violation of the second of two at once would end the transaction.
    let sha256 = import.sha256.clone();
    let inserted = import::Entity::insert(import.into_active_model())
        .on_conflict_do_nothing_on([import::Column::Sha256])
        .exec_without_returning(db)
        .await?;
    if matches!(inserted, TryInsertResult::Inserted(1..)) {
        return Ok(None);
    }
    let earlier = import::Entity::find_by_id(sha256).one(db).await?;
    earlier.map_or(Err(DbErr::RecordNotInserted), |it| Ok(Some(it)))
}
