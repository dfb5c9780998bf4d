//! What a statement reads, and the statistics by which engines decide that.

use super::book::Book;
use daybook_test_harness::Engine;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Values};

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
        let backend = self.db.get_database_backend();
        let mut counts = Vec::new();
        // One connection: the counts are those of its session.
        let read = self.write(async |tx| {
            for statement in [None, Some(statement)] {
                if let Some(statement) = statement {
                    tx.query_all_raw(statement).await?;
                }
                let status =
                    Statement::from_string(backend, "SHOW SESSION STATUS LIKE 'Handler_read%'");
                let rows = tx.query_all_raw(status).await?;
                let count = |row: &QueryResult| {
                    row.try_get_by_index::<String>(1)
                        .unwrap()
                        .parse::<u64>()
                        .unwrap()
                };
                counts.push(rows.iter().map(count).sum::<u64>());
            }
            Ok::<_, DbErr>(())
        });
        read.await.unwrap();
        counts[1] - counts[0]
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
