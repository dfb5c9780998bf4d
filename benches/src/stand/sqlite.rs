//! On a SQLite file.

use std::{fs::File, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Result;
use tempfile::TempDir;

use super::{PATH, migrate, postgres::served, program, serve, verify};
use crate::{
    arguments::Arguments,
    data::Size,
    http,
    process::Server,
    rounds::{self, Outcome, Subject},
    sqlite::{self, Script},
    workload::Workload,
};

/// A SQLite file with a loaded ledger, and the server on it.
pub struct SqliteStand {
    daybook: Server,
    folder: TempDir,
    program: PathBuf,
    size: Size,
    ids: Arc<Vec<String>>,
    entries: u64,
    runs: u64,
}

impl SqliteStand {
    /// Migrates and loads a file, and starts the server.
    ///
    /// # Errors
    /// When one of these fails.
    pub async fn build(arguments: &Arguments) -> Result<Self> {
        let size = arguments.size()?;
        let program = program(arguments)?;
        let folder = TempDir::with_prefix("daybook-bench.")?;
        let file = folder.path().join("bench.db");
        let url = format!("sqlite://{}?mode=rwc", file.display());
        migrate(&program, &url)?;
        sqlite::load(&file, size)?;
        let stand = Self {
            daybook: serve(&program, &url, &[])?,
            folder,
            program,
            size,
            ids: Arc::new(size.public_ids()?),
            entries: size.lines,
            runs: 0,
        };
        stand.verify().await?;
        Ok(stand)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("bench.db")
    }

    fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.file().display())
    }

    /// Recomputes the ledger, and counts what should be there.
    ///
    /// # Errors
    /// When it does not add up.
    pub async fn verify(&self) -> Result<()> {
        verify(&self.program, &self.url(), self.size, self.entries).await
    }

    /// The statements that the server runs for one operation, from its own log (which leaves BEGIN and COMMIT out).
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn statements(&mut self, workload: Workload) -> Result<Vec<String>> {
        let log = self.folder.path().join("log");
        let url = self.url();
        let server = Server::start_logging(
            &self.program,
            &[
                "--listen",
                "127.0.0.1:0",
                "--database",
                &url,
                "--log",
                "sqlx=trace",
                "--log-format",
                "json",
                "--no-migrate",
            ],
            File::create(&log)?,
        )?;
        let body = workload.body(self.size, &self.ids);
        let mut statements = Vec::new();
        // The first time prepares the statements, and may find out what kind of operation it is.
        for _ in 0..3 {
            let before = sqlite::logged(&log)?.len();
            let mut request = Vec::new();
            body(&mut fastrand::Rng::new(), &mut request);
            http::ask(server.address, PATH, &String::from_utf8(request)?).await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
            statements = sqlite::logged(&log)?.split_off(before);
            if workload.posts() {
                self.entries += 1;
            }
        }
        Ok(statements)
    }

    /// Measures one workload.
    ///
    /// # Errors
    /// When anybody fails, or an answer is wrong.
    pub fn measure(
        &mut self,
        workload: Workload,
        statements: &[String],
        connections: usize,
        arguments: &Arguments,
    ) -> Result<Outcome> {
        let body = workload.body(self.size, &self.ids);
        let script = Script::new(workload, self.size, statements)?;
        let file = self.file();
        let direct = Subject {
            name: "C library",
            server: None,
            load: Box::new(|_, duration, run| script.load(&file, run, duration)),
        };
        let daybook = served("daybook", &self.daybook, arguments.pace(), &body);
        let name = format!("{} on SQLite", workload.name());
        let mut runs = self.runs;
        let outcome = rounds::measure(
            &name,
            &[direct, daybook],
            connections,
            None,
            &mut runs,
            arguments,
        )?;
        self.runs = runs;
        if workload.posts() {
            self.entries += outcome.answered.iter().sum::<u64>();
        }
        Ok(outcome)
    }
}
