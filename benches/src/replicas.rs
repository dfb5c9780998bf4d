//! Reads on replicas: what the primary spends on a read where there are none, one and two, where reads go, and what a token costs.
//!
//! All servers share this machine's cores. So rates say little of several machines; the processor time that the *primary* spends on an
//! operation says what replicas take off it.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Result;
use daybook_test_harness::postgres::PostgresServer;
use serde::{Deserialize, Serialize};

use crate::{
    arguments::Arguments,
    data::{self, Size},
    http::{self, Body, Tokens},
    process::{self, Server},
    report::{HEAD, Report},
    rounds::{self, Subject},
    stand::{PATH, SETTINGS, migrate, postmaster, program, serve, verify},
    workload::Workload,
};

/// Of how many operations of the mixed work one posts an entry.
const ONE_POSTS_OF: u64 = 10;

/// Where the queries of one subject were read, over all of its rounds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reads {
    /// On a replica, at once.
    pub replica: u64,
    /// On a replica, after a wait.
    pub replica_later: u64,
    /// On the primary, although a replica would have done.
    pub fell_back: u64,
    /// All operations, entries among them.
    pub operations: u64,
    /// Microseconds of processor time that all replicas together have spent on an operation.
    pub replicas_cpu: f64,
}

/// A primary with two replicas, and servers that know of none, one and both.
struct Stand {
    /// The servers first: they go before the database does.
    servers: [Server; 3],
    program: PathBuf,
    size: Size,
    ids: Arc<Vec<String>>,
    primary: PostgresServer,
    postmaster: u32,
    /// Dropped, and with that ended, after the servers.
    _replicas: [PostgresServer; 2],
    /// The replicas' processes.
    followers: [u32; 2],
    /// Entries that were posted.
    posted: Arc<AtomicU64>,
}

/// Who is measured: a name, how many replicas its server knows of, and whether clients show the tokens of their answers.
type Who = (&'static str, usize, Tokens);

const READERS: [Who; 4] = [
    ("no replica", 0, Tokens::Ignored),
    ("one, no token", 1, Tokens::Ignored),
    ("one, tokens", 1, Tokens::Shown),
    ("two, tokens", 2, Tokens::Shown),
];
const WRITERS: [Who; 3] = [
    ("no replica", 0, Tokens::Ignored),
    ("one, token answered", 1, Tokens::Ignored),
    ("one, token shown too", 1, Tokens::Shown),
];
const BOTH: [Who; 3] = [
    ("no replica", 0, Tokens::Ignored),
    ("one, tokens", 1, Tokens::Shown),
    ("two, tokens", 2, Tokens::Shown),
];

/// Measures all of it, and says where reads went.
///
/// # Errors
/// When a server fails, or an answer is wrong.
pub async fn measure(arguments: &Arguments, report: &mut Report) -> Result<()> {
    eprintln!("PostgreSQL with two replicas: loading {arguments}");
    let stand = Stand::build(arguments).await?;
    println!("{HEAD}");
    let mut runs = 0;
    for (name, work, who) in [
        ("Q1", stand.body(Workload::Q1), READERS.as_slice()),
        ("M1", stand.body(Workload::M1), &WRITERS),
        ("mix", stand.mixed(), &BOTH),
    ] {
        for connections in arguments.connections() {
            let measured = || stand.measure((name, &work, who), connections, &mut runs, arguments);
            for (figures, reads) in tokio::task::block_in_place(measured)? {
                println!("{}", figures.line(None));
                let key = format!("{name}, {connections} connections, {}", figures.subject);
                report.reads.insert(key, reads);
                report.figures.push(figures);
            }
        }
    }
    println!("\n{}", table(&report.reads));
    stand.verify().await
}

impl Stand {
    async fn build(arguments: &Arguments) -> Result<Self> {
        let size = arguments.size()?;
        let program = program(arguments)?;
        let primary = tokio::task::spawn_blocking(|| PostgresServer::start(&SETTINGS)).await?;
        migrate(&program, primary.url())?;
        data::load_postgres(primary.url(), size).await?;
        let (primary, replicas) = tokio::task::spawn_blocking(move || {
            let replicas = [(); 2].map(|()| primary.start_standby(&SETTINGS));
            (primary, replicas)
        })
        .await?;
        let [one, two] = [0, 1].map(|number| ["--replica", replicas[number].url()]);
        let serve = |more: &[&str]| serve(&program, primary.url(), more);
        let servers = [serve(&[])?, serve(&one)?, serve(&[one, two].concat())?];
        let mut followers = [0; 2];
        for (follower, replica) in followers.iter_mut().zip(&replicas) {
            *follower = postmaster(replica.url()).await?;
        }
        Ok(Self {
            servers,
            postmaster: postmaster(primary.url()).await?,
            program,
            size,
            ids: Arc::new(size.public_ids()?),
            primary,
            _replicas: replicas,
            followers,
            posted: Arc::default(),
        })
    }

    /// The bodies of a workload, whose entries are counted.
    fn body(&self, workload: Workload) -> Body {
        let body = workload.body(self.size, &self.ids);
        let posted = Arc::clone(&self.posted);
        Arc::new(move |random, out| {
            if workload.posts() {
                posted.fetch_add(1, Relaxed);
            }
            body(random, out);
        })
    }

    /// Accounts are read, and now and then an entry is posted.
    fn mixed(&self) -> Body {
        let (read, post) = (self.body(Workload::Q1), self.body(Workload::M1));
        Arc::new(move |random, out| {
            let body = match random.u64(0..ONE_POSTS_OF) {
                0 => &post,
                _ => &read,
            };
            body(random, out);
        })
    }

    fn measure(
        &self,
        (name, body, who): (&str, &Body, &[Who]),
        connections: usize,
        runs: &mut u64,
        arguments: &Arguments,
    ) -> Result<Vec<(crate::report::Figures, Reads)>> {
        let noted: Vec<_> = who.iter().map(|_| Mutex::new(Noted::default())).collect();
        let subjects = who.iter().zip(&noted);
        let subjects = subjects.map(|((name, replicas, tokens), noted)| {
            let server = &self.servers[*replicas];
            Subject {
                name,
                server: Some(server.id()),
                load: Box::new(move |connections, duration, _| {
                    let before = self.seen(server)?;
                    let tally = http::load(
                        server.address,
                        PATH,
                        connections,
                        duration,
                        arguments.pace(),
                        *tokens,
                        body,
                    )?;
                    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    noted.add(&before, &self.seen(server)?, tally.answered);
                    Ok(tally)
                }),
            }
        });
        let subjects: Vec<_> = subjects.collect();
        let outcome = rounds::measure(
            name,
            &subjects,
            connections,
            Some(self.postmaster),
            runs,
            arguments,
        )?;
        drop(subjects);
        let noted = noted.into_iter();
        let reads = noted.map(|noted| noted.into_inner().unwrap_or_else(PoisonError::into_inner));
        let reads = reads.map(|noted| noted.reads());
        Ok(outcome.figures.into_iter().zip(reads).collect())
    }

    fn seen(&self, server: &Server) -> Result<Seen> {
        let mut spent = Duration::ZERO;
        for follower in self.followers {
            spent += process::processor_time_of_family(follower)?;
        }
        Ok(Seen {
            at: reads(server.address)?,
            spent,
        })
    }

    async fn verify(&self) -> Result<()> {
        let entries = self.size.lines + self.posted.load(Relaxed);
        verify(&self.program, self.primary.url(), self.size, entries).await
    }
}

/// What was counted up to a moment.
struct Seen {
    /// The queries of a server, by where they were read.
    at: BTreeMap<String, u64>,
    /// The replicas' processor time.
    spent: Duration,
}

/// What was counted during the rounds of one subject.
#[derive(Default)]
struct Noted {
    at: BTreeMap<String, u64>,
    spent: Duration,
    operations: u64,
}

impl Noted {
    fn add(&mut self, before: &Seen, after: &Seen, operations: u64) {
        for (at, count) in &after.at {
            let before = before.at.get(at).copied().unwrap_or_default();
            *self.at.entry(at.clone()).or_default() += count - before;
        }
        self.spent += after.spent.saturating_sub(before.spent);
        self.operations += operations;
    }

    fn reads(&self) -> Reads {
        let at = |name| self.at.get(name).copied().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
        let replicas_cpu = self.spent.as_secs_f64() * 1e6 / self.operations.max(1) as f64;
        Reads {
            replica: at("replica"),
            replica_later: at("replica_later"),
            fell_back: at("primary"),
            operations: self.operations,
            replicas_cpu,
        }
    }
}

/// How many queries a server has read where, as its metrics say. Those for which only the primary would have done are not among them.
fn reads(address: SocketAddr) -> Result<BTreeMap<String, u64>> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let counts = text.lines().filter_map(|line| {
        let (at, count) = line
            .strip_prefix("unit_of_work_replica_reads_total{at=\"")?
            .split_once("\"} ")?;
        Some((at.to_owned(), count.trim().parse().ok()?))
    });
    Ok(counts.collect())
}

/// Where reads went, a line for each subject.
fn table(reads: &BTreeMap<String, Reads>) -> String {
    use std::fmt::Write as _;
    let mut table = format!(
        "{:45} {:>10} {:>10} {:>10} {:>10} {:>14}\n",
        "where queries were read", "operations", "replica", "later", "fell back", "replicas' µs"
    );
    for (who, reads) in reads {
        let _ = writeln!(
            table,
            "{who:45} {:>10} {:>10} {:>10} {:>10} {:>14.1}",
            reads.operations,
            reads.replica,
            reads.replica_later,
            reads.fell_back,
            reads.replicas_cpu
        );
    }
    table.push_str(
        "\nlater: on a replica, after a wait for it. fell back: on the primary, although a replica would have done. Queries that show no \
         token are in none of these columns. replicas' µs: the processor time of all replicas for an operation, replay included.\n",
    );
    table
}
