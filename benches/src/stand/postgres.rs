//! On a private PostgreSQL.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use daybook_test_harness::{WireProxy, postgres::PostgresServer};
use sqlx::{Connection as _, PgConnection};

use super::{PATH, migrate, program, serve, verify};
use crate::{
    arguments::Arguments,
    capture,
    data::{self, Size},
    http::{self, Body, Tokens},
    pgbench::Script,
    process::{self, Server},
    rounds::{self, Outcome, Subject},
    workload::{Orders, Workload, two_entries},
};

/// Durable, as a ledger wants it, and without a checkpoint in the middle of a round.
pub const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "16GB"),
    ("checkpoint_timeout", "1h"),
    ("max_connections", "300"),
];

/// A private PostgreSQL with a loaded ledger, and everything that is measured on it.
pub struct PostgresStand {
    // The servers first: they go before the database does.
    daybook: Server,
    bare: Option<Server>,
    transaction: Option<Server>,
    memory: Option<Server>,
    postgres: PostgresServer,
    postmaster: u32,
    program: PathBuf,
    size: Size,
    ids: Arc<Vec<String>>,
    /// The copy of the ledger in which `pgbench` posts: it cannot keep a ledger's books, only send the same statements.
    copy: String,
    /// Entries that the ledger should have.
    entries: u64,
    /// Entries that the copy should have.
    copied: u64,
    /// Runs so far: each has entry ids of its own.
    runs: u64,
}

impl PostgresStand {
    /// Starts PostgreSQL, migrates and loads a database, and starts the servers.
    ///
    /// # Errors
    /// When one of these fails.
    pub async fn build(arguments: &Arguments) -> Result<Self> {
        let size = arguments.size()?;
        let program = program(arguments)?;
        let bare = std::env::current_exe()?.with_file_name("daybook-bench-bare");
        let postgres = tokio::task::spawn_blocking(|| PostgresServer::start(&SETTINGS)).await?;
        let url = postgres.url();
        let postmaster = postmaster(url).await?;
        migrate(&program, url)?;
        data::load_postgres(url, size).await?;
        let copy = copy(&postgres).await?;
        let bare = |scope| {
            let wanted = !arguments.without_bare;
            wanted
                .then(|| Server::start(&bare, &[url, scope]))
                .transpose()
        };
        let stand = Self {
            daybook: serve(&program, url, &[])?,
            bare: bare("none")?,
            transaction: bare("transaction")?,
            memory: bare("memory")?,
            postmaster,
            program,
            size,
            ids: Arc::new(size.public_ids()?),
            entries: size.lines,
            copied: size.lines,
            copy,
            runs: 0,
            postgres,
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
        let started_in = self.daybook.started_in.as_millis();
        Ok(BTreeMap::from([
            ("postgres".to_owned(), version),
            (
                "start on a migrated database".to_owned(),
                format!("{started_in} ms"),
            ),
            ("binary".to_owned(), format!("{binary} bytes")),
        ]))
    }

    /// Recomputes the ledger, and counts what should be there: in the copy too.
    ///
    /// # Errors
    /// When it does not add up.
    pub async fn verify(&self) -> Result<()> {
        verify(&self.program, self.postgres.url(), self.size, self.entries).await?;
        let mut connection = PgConnection::connect(&self.copy).await?;
        let count = "SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM entry_line)";
        let counted: (i64, i64) = sqlx::query_as(count).fetch_one(&mut connection).await?;
        let copied = i64::try_from(self.copied)?;
        ensure!(
            counted == (copied, copied),
            "pgbench should have {copied} entries and lines, and has {counted:?}"
        );
        Ok(())
    }

    /// Where `pgbench` does a workload.
    fn pgbench_url(&self, workload: Workload) -> &str {
        if workload.posts() {
            &self.copy
        } else {
            self.postgres.url()
        }
    }

    /// What the server sends to PostgreSQL for one operation, flight by flight, once it is warm.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn flights(&mut self, workload: Workload) -> Result<Vec<String>> {
        let proxy = WireProxy::start(self.postgres.url()).await;
        let server = serve(&self.program, proxy.url(), &["--max-connections", "1"])?;
        let body = workload.body(self.size, &self.ids);
        let mut flights = Vec::new();
        // The first time prepares the statements, and may find out what kind of operation it is.
        for _ in 0..3 {
            let mut request = Vec::new();
            body(&mut fastrand::Rng::new(), &mut request);
            let request = String::from_utf8(request)?;
            flights = capture::flights(&proxy, workload.posts(), async || {
                http::ask(server.address, PATH, &request).await?;
                Ok(())
            })
            .await?;
            if workload.posts() {
                self.entries += 1;
            }
        }
        Ok(flights)
    }

    /// What `pgbench` runs instead of these flights. The first is what everybody is compared with.
    ///
    /// # Errors
    /// When `pgbench` does not send the same.
    pub async fn scripts(
        &mut self,
        workload: Workload,
        flights: &[String],
    ) -> Result<Vec<(&'static str, Script)>> {
        let statements = capture::statements(flights);
        let mut scripts = Vec::new();
        if statements.is_empty() {
            return Ok(scripts);
        }
        let same = Script::of_flights(workload, self.size, &statements)?;
        if let Some((name, statement)) = workload.yardstick() {
            scripts.push((name, Script::of_statement(workload, self.size, &statement)));
        } else if workload.reads() {
            let mut reads = statements.clone();
            reads.retain(|flight| flight.starts_with("SELECT"));
            let script = Script::of_flights(workload, self.size, &reads)?;
            if !script.sends_as(&same) {
                scripts.push(("pgbench, autocommit", script));
            }
        }
        scripts.push(("pgbench, same statements", same));
        let proxy = WireProxy::start(self.pgbench_url(workload)).await;
        for (_, script) in &scripts {
            self.runs += 1;
            let times = script.check(&proxy, self.size, self.runs).await?;
            if workload.posts() {
                self.copied += times;
            }
        }
        Ok(scripts)
    }

    /// Measures one workload.
    ///
    /// # Errors
    /// When anybody fails, or an answer is wrong.
    pub fn measure(
        &mut self,
        workload: Workload,
        scripts: &[(&'static str, Script)],
        connections: usize,
        arguments: &Arguments,
    ) -> Result<Outcome> {
        let body = workload.body(self.size, &self.ids);
        let pace = arguments.pace();
        let server = |name, server| served(name, server, pace, &body);
        let mut subjects: Vec<Subject<'_>> = scripts
            .iter()
            .map(|(name, script)| Subject {
                name,
                server: None,
                load: Box::new(|connections, duration, run| {
                    script.load(
                        self.pgbench_url(workload),
                        self.size,
                        run,
                        connections,
                        duration,
                        arguments.open,
                    )
                }),
            })
            .collect();
        let daybook = server("daybook", &self.daybook);
        let bare = self.bare.as_ref().filter(|_| workload != Workload::Q2);
        if workload == Workload::N0 {
            subjects.extend(bare.map(|bare| server("bare", bare)));
            subjects.push(daybook);
        } else {
            subjects.push(daybook);
            let memory = self.memory.as_ref().filter(|_| workload == Workload::Q1);
            subjects.extend(memory.map(|one| server("bare, no database", one)));
            // Without a transaction nobody can lock what an entry is about to change.
            let bare_alone = bare.filter(|_| !workload.posts());
            subjects.extend(bare_alone.map(|bare| server("bare, no transaction", bare)));
            let transaction = self.transaction.as_ref().filter(|_| bare.is_some());
            subjects.extend(transaction.map(|one| server("bare, SeaORM transaction", one)));
        }
        let mut runs = self.runs;
        let outcome = rounds::measure(
            workload.name(),
            &subjects,
            connections,
            Some(self.postmaster),
            &mut runs,
            arguments,
        )?;
        drop(subjects);
        self.runs = runs;
        if workload.posts() {
            let (by_pgbench, by_servers) = outcome.answered.split_at(scripts.len());
            self.copied += by_pgbench.iter().sum::<u64>();
            self.entries += by_servers.iter().sum::<u64>();
        }
        Ok(outcome)
    }

    /// Measures two entries in one operation: in one order, and beside it in either.
    ///
    /// # Errors
    /// When the server fails, or an answer is wrong.
    pub fn measure_orders(&mut self, connections: usize, arguments: &Arguments) -> Result<Outcome> {
        let same = two_entries(&self.ids, Orders::Same);
        let either = two_entries(&self.ids, Orders::Either);
        let pace = arguments.pace();
        let subjects = [
            served("daybook, in one order", &self.daybook, pace, &same),
            served("daybook", &self.daybook, pace, &either),
        ];
        let mut runs = self.runs;
        let outcome = rounds::measure(
            Workload::L1.name(),
            &subjects,
            connections,
            Some(self.postmaster),
            &mut runs,
            arguments,
        )?;
        drop(subjects);
        self.runs = runs;
        self.entries += 2 * outcome.answered.iter().sum::<u64>();
        Ok(outcome)
    }
}

/// A server that is loaded over HTTP.
pub fn served<'a>(
    name: &'a str,
    server: &'a Server,
    pace: http::Pace,
    body: &'a Body,
) -> Subject<'a> {
    Subject {
        name,
        server: Some(server.id()),
        load: Box::new(move |connections, duration, _| {
            http::load(
                server.address,
                PATH,
                connections,
                duration,
                pace,
                Tokens::Ignored,
                body,
            )
        }),
    }
}

/// Copies the loaded ledger.
async fn copy(postgres: &PostgresServer) -> Result<String> {
    let mut connection = PgConnection::connect(&postgres.database_url("template1")).await?;
    let copy = "CREATE DATABASE pgbench TEMPLATE postgres STRATEGY FILE_COPY";
    sqlx::query(copy).execute(&mut connection).await?;
    Ok(postgres.database_url("pgbench"))
}

/// The process that all of PostgreSQL's are children of.
pub async fn postmaster(url: &str) -> Result<u32> {
    let mut connection = PgConnection::connect(url).await?;
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut connection)
        .await?;
    process::parent_of(u32::try_from(backend)?).context("PostgreSQL's process is not seen in /proc")
}
