//! MariaDB, straight through its own C library, with the server's own statements: `mariadb/client.c`, built where it is needed.

use std::{
    fmt::{self, Write as _},
    fs,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::{
    data::{FIRST_ID, Size},
    http::Tally,
    parameter::{Name, Parameter},
    workload::{ACCOUNTS, LINES, Step, Workload, prefixes},
};

const SOURCE: &str = include_str!("../mariadb/client.c");

/// The client, built.
#[derive(Debug)]
pub struct Client {
    folder: TempDir,
}

/// What one operation sends, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A text.
    Text(String),
    /// A prepared statement.
    Prepared(String),
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Prepared(text) => f.write_str(text),
        }
    }
}

/// What the client runs, and as what session.
#[derive(Debug)]
pub struct Script {
    workload: Workload,
    size: Size,
    sent: Vec<Sent>,
    text: String,
}

impl Client {
    /// Builds it.
    ///
    /// # Errors
    /// When there is no C compiler, or MariaDB's library for it is missing.
    pub fn build() -> Result<Self> {
        let folder = TempDir::with_prefix("daybook-bench-client.")?;
        let source = folder.path().join("client.c");
        fs::write(&source, SOURCE)?;
        let flags = Command::new("mariadb_config")
            .args(["--cflags", "--libs"])
            .output()
            .context("MariaDB's C library is missing: run `.ci/bench`")?;
        let flags = String::from_utf8(flags.stdout)?;
        let built = Command::new("cc")
            .args(["-std=gnu11", "-O2", "-pthread", "-o"])
            .arg(folder.path().join("client"))
            .arg(&source)
            .args(flags.split_whitespace())
            .output()?;
        ensure!(
            built.status.success(),
            "client.c: {}",
            String::from_utf8_lossy(&built.stderr)
        );
        Ok(Self { folder })
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("client")
    }

    /// Loads the server with a script.
    ///
    /// # Errors
    /// When the client fails, or any of its statements does otherwise than by a conflict.
    pub fn load(
        &self,
        script: &Script,
        url: &str,
        run: u64,
        clients: usize,
        duration: Duration,
    ) -> Result<Tally> {
        let seconds = duration.as_secs().max(1);
        self.run(
            script,
            url,
            run,
            &format!("threads {clients}\nseconds {seconds}\n"),
        )
    }

    /// Runs a script so often on one connection.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn times(&self, script: &Script, url: &str, run: u64, times: u64) -> Result<Tally> {
        self.run(
            script,
            url,
            run,
            &format!("threads 1\nseconds 0\ntimes {times}\n"),
        )
    }

    fn run(&self, script: &Script, url: &str, run: u64, how: &str) -> Result<Tally> {
        let file = self.folder.path().join(format!("script-{run}"));
        fs::write(&file, script.whole(url, run, how)?)?;
        let output = Command::new(self.program()).arg(&file).output()?;
        if !output.status.success() {
            bail!(
                "MariaDB's client: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let output = String::from_utf8(output.stdout)?;
        let mut lines = output.lines();
        let mut number = |name: &str| -> Result<u64> {
            let line = lines.next().unwrap_or_default();
            let value = line.strip_prefix(name).context(line.to_owned())?;
            Ok(value.trim().parse()?)
        };
        let answered = number("answered")?;
        number("again")?;
        let elapsed = Duration::from_nanos(number("elapsed")?);
        let latencies = lines.map(str::parse).collect::<Result<Vec<u64>, _>>();
        let mut latencies = latencies?;
        latencies.sort_unstable();
        Ok(Tally {
            answered,
            elapsed,
            latencies,
        })
    }
}

impl Script {
    /// The script that sends this, in a session that is set by `session`.
    ///
    /// # Errors
    /// When a statement's parameters are not those that are known.
    pub fn new(workload: Workload, size: Size, session: &str, sent: &[Sent]) -> Result<Self> {
        let mut steps = workload.steps_on_mariadb();
        let mut text = String::new();
        writeln!(text, "q {session}")?;
        for sent in sent {
            match sent {
                Sent::Text(sql) => {
                    let statements = sql.split("; ").map(|sql| template(sql, &mut steps));
                    let statements = statements.collect::<Result<Vec<_>>>()?;
                    let texts: Vec<&str> = statements.iter().map(|(text, _)| &**text).collect();
                    writeln!(text, "q {}", texts.join("; "))?;
                    for parameter in statements.iter().flat_map(|(_, parameters)| parameters) {
                        writeln!(text, "p {}", word(Parameter::parse(parameter)?))?;
                    }
                }
                Sent::Prepared(sql) => {
                    writeln!(text, "s {sql}")?;
                    for parameter in &take_step(&mut steps, sql)?.parameters {
                        writeln!(text, "p {}", word(Parameter::parse(parameter)?))?;
                    }
                }
            }
        }
        if let Some(step) = steps.first() {
            bail!("the server sent nothing that begins with {}", step.begins);
        }
        Ok(Self {
            workload,
            size,
            sent: sent.to_vec(),
            text,
        })
    }

    fn whole(&self, url: &str, run: u64, how: &str) -> Result<String> {
        let url: url::Url = url.parse()?;
        let size = self.size;
        let customers = size.accounts / 2;
        let hot = (self.workload == Workload::H1).then_some(size.accounts / 4);
        let hot = hot.map_or(-1, |hot| i64::try_from(hot).unwrap_or(-1));
        let prefixes = prefixes(size);
        let mut whole = format!(
            "host {}\nport {}\nuser {}\ndatabase {}\n{how}accounts {}\ncustomers {customers}\nhot {hot}\nfirst_id {FIRST_ID}\n\
             first_prefix {}\nprefixes {}\nlast {}\nlines {LINES}\npage {ACCOUNTS}\nn {}\n",
            url.host_str().context("no host")?,
            url.port().unwrap_or(3306),
            url.username(),
            url.path().trim_start_matches('/'),
            size.accounts,
            prefixes.start,
            prefixes.end - prefixes.start,
            2 * size.rounds(),
            1_000_000_000_000_000 + run * 1_000_000_000,
        );
        let now: chrono::DateTime<chrono::Utc> = std::time::SystemTime::now().into();
        writeln!(whole, "now {}", now.format("%Y-%m-%d %H:%M:%S%.6f"))?;
        whole.push_str(&self.text);
        Ok(whole)
    }

    /// What it sends for one operation.
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }
}

fn take_step(steps: &mut Vec<Step>, statement: &str) -> Result<Step> {
    let at = steps
        .iter()
        .position(|step| statement.starts_with(step.begins))
        .with_context(|| format!("nothing is known of {statement}"))?;
    Ok(steps.remove(at))
}

/// A statement with literals, with a hole for each if it is a known one, and with what stands for them. Of the others, only the id of a
/// marker is not the same each time.
fn template(sql: &str, steps: &mut Vec<Step>) -> Result<(String, Vec<String>)> {
    let Some(at) = steps.iter().position(|step| sql.starts_with(step.begins)) else {
        return Ok((with_random_id(sql), Vec::new()));
    };
    let step = steps.remove(at);
    let (text, holes) = with_holes(sql);
    ensure!(
        holes == step.parameters.len(),
        "{} parameters are known of a statement that has {holes}: {sql}",
        step.parameters.len()
    );
    Ok((text, step.parameters))
}

/// The statement with `{}` for each literal, and how many there are.
pub fn with_holes(sql: &str) -> (String, usize) {
    let (mut text, mut holes) = (String::new(), 0);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '`';
        let word = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let quoted = |at: usize| rest[at..].find('\'').map_or(rest.len(), |end| at + end + 1);
        let literal = match &rest[..word] {
            "X" if rest[1..].starts_with('\'') => Some(quoted(2)),
            "" if first == '\'' => Some(quoted(1)),
            "NULL" if !text.ends_with("IS ") => Some(word),
            "TRUE" | "FALSE" => Some(word),
            number if number.starts_with(|c: char| c.is_ascii_digit()) => Some(word),
            _ => None,
        };
        let taken = literal.unwrap_or(word.max(first.len_utf8()));
        if literal.is_some() {
            text.push_str("{}");
            holes += 1;
        } else {
            text.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    (text, holes)
}

/// The text with a hole for what is random in it: the id of a marker.
fn with_random_id(sql: &str) -> String {
    const DIGITS: usize = 32;
    let mut at = 0;
    while let Some(found) = sql[at..].find("X'") {
        let start = at + found + 2;
        let digits = sql[start..].bytes().take_while(u8::is_ascii_hexdigit);
        if digits.count() == DIGITS {
            return format!("{}{{random}}{}", &sql[..start], &sql[start + DIGITS..]);
        }
        at = start;
    }
    sql.to_owned()
}

fn word(parameter: Parameter) -> String {
    match parameter {
        Parameter::Null => "null".to_owned(),
        Parameter::Text(text) => format!("text {text}"),
        Parameter::Code(Name(name)) => format!("code {name}"),
        Parameter::Number(Name(name)) => format!("number {name}"),
        Parameter::Account(Name(name)) => format!("account {name}"),
        Parameter::AccountOfPage(place) => format!("page {place}"),
        Parameter::Entry => "entry".to_owned(),
        Parameter::Now => "now".to_owned(),
    }
}
