//! Statements that need nothing of each other's results: one round trip where the engine can.

use sea_orm::sea_query::{Alias, CommonTableExpression, SubQueryStatement, WithQuery};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, ModelTrait, QueryTrait,
};

/// Rows of one INSERT: within every engine's number of parameters.
const ROWS: usize = 1000;

/// The statements that insert these rows; none where there are none.
pub(super) fn inserts<M>(rows: &[M]) -> impl Iterator<Item = SubQueryStatement>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
{
    rows.chunks(ROWS).map(|rows| {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        M::Entity::insert_many(rows).into_query().into()
    })
}

/// Executes them: on PostgreSQL as one statement, whose foreign keys are checked at its end; elsewhere in their order.
///
/// None may read what another writes.
pub(super) async fn execute(
    db: &impl ConnectionTrait,
    mut statements: Vec<SubQueryStatement>,
) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        for statement in statements {
            execute_one(db, statement).await?;
        }
        return Ok(());
    }
    let Some(last) = statements.pop() else {
        return Ok(());
    };
    if statements.is_empty() {
        return execute_one(db, last).await;
    }
    // Not `WithClause::query`, which copies all that is in the clause.
    let mut with = WithQuery::new();
    for (statement, number) in statements.into_iter().zip(1..) {
        let mut part = CommonTableExpression::new();
        part.table_name(Alias::new(format!("part_{number}")))
            .query(statement);
        with.cte(part);
    }
    db.execute(with.query(last)).await?;
    Ok(())
}

async fn execute_one(db: &impl ConnectionTrait, statement: SubQueryStatement) -> Result<(), DbErr> {
    match statement {
        SubQueryStatement::InsertStatement(insert) => db.execute(&insert).await?,
        SubQueryStatement::UpdateStatement(update) => db.execute(&update).await?,
        SubQueryStatement::DeleteStatement(delete) => db.execute(&delete).await?,
        SubQueryStatement::SelectStatement(select) => db.execute(&select).await?,
        SubQueryStatement::WithStatement(with) => db.execute(&with).await?,
    };
    Ok(())
}
