//! What a statement reads, and the statistics by which engines decide that.

use super::book::Book;
use super::sent::Sent;
use daybook_test_harness::Engine;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement, Values};

impl Book {
    /// The plan of a statement, or of each of several in one text.
    pub(crate) async fn plan(&self, statement: Statement) -> String {
        let Statement { sql, values, .. } = statement;
        let (explain, column) = match self.engine {
            Engine::MariaDb => return self.plan_of_mariadb(&sql, values).await,
            Engine::Sqlite => ("EXPLAIN QUERY PLAN", 3),
            Engine::Postgres => ("EXPLAIN", 0),
        };
        let statement = Statement::from_sql_and_values(
            self.db.get_database_backend(),
            format!("{explain} {}", sql.replace("; ", &format!("; {explain} "))),
            values.unwrap(),
        );
        let rows = self.db.query_all_raw(statement).await.unwrap();
        let lines: Vec<String> = rows
            .iter()
            .map(|row| row.try_get_by_index(column).unwrap())
            .collect();
        lines.join("\n")
    }

    /// In SQLite's words: `SCAN` for a table, or an index, that is read whole.
    async fn plan_of_mariadb(&self, sql: &str, values: Option<Values>) -> String {
        let backend = self.db.get_database_backend();
        let explain = format!("EXPLAIN {sql}");
        let statement = match values {
            Some(values) => Statement::from_sql_and_values(backend, explain, values),
            None => Statement::from_string(backend, explain),
        };
        let rows = self.db.query_all_raw(statement).await.unwrap();
        let lines = rows.iter().map(|row| {
            let text = |column| row.try_get::<Option<String>>("", column).unwrap();
            let [table, how, key, extra] = ["table", "type", "key", "Extra"].map(text);
            let table = table.unwrap_or_default();
            match (how.as_deref(), key) {
                (Some("ALL"), _)
                    if extra
                        .as_deref()
                        .is_some_and(|it| it.starts_with("Range checked")) =>
                {
                    format!("SEARCH {table} {}", extra.unwrap_or_default())
                }
                (Some("index"), Some(key)) => format!("SCAN {table} USING {key}"),
                (Some("ALL" | "index"), _) => format!("SCAN {table}"),
                (Some(how), Some(key)) => format!("SEARCH {table} USING {key} ({how})"),
                _ => extra.unwrap_or_default(),
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// How many rows MariaDB reads for a statement, of tables and indexes, also in functions.
    pub(crate) async fn rows_read(&self, statement: Statement) -> u64 {
        self.rows_read_by(async |tx| tx.query_all_raw(statement).await.map(drop))
            .await
    }

    /// As [`Self::rows_read`], of all statements that `read` sends.
    pub(crate) async fn rows_read_by(
        &self,
        read: impl AsyncFnOnce(&Sent<DatabaseTransaction>) -> Result<(), DbErr>,
    ) -> u64 {
        // One connection: the counts are those of its session.
        let counts = self.write(async |tx| {
            let before = handler_reads(tx).await?;
            read(tx).await?;
            Ok::<_, DbErr>((before, handler_reads(tx).await?))
        });
        let (before, after) = counts.await.unwrap();
        after - before
    }

    /// Gives the engine statistics of all tables.
    pub(crate) async fn analyze(&self) {
        let analyze = match self.engine {
            Engine::MariaDb => {
                let tables = "SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
                let tables = Statement::from_string(self.db.get_database_backend(), tables);
                let tables = self.db.query_one_raw(tables).await.unwrap().unwrap();
                let tables: String = tables.try_get_by_index(0).unwrap();
                format!("ANALYZE TABLE {tables}")
            }
            Engine::Sqlite | Engine::Postgres => "ANALYZE".to_owned(),
        };
        self.db.execute_unprepared(&analyze).await.unwrap();
    }
}

/// How many rows the session has read so far, on MariaDB.
async fn handler_reads(tx: &Sent<DatabaseTransaction>) -> Result<u64, DbErr> {
    let status = "SHOW SESSION STATUS LIKE 'Handler_read%'";
    let status = Statement::from_string(tx.get_database_backend(), status);
    let rows = tx.query_all_raw(status).await?;
    let count = |row: &QueryResult| {
        let count: String = row.try_get_by_index(1).unwrap();
        count.parse::<u64>().unwrap()
    };
    Ok(rows.iter().map(count).sum())
}
