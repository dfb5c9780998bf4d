//! On a private MariaDB.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use daybook_test_harness::mariadb::MariaDbServer;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, raw_sql};

use super::{PATH, migrate, postgres::served, program, serve, verify};
use crate::{
    arguments::Arguments,
    data::{self, Size},
    general_log::{Log, Logged},
    http,
    mariadb::{Client, Script, Sent, with_holes},
    process::Server,
    rounds::{self, Outcome, Subject},
    workload::Workload,
};

/// Durable, as a ledger wants it, and without a checkpoint in the middle of a round.
const SETTINGS: [(&str, &str); 6] = [
    ("debug-no-sync", "OFF"),
    ("innodb-flush-method", "fsync"),
    ("innodb-flush-log-at-trx-commit", "1"),
    ("innodb-buffer-pool-size", "1G"),
    ("innodb-log-file-size", "4G"),
    ("max-connections", "400"),
];

/// The copy of the ledger in which the client posts: it keeps no history and no feed, as the server does after COMMIT.
const COPY: &str = "copied";

/// A private MariaDB with a loaded ledger, and everything that is measured on it.
pub struct MariaDbStand {
    // The servers first: they go before the database does.
    daybook: Server,
    mariadb: MariaDbServer,
    process: u32,
    client: Client,
    program: PathBuf,
    size: Size,
    ids: Arc<Vec<String>>,
    /// Entries that the ledger should have.
    entries: u64,
    /// Entries that the copy should have.
    copied: u64,
    /// Runs so far: each has entry ids of its own.
    runs: u64,
}

impl MariaDbStand {
    /// Starts MariaDB, migrates and loads two databases, and starts the server.
    ///
    /// # Errors
    /// When one of these fails.
    pub async fn build(arguments: &Arguments) -> Result<Self> {
        let size = arguments.size()?;
        let program = program(arguments)?;
        let client = Client::build()?;
        let mariadb = tokio::task::spawn_blocking(|| MariaDbServer::start(&SETTINGS)).await?;
        let mut connection = MySqlConnection::connect(mariadb.url()).await?;
        for name in [OWN, COPY] {
            raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
                .execute(&mut connection)
                .await?;
            let url = mariadb.database_url(name);
            migrate(&program, &url)?;
            data::load_mariadb(&url, size).await?;
        }
        let file: String = sqlx::query_scalar("SELECT @@pid_file")
            .fetch_one(&mut connection)
            .await?;
        let process = std::fs::read_to_string(&file).context(file)?;
        let url = mariadb.database_url(OWN);
        let stand = Self {
            daybook: serve(&program, &url, &[])?,
            process: process.trim().parse()?,
            client,
            program,
            size,
            ids: Arc::new(size.public_ids()?),
            entries: size.lines,
            copied: size.lines,
            runs: 0,
            mariadb,
        };
        stand.verify().await?;
        Ok(stand)
    }

    /// What can be said of it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn circumstances(&self) -> Result<BTreeMap<String, String>> {
        let mut connection = MySqlConnection::connect(self.mariadb.url()).await?;
        let version: String = sqlx::query_scalar("SELECT VERSION()")
            .fetch_one(&mut connection)
            .await?;
        Ok(BTreeMap::from([("mariadb".to_owned(), version)]))
    }

    /// Recomputes the ledger, and counts what should be there: in the copy too.
    ///
    /// # Errors
    /// When it does not add up.
    pub async fn verify(&self) -> Result<()> {
        let url = self.mariadb.database_url(OWN);
        verify(&self.program, &url, self.size, self.entries).await?;
        let mut connection = MySqlConnection::connect(&self.mariadb.database_url(COPY)).await?;
        let count = "SELECT (SELECT COUNT(*) FROM entry), (SELECT COUNT(*) FROM entry_line)";
        let counted: (i64, i64) = sqlx::query_as(count).fetch_one(&mut connection).await?;
        let copied = i64::try_from(self.copied)?;
        ensure!(
            counted == (copied, copied),
            "the client should have {copied} entries and lines, and has {counted:?}"
        );
        Ok(())
    }

    /// Where the client does a workload.
    fn client_url(&self, workload: Workload) -> String {
        self.mariadb
            .database_url(if workload.posts() { COPY } else { OWN })
    }

    /// What the client runs: what the server sends for one operation, once it is warm.
    ///
    /// # Errors
    /// When the server does not answer, or the client does not send the same.
    pub async fn script(&mut self, workload: Workload) -> Result<Script> {
        let url = self.mariadb.database_url(OWN);
        let mut log = Log::begin(&url).await?;
        let server = serve(&self.program, &url, &["--max-connections", "1"])?;
        let body = workload.body(self.size, &self.ids);
        let mut sent = Logged::default();
        // The first time prepares the statements, and may find out what kind of operation it is.
        for _ in 0..3 {
            let before = quiet(&mut log).await?;
            let mut request = Vec::new();
            body(&mut fastrand::Rng::new(), &mut request);
            http::ask(server.address, PATH, &String::from_utf8(request)?).await?;
            if workload.posts() {
                self.entries += 1;
            }
            sent = grown(before, quiet(&mut log).await?, workload)?;
        }
        drop(server);
        log.end().await?;
        let script = Script::new(workload, self.size, &sent.session, &sent.sent)?;
        self.check(workload, &script).await?;
        Ok(script)
    }

    /// Runs a script, and compares what arrives with what the server sent.
    async fn check(&mut self, workload: Workload, script: &Script) -> Result<()> {
        const TIMES: u64 = 20;
        let mut log = Log::begin(self.mariadb.url()).await?;
        self.runs += 1;
        let url = self.client_url(workload);
        self.client.times(script, &url, self.runs, TIMES)?;
        if workload.posts() {
            self.copied += TIMES;
        }
        let logged = quiet(&mut log).await?;
        log.end().await?;
        let client = logged.into_iter().find(|one| !one.sent.is_empty());
        let client = client.context("the client sent nothing")?;
        let kinds = |sent: &[Sent]| -> Vec<Sent> { sent.iter().map(without_literals).collect() };
        let expected = kinds(script.sent());
        let sent = kinds(&client.sent);
        let rounds = sent.chunks(expected.len());
        ensure!(
            rounds.len() as u64 == TIMES && rounds.into_iter().all(|round| round == expected),
            "the client does not send what the server sends:\n{sent:#?}\ninstead of\n{expected:#?}"
        );
        Ok(())
    }

    /// Measures one workload.
    ///
    /// # Errors
    /// When anybody fails, or an answer is wrong.
    pub fn measure(
        &mut self,
        workload: Workload,
        script: &Script,
        connections: usize,
        arguments: &Arguments,
    ) -> Result<Outcome> {
        let body = workload.body(self.size, &self.ids);
        let url = self.client_url(workload);
        let direct = Subject {
            name: "C library",
            server: None,
            load: Box::new(|connections, duration, run| {
                self.client.load(script, &url, run, connections, duration)
            }),
        };
        let daybook = served("daybook", &self.daybook, arguments.pace(), &body);
        let name = format!("{} on MariaDB", workload.name());
        let mut runs = self.runs;
        let outcome = rounds::measure(
            &name,
            &[direct, daybook],
            connections,
            Some(self.process),
            &mut runs,
            arguments,
        )?;
        self.runs = runs;
        if let (true, [by_client, by_daybook]) = (workload.posts(), outcome.answered.as_slice()) {
            self.copied += by_client;
            self.entries += by_daybook;
        }
        Ok(outcome)
    }
}

const OWN: &str = "bench";

/// The log, once it has stopped growing for a moment.
async fn quiet(log: &mut Log) -> Result<Vec<Logged>> {
    let count = |logged: &[Logged]| logged.iter().map(|one| one.sent.len()).sum::<usize>();
    let mut last = log.read().await?;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let now = log.read().await?;
        if count(&now) == count(&last) {
            return Ok(now);
        }
        last = now;
    }
}

/// What the connection that did the work was sent since `before`.
fn grown(before: Vec<Logged>, after: Vec<Logged>, workload: Workload) -> Result<Logged> {
    let mut before = before.into_iter();
    let begins: Vec<&str> = workload
        .steps_on_mariadb()
        .iter()
        .map(|step| step.begins)
        .collect();
    let does_the_work = |sent: &[Sent]| {
        sent.iter().any(|one| {
            let (Sent::Prepared(text) | Sent::Text(text)) = one;
            begins.iter().any(|begin| text.starts_with(begin))
        })
    };
    for one in after {
        let known = before.next().map_or(0, |one| one.sent.len());
        // The server's jobs read on the same connections.
        let mut transactions = transactions(&one.sent[known..]);
        transactions.retain(|sent| does_the_work(sent));
        if !transactions.is_empty() {
            let sent = transactions.concat();
            return Ok(Logged { sent, ..one });
        }
    }
    anyhow::bail!("the server sent no statement that is known")
}

/// What was sent in each transaction, or by itself.
fn transactions(sent: &[Sent]) -> Vec<Vec<Sent>> {
    let mut transactions: Vec<Vec<Sent>> = Vec::new();
    let mut is_open = false;
    for one in sent {
        let text = one.to_string();
        match transactions.last_mut().filter(|_| is_open) {
            Some(last) => last.push(one.clone()),
            None => transactions.push(vec![one.clone()]),
        }
        let ends = |word: &str| text == word || text.starts_with(&format!("{word};"));
        is_open = match one {
            Sent::Text(_) if text.contains("START TRANSACTION") => true,
            Sent::Text(_) if ends("ROLLBACK") || text.contains("COMMIT") => false,
            _ => is_open,
        };
    }
    transactions
}

/// A text with holes for its literals.
fn without_literals(sent: &Sent) -> Sent {
    match sent {
        Sent::Text(text) => Sent::Text(with_holes(text).0),
        Sent::Prepared(_) => sent.clone(),
    }
}
