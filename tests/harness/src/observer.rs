//! A connection beside the one under test.

use std::time::Duration;

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Row, raw_sql};
use tokio::sync::Mutex;

use crate::{Engine, PATIENCE};

/// One connection of its own to a [`TestDatabase`](crate::TestDatabase), which therefore sees only what others have
/// committed.
///
/// Statements go out as they are, unprepared, and nothing begins by itself: `execute("BEGIN")` opens a transaction that
/// lasts until `execute("COMMIT")` or `execute("ROLLBACK")`.
#[derive(Debug)]
pub struct Observer {
    connection: Mutex<Link>,
    engine: Engine,
}

#[derive(Debug)]
enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
}

impl Observer {
    /// Connects to a database that is not a [`TestDatabase`](crate::TestDatabase)'s own.
    ///
    /// # Panics
    ///
    /// When it cannot connect.
    pub async fn connect(engine: Engine, url: &str) -> Self {
        let link = match engine {
            Engine::Sqlite => {
                let options: SqliteConnectOptions = url.parse().expect("a SQLite URL");
                SqliteConnection::connect_with(&options.busy_timeout(PATIENCE))
                    .await
                    .map(Link::Sqlite)
            }
            Engine::Postgres => PgConnection::connect(url).await.map(Link::Postgres),
            Engine::MariaDb => MySqlConnection::connect(url).await.map(Link::MariaDb),
        };
        let link =
            link.unwrap_or_else(|error| panic!("the observer cannot connect to {url}: {error}"));
        let observer = Self {
            connection: Mutex::new(link),
            engine,
        };
        if engine == Engine::MariaDb {
            // By default, rows after the thousandth are left out.
            observer
                .execute("SET max_recursive_iterations = 4294967295")
                .await;
        }
        observer
    }

    /// A connection to a PostgreSQL server that may not be ready.
    ///
    /// # Errors
    ///
    /// When it does not take connections.
    pub async fn try_connect(url: &str) -> Result<Self, sqlx::Error> {
        let connection = PgConnection::connect(url).await?;
        Ok(Self {
            connection: Mutex::new(Link::Postgres(connection)),
            engine: Engine::Postgres,
        })
    }

    /// The engine of the database.
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Runs one or several statements and returns the number of rows they changed.
    ///
    /// # Panics
    ///
    /// When a statement fails.
    pub async fn execute(&self, sql: &str) -> u64 {
        self.try_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs one or several statements and returns the number of rows they changed.
    ///
    /// # Errors
    ///
    /// When a statement fails: for tests that expect a lock or a constraint to refuse it.
    pub async fn try_execute(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = raw_sql(AssertSqlSafe(sql));
        match &mut *self.connection.lock().await {
            Link::Sqlite(link) => Ok(sql.execute(link).await?.rows_affected()),
            Link::Postgres(link) => Ok(sql.execute(link).await?.rows_affected()),
            Link::MariaDb(link) => Ok(sql.execute(link).await?.rows_affected()),
        }
    }

    /// The single value that `sql` selects, as a whole number.
    ///
    /// # Panics
    ///
    /// When `sql` fails, or does not select exactly one row with a whole number.
    pub async fn i64(&self, sql: &str) -> i64 {
        let text = self.text(sql).await;
        text.parse()
            .unwrap_or_else(|_| panic!("{sql}: not a whole number: {text}"))
    }

    /// The single value that `sql` selects, as the engine writes it.
    ///
    /// # Panics
    ///
    /// When `sql` fails, or does not select exactly one row, or selects NULL.
    pub async fn text(&self, sql: &str) -> String {
        let mut texts = self.texts(sql).await;
        assert!(
            texts.len() == 1,
            "{sql}: {} rows where one was expected",
            texts.len()
        );
        texts
            .remove(0)
            .unwrap_or_else(|| panic!("{sql}: selected NULL"))
    }

    /// The value that `sql` selects: `None` where it selects no row, or NULL.
    ///
    /// # Panics
    ///
    /// When `sql` fails, or selects several rows.
    pub async fn optional_text(&self, sql: &str) -> Option<String> {
        let mut texts = self.texts(sql).await;
        assert!(
            texts.len() <= 1,
            "{sql}: {} rows where at most one was expected",
            texts.len()
        );
        texts.pop().flatten()
    }

    /// The first column of every row that `sql` selects, in order.
    ///
    /// # Panics
    ///
    /// When `sql` fails.
    pub async fn texts(&self, sql: &str) -> Vec<Option<String>> {
        self.column(sql, 0).await
    }

    /// As [`Self::texts`], another column.
    ///
    /// # Panics
    ///
    /// When `sql` fails.
    pub async fn column(&self, sql: &str, at: usize) -> Vec<Option<String>> {
        let mut sql = sql.to_owned();
        if self.engine == Engine::MariaDb {
            // The type of a CAST has another name there.
            sql = sql.replace(" AS text)", " AS char)");
        }
        let sql = sql.as_str();
        let query = raw_sql(AssertSqlSafe(sql));
        // Unchecked, because every type has a text: SQLite converts it, and PostgreSQL answers a simple query in text.
        let texts: Result<Vec<_>, _> = match &mut *self.connection.lock().await {
            Link::Sqlite(link) => query
                .fetch_all(link)
                .await
                .and_then(|rows| rows.iter().map(|row| row.try_get_unchecked(at)).collect()),
            Link::Postgres(link) => query
                .fetch_all(link)
                .await
                .and_then(|rows| rows.iter().map(|row| row.try_get_unchecked(at)).collect()),
            Link::MariaDb(link) => query
                .fetch_all(link)
                .await
                .and_then(|rows| rows.iter().map(|row| row.try_get_unchecked(at)).collect()),
        };
        texts.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Bounds how long this connection's statements wait for the locks of others: at first ten seconds on SQLite, for
    /// ever on PostgreSQL. Zero is no wait at all (one millisecond on PostgreSQL, where zero means for ever). MariaDB counts whole
    /// seconds.
    pub async fn lock_timeout(&self, timeout: Duration) {
        let milliseconds = timeout.as_millis();
        let sql = match &*self.connection.lock().await {
            Link::Sqlite(_) => format!("PRAGMA busy_timeout = {milliseconds}"),
            Link::Postgres(_) => format!("SET lock_timeout = {}", milliseconds.max(1)),
            Link::MariaDb(_) => {
                let seconds = milliseconds.div_ceil(1000);
                format!("SET innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}")
            }
        };
        self.execute(&sql).await;
    }

    /// Keeps everybody else from writing to a table (on SQLite, to any), until `execute("COMMIT")`.
    ///
    /// # Panics
    ///
    /// When somebody else does not let go of a lock on it.
    pub async fn hold_writers(&self, table: &str) {
        let sql = match &*self.connection.lock().await {
            Link::Sqlite(_) => "BEGIN IMMEDIATE".to_owned(),
            Link::Postgres(_) => format!("BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE"),
            // All rows, and the gaps between them.
            Link::MariaDb(_) => format!(
                "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN; SELECT * FROM {table} FOR UPDATE"
            ),
        };
        self.execute(&sql).await;
    }
}
