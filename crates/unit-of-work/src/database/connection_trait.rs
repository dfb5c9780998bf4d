//! SeaORM's `ConnectionTrait` for whatever lends a [`Connection`](super::connection::Connection) to one statement at a time.

/// Implements `ConnectionTrait` for a type with the methods `statement` and `backend`.
macro_rules! lend_as_connection_trait {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl sea_orm::ConnectionTrait for $type {
            fn get_database_backend(&self) -> sea_orm::DbBackend {
                self.backend()
            }

            async fn execute_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> Result<sea_orm::ExecResult, sea_orm::DbErr> {
                self.statement(async |connection| connection.execute(statement).await)
                    .await
            }

            async fn execute_unprepared(
                &self,
                sql: &str,
            ) -> Result<sea_orm::ExecResult, sea_orm::DbErr> {
                self.statement(async |connection| connection.execute_unprepared(sql).await)
                    .await
            }

            async fn query_one_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> Result<Option<sea_orm::QueryResult>, sea_orm::DbErr> {
                self.statement(async |connection| connection.query_one(statement).await)
                    .await
            }

            async fn query_all_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> Result<Vec<sea_orm::QueryResult>, sea_orm::DbErr> {
                self.statement(async |connection| connection.query_all(statement).await)
                    .await
            }
        }
    };
}
pub(crate) use lend_as_connection_trait;
