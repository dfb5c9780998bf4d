//! Writes what describes an account anew. The database keeps each state as a revision (`account_change`), and tells the feed.

use super::{Clock, input};
use daybook_entity::account;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter};

/// Writes name, class, limits, status and metadata of an account that is [locked](super::locking::account), as its next revision: one
/// statement.
pub(super) async fn revise(
    db: &impl ConnectionTrait,
    account: account::Model,
    recorded_by: Option<String>,
    clock: &Clock,
) -> Result<account::Model, DbErr> {
    use account::Column;
    // The clock is read under the lock, so that revisions are recorded in their order.
    let now = input::microseconds(clock.now());
    // What the row is then, for MariaDB, which does not return it.
    let next = account::Model {
        revision: account.revision + 1,
        revised_at: Some(now),
        revised_by: recorded_by.clone(),
        ..account.clone()
    };
    let revised = account::Entity::update_many()
        .col_expr(Column::Name, Expr::value(account.name))
        .col_expr(Column::Class, Expr::value(account.class))
        .col_expr(Column::LimitPolicy, Expr::value(account.limit_policy))
        .col_expr(Column::MinBalance, Expr::value(account.min_balance))
        .col_expr(Column::MaxBalance, Expr::value(account.max_balance))
        .col_expr(Column::Status, Expr::value(account.status))
        .col_expr(Column::Metadata, Expr::value(account.metadata))
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .col_expr(Column::RevisedAt, Expr::value(now))
        .col_expr(Column::RevisedBy, Expr::value(recorded_by))
        .filter(Column::Id.eq(account.id))
        // Where the caller's connection is in no transaction, and so holds no lock, the second of two that race changes nothing.
        .filter(Column::Revision.eq(account.revision));
    if db.get_database_backend() == DbBackend::MySql {
        let changed = revised.exec(db).await?.rows_affected;
        return (changed == 1)
            .then_some(next)
            .ok_or(DbErr::RecordNotUpdated);
    }
    let revised = revised.exec_with_returning(db).await?;
    revised.into_iter().next().ok_or(DbErr::RecordNotUpdated)
}
