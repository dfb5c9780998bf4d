//! The commands, and what others make of their files.

use daybook::ledger::decimal;
use daybook_test_harness::{Engine, Observer};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

/// Accounts with what is on them, debits positive: `12.34 EUR`, or `0`.
pub(super) type Balances = BTreeMap<String, String>;

/// Starts the command, with `input` on its standard input.
pub(crate) fn start(program: &str, args: &[&str], input: &str) -> Child {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DAYBOOK_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be run ({error}): apt-get install hledger ledger")
        });
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Beside, for a program may answer before it has read everything; or end, and close its side.
    std::thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    child
}

pub(crate) fn daybook(args: &[&str], input: &str) -> Output {
    start(env!("CARGO_BIN_EXE_daybook"), args, input)
        .wait_with_output()
        .unwrap()
}

pub(super) fn import(url: &str, format: &str, text: &str) -> Output {
    daybook(
        &["import", "--format", format, "--database", url, "-"],
        text,
    )
}

/// What an import that works says.
pub(super) fn imported(url: &str, format: &str, text: &str) -> String {
    let output = import(url, format, text);
    assert!(output.status.success(), "{}\n{text}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn export(url: &str, format: &str) -> String {
    let output = daybook(&["export", "--format", format, "--database", url], "");
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What hledger says is on every account of a journal.
pub(super) fn hledger_balances(journal: &str) -> Balances {
    let text = balance("hledger", journal, ["--output-format", "csv"]);
    csv::Reader::from_reader(text.as_bytes())
        .into_deserialize::<(String, String)>()
        .map(Result::unwrap)
        .collect()
}

/// What ledger says is on every account of a journal that has had more than nothing on it.
pub(super) fn ledger_balances(journal: &str) -> Balances {
    let text = balance("ledger", journal, ["--format", "%(account)\t%(amount)\n"]);
    text.lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(account, amount)| (account.to_owned(), amount.to_owned()))
        .collect()
}

fn balance(program: &str, journal: &str, output: [&str; 2]) -> String {
    let mut args = vec!["-f", "-", "balance", "--no-total", "--flat", "--empty"];
    args.extend(output);
    let output = start(program, &args, journal).wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{journal}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What the tables say is on every account that a line of the ledger has moved money on.
pub(super) async fn balances(observer: &Observer) -> Balances {
    let rows = observer
        .texts(
            "SELECT CAST(debits_posted - credits_posted AS text) || ' ' || CAST(exponent AS text) || ' ' || currency || ' ' || account.code
             FROM account JOIN currency ON currency.code = currency
             WHERE debits_posted > 0 OR credits_posted > 0 ORDER BY account.code",
        )
        .await;
    let mut balances = Balances::new();
    for row in rows.into_iter().flatten() {
        let mut parts = row.splitn(4, ' ');
        let mut next = || parts.next().unwrap().to_owned();
        let (amount, exponent, currency, code) = (
            next().parse().unwrap(),
            next().parse().unwrap(),
            next(),
            next(),
        );
        let symbol = if currency.contains(|c: char| c.is_ascii_digit()) {
            format!("\"{currency}\"")
        } else {
            currency
        };
        let text = if amount == 0 {
            "0".to_owned()
        } else {
            format!("{} {symbol}", decimal(amount, exponent))
        };
        balances.insert(code, text);
    }
    balances
}

/// How many rows the tables have that an import writes to.
pub(super) async fn rows(observer: &Observer) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in [
        "currency",
        "account",
        "entry",
        "entry_line",
        "outbox",
        "import",
        "late_line",
        "late_place",
        "late_total",
    ] {
        let table = match table {
            "outbox" => every_event(observer.engine()),
            table => table,
        };
        rows.push(
            observer
                .i64(&format!("SELECT COUNT(*) FROM {table} AS counted"))
                .await,
        );
    }
    rows
}

/// The table of events. On MariaDB, the last ones have no number until somebody looks; here they have the next ones.
pub(crate) fn every_event(engine: Engine) -> &'static str {
    match engine {
        Engine::MariaDb => {
            "(SELECT seq, entry_id, account_id, revision FROM outbox UNION ALL
              SELECT (SELECT COALESCE(MAX(seq), 0) FROM outbox) + ROW_NUMBER() OVER (ORDER BY id), entry_id, account_id, revision
              FROM outbox_unnumbered)"
        }
        Engine::Sqlite | Engine::Postgres => "outbox",
    }
}
