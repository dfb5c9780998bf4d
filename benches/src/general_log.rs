//! What somebody sends to MariaDB for one operation: by the server's general log.

use anyhow::Result;
use sqlx::{Connection as _, MySqlConnection, Row as _};

use crate::mariadb::Sent;

/// The log, while it is on.
#[derive(Debug)]
pub struct Log {
    connection: MySqlConnection,
    /// What triggers do, which is logged as if it had been sent.
    triggers: Vec<String>,
}

/// What one connection was sent.
#[derive(Debug, Default)]
pub struct Logged {
    /// The text that set the session.
    pub session: String,
    /// The rest.
    pub sent: Vec<Sent>,
}

impl Log {
    /// Begins to log. This costs the server time, so nothing is measured meanwhile.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn begin(url: &str) -> Result<Self> {
        let mut connection = MySqlConnection::connect(url).await?;
        for sql in [
            "SET GLOBAL general_log = 0",
            "SET GLOBAL log_output = 'TABLE'",
            "TRUNCATE TABLE mysql.general_log",
            "SET GLOBAL general_log = 1",
        ] {
            sqlx::raw_sql(sql).execute(&mut connection).await?;
        }
        let triggers = "SELECT ACTION_STATEMENT FROM information_schema.TRIGGERS";
        let triggers = sqlx::raw_sql(triggers).fetch_all(&mut connection).await?;
        let triggers = triggers.iter().map(|row| row.try_get_unchecked(0));
        let triggers = triggers.map(|body| body.map(|body: String| one_line(&body)));
        let triggers = triggers.collect::<Result<_, _>>()?;
        Ok(Self {
            connection,
            triggers,
        })
    }

    /// What was logged of each connection so far, in the order in which they came.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn read(&mut self) -> Result<Vec<Logged>> {
        let rows = sqlx::raw_sql(
            "SELECT thread_id, command_type, CAST(argument AS BINARY) FROM mysql.general_log WHERE thread_id <> CONNECTION_ID()",
        )
        .fetch_all(&mut self.connection)
        .await?;
        let mut threads: Vec<(i64, Logged, Vec<String>)> = Vec::new();
        for row in rows {
            let thread: i64 = row.try_get_unchecked(0)?;
            let command: String = row.try_get_unchecked(1)?;
            let argument: Vec<u8> = row.try_get_unchecked(2)?;
            let text = String::from_utf8_lossy(&argument);
            let text = one_line(&text);
            let at = threads.iter().position(|(id, ..)| *id == thread);
            let at = at.unwrap_or_else(|| {
                threads.push((thread, Logged::default(), Vec::new()));
                threads.len() - 1
            });
            let (_, logged, prepared) = &mut threads[at];
            match command.as_str() {
                "Query" if logged.session.is_empty() && text.starts_with("SET NAMES") => {
                    logged.session = text;
                }
                "Query" if self.triggers.iter().any(|body| body.contains(&text)) => {}
                "Query" => logged.sent.push(Sent::Text(text)),
                "Prepare" => prepared.push(text),
                "Execute" => {
                    // Of a connection that is older than the log, it is not known.
                    let statement = prepared.iter().rev().find(|one| could_be(&text, one));
                    logged.sent.extend(statement.cloned().map(Sent::Prepared));
                }
                _ => {}
            }
        }
        Ok(threads.into_iter().map(|(_, logged, _)| logged).collect())
    }

    /// Ends the log.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn end(mut self) -> Result<()> {
        sqlx::raw_sql("SET GLOBAL general_log = 0")
            .execute(&mut self.connection)
            .await?;
        self.connection.close().await?;
        Ok(())
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a statement is this prepared one with something for each `?`.
fn could_be(executed: &str, prepared: &str) -> bool {
    let mut rest = executed;
    let mut parts = prepared.split('?');
    let Some(after) = parts.next().and_then(|first| rest.strip_prefix(first)) else {
        return false;
    };
    rest = after;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}
