//! SQLite, straight through its C library, with the server's own statements.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use rusqlite::{Connection, params_from_iter, types::Value};
use serde_json::Value as Json;

use crate::{
    data::{FIRST_CODE, FIRST_ID, ID_HEAD, SQLITE, Size, sql},
    http::Tally,
    parameter::{Name, Parameter},
    workload::{ACCOUNTS, LINES, Workload, instant, prefixes},
};

/// What one operation runs, with what stands for the parameters.
pub struct Script {
    workload: Workload,
    size: Size,
    statements: Vec<(String, Vec<Parameter>)>,
}

/// The numbers that one operation works with.
#[derive(Default)]
struct Operation {
    now: String,
    /// The highest version that every account has.
    last: i64,
    account: i64,
    prefix: i64,
    entry: i64,
    debit: i64,
    credit: i64,
    /// What the accounts have become: version and balance.
    debited: (i64, i64),
    credited: (i64, i64),
}

impl Operation {
    /// A number by its name.
    fn number(&self, name: Name) -> Result<i64> {
        let debit_is_low = self.debit < self.credit;
        Ok(match name.0 {
            "one" => 1,
            "zero" => 0,
            "limit" => ACCOUNTS as i64 + 1,
            "first" => self.last - LINES as i64 + 1,
            "last" => self.last,
            "account" => self.account,
            "prefix" => self.prefix,
            "after" => self.prefix + 1,
            "debit" => self.debit,
            "credit" => self.credit,
            "low" => self.debit.min(self.credit),
            "high" => self.debit.max(self.credit),
            "low_debits" => i64::from(debit_is_low),
            "high_debits" => i64::from(!debit_is_low),
            "debit_version" => self.debited.0,
            "debit_balance" => self.debited.1,
            "credit_version" => self.credited.0,
            "credit_balance" => self.credited.1,
            other => bail!("SQLite's half does not know :{other}"),
        })
    }

    /// Keeps what the accounts, whose rows come in the order of their ids, will have become.
    fn take(&mut self, row: usize, [version, credits, debits]: [i64; 3]) {
        let balance = credits - debits;
        if (self.debit < self.credit) == (row == 0) {
            self.debited = (version + 1, balance - 1);
        } else {
            self.credited = (version + 1, balance + 1);
        }
    }
}

/// What SQLite is given for a parameter.
fn value(parameter: Parameter, one: &Operation) -> Result<Value> {
    Ok(match parameter {
        Parameter::Null => Value::Null,
        Parameter::Text(text) => Value::Text(text.to_owned()),
        Parameter::Code(name) => Value::Text(one.number(name)?.to_string()),
        Parameter::Number(name) => Value::Integer(one.number(name)?),
        Parameter::Account(name) => account_id(one.number(name)?),
        Parameter::AccountOfPage(place) => {
            let first = 100 * one.prefix - FIRST_CODE as i64;
            account_id(FIRST_ID as i64 + first + place)
        }
        Parameter::Entry => Value::Blob(bytes(&format!("f199000000{}000", one.entry))),
        Parameter::Now => Value::Text(one.now.clone()),
    })
}

fn account_id(number: i64) -> Value {
    Value::Blob(bytes(&format!("{}{number}", ID_HEAD.replace('-', ""))))
}

impl Script {
    /// The script that runs these statements.
    ///
    /// # Errors
    /// When a statement's parameters are not those of [`Workload::steps`].
    pub fn new(workload: Workload, size: Size, statements: &[String]) -> Result<Self> {
        let mut steps = workload.steps();
        let mut script = Vec::new();
        for statement in statements {
            let at = steps
                .iter()
                .position(|step| statement.starts_with(step.begins))
                .with_context(|| format!("nothing is known of {statement}"))?;
            let step = steps.remove(at);
            let parameters = step.parameters.iter().map(|text| Parameter::parse(text));
            script.push((statement.clone(), parameters.collect::<Result<_>>()?));
        }
        ensure!(steps.is_empty(), "the server sent too few statements");
        Ok(Self {
            workload,
            size,
            statements: script,
        })
    }

    /// Runs it for a while: one thread where it writes, because SQLite has one writer, else one a core.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn load(&self, file: &Path, run: u64, duration: Duration) -> Result<Tally> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if self.workload.posts() { 1 } else { cores };
        let start = Instant::now();
        let latencies = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| self.thread(file, run, start + duration)))
                .collect();
            let mut latencies = Vec::new();
            for thread in threads {
                let own = thread
                    .join()
                    .map_err(|_| anyhow::anyhow!("a thread panicked"))?;
                latencies.extend(own?);
            }
            anyhow::Ok(latencies)
        });
        let mut tally = Tally {
            latencies: latencies?,
            elapsed: start.elapsed(),
            answered: 0,
        };
        tally.answered = tally.latencies.len() as u64;
        tally.latencies.sort_unstable();
        Ok(tally)
    }

    fn thread(&self, file: &Path, run: u64, end: Instant) -> Result<Vec<u64>> {
        let connection = open(file)?;
        let ends = if self.workload.posts() {
            Some(("BEGIN IMMEDIATE", "COMMIT"))
        } else {
            // A statement by itself is its own snapshot.
            (self.statements.len() > 1).then_some(("BEGIN", "ROLLBACK"))
        };
        let now = instant(std::time::SystemTime::now().into());
        let mut random = fastrand::Rng::new();
        let mut latencies = Vec::new();
        let mut n = 1_000_000_000_000_000 + run * 1_000_000_000;
        loop {
            let sent = Instant::now();
            if sent >= end {
                return Ok(latencies);
            }
            n += 1;
            let mut one = self.operation(&mut random, n, &now)?;
            if let Some((begin, _)) = ends {
                connection.prepare_cached(begin)?.execute([])?;
            }
            for (statement, parameters) in &self.statements {
                let mut prepared = connection.prepare_cached(statement)?;
                ensure!(
                    prepared.parameter_count() == parameters.len(),
                    "{} parameters are known of {statement}",
                    parameters.len()
                );
                let column = |name| prepared.column_index(name);
                let keeps = self.workload.posts() && statement.starts_with("SELECT");
                let columns = if keeps {
                    [
                        column("version")?,
                        column("credits_posted")?,
                        column("debits_posted")?,
                    ]
                } else {
                    [0; 3]
                };
                let values = parameters.iter().map(|parameter| value(*parameter, &one));
                let values = values.collect::<Result<Vec<_>>>()?;
                let mut rows = prepared.query(params_from_iter(values))?;
                let mut seen = 0;
                while let Some(row) = rows.next()? {
                    if keeps {
                        let [version, credits, debits] = columns.map(|column| row.get(column));
                        one.take(seen, [version?, credits?, debits?]);
                    }
                    seen += 1;
                }
                ensure!(
                    seen > 0 || !statement.starts_with("SELECT"),
                    "no row: {statement}"
                );
            }
            if let Some((_, end)) = ends {
                connection.prepare_cached(end)?.execute([])?;
            }
            latencies.push(u64::try_from(sent.elapsed().as_nanos())?);
        }
    }

    /// What `pgbench` does before the first statement.
    fn operation(&self, random: &mut fastrand::Rng, n: u64, now: &str) -> Result<Operation> {
        let (debit, credit) = self.workload.draw(self.size, random);
        Ok(Operation {
            now: now.to_owned(),
            last: i64::try_from(2 * self.size.rounds())?,
            account: i64::try_from(FIRST_ID + random.u64(0..self.size.accounts))?,
            prefix: i64::try_from(random.u64(prefixes(self.size)))?,
            entry: i64::try_from(n * 1000)?,
            debit: i64::try_from(FIRST_ID + 1 + 2 * debit)?,
            credit: i64::try_from(FIRST_ID + 1 + 2 * credit)?,
            ..Operation::default()
        })
    }
}

/// A UUID from its digits.
fn bytes(digits: &str) -> Vec<u8> {
    let digit = |c: &u8| match c {
        b'0'..=b'9' => c - b'0',
        _ => c - b'a' + 10,
    };
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
        .collect()
}

/// A connection with the settings that the server's own have.
fn open(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;",
    )?;
    Ok(connection)
}

/// Loads a migrated, empty database.
///
/// # Errors
/// When SQLite refuses.
pub fn load(file: &Path, size: Size) -> Result<()> {
    let connection = Connection::open(file)?;
    // Right by construction, and checked as a whole afterwards.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;",
    )?;
    connection.execute_batch(&format!(
        "BEGIN; {} COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);",
        sql(size, &SQLITE)
    ))?;
    Ok(())
}

/// The statements that the server has logged (`--log sqlx=trace --log-format json`).
///
/// # Errors
/// When the log cannot be read.
pub fn logged(log: &Path) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    for line in std::fs::read_to_string(log)?.lines() {
        let line: Json = serde_json::from_str(line)?;
        if line["target"] == "sqlx::query"
            && let Some(sql) = line["db.statement"].as_str().or(line["summary"].as_str())
        {
            let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
            // Settings of a connection that is made.
            if !sql.starts_with("PRAGMA") {
                // An entry is one text of several, of which none has a semicolon in a constant.
                statements.extend(sql.split("; ").map(str::to_owned));
            }
        }
    }
    Ok(statements)
}
