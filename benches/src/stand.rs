//! The stand: a private PostgreSQL with a loaded ledger, the servers on it, and the rounds.

use std::{collections::BTreeMap, fs::File, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use daybook_test_harness::{WireProxy, postgres::PostgresServer};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    arguments::Arguments,
    capture, data,
    data::Size,
    http,
    http::{Body, Pace, Tally},
    pgbench::Script,
    process::{self, Server},
    report::{Figures, Sample},
    workload::Workload,
};

/// Durable, as a ledger wants it, and without a checkpoint in the middle of a round.
const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "16GB"),
    ("checkpoint_timeout", "1h"),
    ("max_connections", "300"),
];

const PATH: &str = "/graphql";

/// Everything that is measured, up and running.
pub struct Stand {
    // Servers first: they go before the database does.
    daybook: Server,
    bare: Option<Server>,
    transaction: Option<Server>,
    postgres: PostgresServer,
    postmaster: u32,
    program: PathBuf,
    size: Size,
    ids: Arc<Vec<String>>,
    /// Entries that the ledger should have.
    entries: u64,
    /// Runs of `pgbench` so far: each has entry ids of its own.
    runs: u64,
}

/// What came of one workload.
pub struct Measured {
    /// What the server sent for one operation.
    pub flights: Vec<String>,
    /// One for each subject.
    pub figures: Vec<Figures>,
}

/// Who does the work.
enum Subject<'a> {
    Server(&'a Server),
    Pgbench(&'a Script),
}

impl Stand {
    /// Starts PostgreSQL, migrates and loads a database, and starts the servers.
    ///
    /// # Errors
    /// When one of these fails.
    pub async fn build(arguments: &Arguments) -> Result<Self> {
        let size = Size::new(arguments.accounts, arguments.lines)?;
        let beside = std::env::current_exe()?;
        let program = match &arguments.server {
            Some(program) => program.clone(),
            None => beside.with_file_name("daybook"),
        };
        let bare = beside.with_file_name("daybook-bench-bare");
        let postgres = tokio::task::spawn_blocking(|| PostgresServer::start(&SETTINGS)).await?;
        let url = postgres.url();
        let postmaster = postmaster(url).await?;
        let migrated = std::process::Command::new(&program)
            .args(["migrate", "--log", "warn", "--database", url])
            .status()
            .with_context(|| program.display().to_string())?;
        ensure!(migrated.success(), "the database could not be migrated");
        data::load_postgres(url, size).await?;
        let (mut none, mut transaction) = (None, None);
        if !arguments.without_bare {
            none = Some(Server::start(&bare, &[url, "none"])?);
            transaction = Some(Server::start(&bare, &[url, "transaction"])?);
        }
        let stand = Self {
            daybook: serve(&program, url, &[])?,
            bare: none,
            transaction,
            postmaster,
            postgres,
            program,
            size,
            ids: Arc::new(size.public_ids()?),
            entries: size.lines,
            runs: 0,
        };
        stand.verify().await?;
        Ok(stand)
    }

    /// What can be said of it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn circumstances(&self) -> Result<BTreeMap<String, String>> {
        let mut connection = PgConnection::connect(self.postgres.url()).await?;
        let version: String = sqlx::query_scalar("SHOW server_version")
            .fetch_one(&mut connection)
            .await?;
        let binary = std::fs::metadata(&self.program)?.len();
        Ok(BTreeMap::from([
            ("postgres".to_owned(), version),
            (
                "start on a migrated database".to_owned(),
                format!("{} ms", self.daybook.started_in.as_millis()),
            ),
            ("binary".to_owned(), format!("{binary} bytes")),
        ]))
    }

    /// Recomputes the ledger, and counts what should be there.
    ///
    /// # Errors
    /// When it does not add up.
    pub async fn verify(&self) -> Result<()> {
        // A server of its own, that has the time.
        let url = self.postgres.url();
        let server = serve(&self.program, url, &["--deadline", "30m"])?;
        let query = "{\"query\":\"{ verifyLedger { ok accounts entries lines differences { message } } }\"}";
        let answer = http::ask(server.address, PATH, query).await?;
        drop(server);
        let answer: serde_json::Value = serde_json::from_str(&answer)?;
        let check = &answer["data"]["verifyLedger"];
        let (accounts, entries) = (self.size.accounts.to_string(), self.entries.to_string());
        ensure!(
            check["ok"] == true
                && check["accounts"] == accounts
                && check["entries"] == entries
                && check["lines"] == entries,
            "the ledger is not what it should be with {accounts} accounts and {entries} entries of one line: {answer}"
        );
        Ok(())
    }

    /// Measures one workload: everybody in turn, round by round.
    ///
    /// # Errors
    /// When anybody fails, or an answer is wrong.
    pub async fn measure(
        &mut self,
        workload: Workload,
        connections: usize,
        arguments: &Arguments,
    ) -> Result<Measured> {
        let body = workload.body(self.size, &self.ids);
        let flights = self.flights(workload, &body).await?;
        let scripts = self.scripts(workload, &flights).await?;
        let mut subjects = Vec::new();
        // The first one is the reference.
        for (name, script) in &scripts {
            subjects.push((name.as_str(), Subject::Pgbench(script)));
        }
        let daybook = ("daybook", Subject::Server(&self.daybook));
        let bare = self.bare.as_ref().filter(|_| workload != Workload::Q2);
        if scripts.is_empty() {
            subjects.extend(bare.map(|server| ("bare", Subject::Server(server))));
            subjects.push(daybook);
        } else {
            subjects.push(daybook);
            subjects.extend(bare.map(|server| ("bare, no transaction", Subject::Server(server))));
            let transaction = self.transaction.as_ref().filter(|_| bare.is_some());
            subjects
                .extend(transaction.map(|server| ("SeaORM transaction", Subject::Server(server))));
        }
        let lock = arguments.lock.as_ref().map(File::create).transpose()?;
        if let Some(lock) = &lock {
            lock.lock()?;
        }
        let mut samples: Vec<Vec<Sample>> = subjects.iter().map(|_| Vec::new()).collect();
        let (mut entries, mut runs) = (0, self.runs);
        for round in 0..=arguments.rounds {
            for ((_, subject), samples) in subjects.iter().zip(&mut samples) {
                runs += 1;
                // The first round only warms up.
                let duration = if round == 0 {
                    Duration::from_secs(1)
                } else {
                    arguments.round()
                };
                let pace = arguments.open.map_or(Pace::Closed, Pace::Open);
                let (tally, sample) =
                    self.round(subject, connections, duration, pace, &body, runs)?;
                entries += tally.answered;
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        drop(lock);
        let figures = subjects.iter().zip(&samples).enumerate();
        let figures = figures
            .map(|(number, ((subject, _), own))| {
                let reference = (number > 0).then_some(samples[0].as_slice());
                Figures::new(workload.name(), connections, subject, own, reference)
            })
            .collect::<Result<_>>()?;
        self.runs = runs;
        if workload.posts() {
            self.entries += entries;
        }
        Ok(Measured { flights, figures })
    }

    fn round(
        &self,
        subject: &Subject<'_>,
        connections: usize,
        duration: Duration,
        pace: Pace,
        body: &Body,
        run: u64,
    ) -> Result<(Tally, Sample)> {
        let client = std::process::id();
        let server = match subject {
            Subject::Server(server) => Some(server.id()),
            Subject::Pgbench(_) => None,
        };
        let used = || -> Result<[Duration; 3]> {
            Ok([
                server.map_or(Ok(Duration::ZERO), process::processor_time)?,
                process::processor_time_of_family(self.postmaster)?,
                process::processor_time(client)?,
            ])
        };
        let before = used()?;
        let tally = tokio::task::block_in_place(|| match subject {
            Subject::Server(server) => std::thread::scope(|scope| {
                let load = || http::load(server.address, PATH, connections, duration, pace, body);
                scope
                    .spawn(load)
                    .join()
                    .map_err(|_| anyhow::anyhow!("the load panicked"))?
            }),
            Subject::Pgbench(script) => {
                script.load(self.postgres.url(), self.size, run, connections, duration)
            }
        })?;
        let memory = server.map_or(Ok(0), process::resident_memory)?;
        let after = used()?;
        #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
        let answered = tally.answered as f64;
        let each = |which: usize| {
            (after[which].saturating_sub(before[which])).as_secs_f64() * 1e6 / answered
        };
        let sample = Sample {
            rate: answered / tally.elapsed.as_secs_f64(),
            p50: percentile(&tally.latencies, 50),
            p99: percentile(&tally.latencies, 99),
            server: each(0),
            database: each(1),
            client: each(2),
            memory,
        };
        Ok((tally, sample))
    }

    /// What the server sends to PostgreSQL for one operation, once it is warm.
    async fn flights(&mut self, workload: Workload, body: &Body) -> Result<Vec<String>> {
        let proxy = WireProxy::start(self.postgres.url()).await;
        let server = serve(&self.program, proxy.url(), &["--max-connections", "1"])?;
        let mut flights = Vec::new();
        for _ in 0..2 {
            let mut request = Vec::new();
            body(&mut fastrand::Rng::new(), &mut request);
            let request = String::from_utf8(request)?;
            flights = capture::flights(&proxy, async || {
                http::ask(server.address, PATH, &request).await?;
                Ok(())
            })
            .await?;
            if workload.posts() {
                self.entries += 1;
            }
        }
        drop(server);
        Ok(flights)
    }

    /// What `pgbench` runs, and against which of them the others are measured: the first.
    async fn scripts(
        &mut self,
        workload: Workload,
        flights: &[String],
    ) -> Result<Vec<(String, Script)>> {
        let statements = capture::statements(flights);
        let mut scripts = Vec::new();
        if statements.is_empty() {
            return Ok(scripts);
        }
        if workload.reads() {
            let reads: Vec<String> = statements
                .iter()
                .filter(|statement| statement.starts_with("SELECT"))
                .cloned()
                .collect();
            let script = Script::of_flights(workload, self.size, &reads)?;
            scripts.push(("pgbench, autocommit".to_owned(), script));
        }
        let script = Script::of_flights(workload, self.size, &statements)?;
        scripts.push(("pgbench, same statements".to_owned(), script));
        let proxy = WireProxy::start(self.postgres.url()).await;
        for (_, script) in &scripts {
            self.runs += 1;
            script.check(&proxy, self.size, self.runs).await?;
            if workload.posts() {
                self.entries += 1;
            }
        }
        Ok(scripts)
    }
}

fn serve(program: &std::path::Path, url: &str, more: &[&str]) -> Result<Server> {
    let mut arguments = vec![
        "--listen",
        "127.0.0.1:0",
        "--log",
        "error",
        "--database",
        url,
    ];
    arguments.extend(more);
    Server::start(program, &arguments)
}

/// The process that all of PostgreSQL's are children of.
async fn postmaster(url: &str) -> Result<u32> {
    let mut connection = PgConnection::connect(url).await?;
    let backend: i32 = sqlx::query_scalar(AssertSqlSafe("SELECT pg_backend_pid()"))
        .fetch_one(&mut connection)
        .await?;
    process::parent_of(u32::try_from(backend)?).context("PostgreSQL's process is not seen in /proc")
}

/// In microseconds.
fn percentile(sorted: &[u64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    sorted
        .get(at)
        .map_or(0.0, |nanoseconds| *nanoseconds as f64 / 1000.0)
}
