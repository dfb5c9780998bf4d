//! The `daybook` command: settings, exit codes, signals.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Output, Stdio},
};

use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

use super::PATIENCE;

fn daybook(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    command.current_dir(folder.path()).args(args);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("DAYBOOK_") || name.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
}

pub(super) fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = daybook(&folder, args);
    command.envs(variables.iter().copied()).output().unwrap()
}

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server that has said where it listens.
pub(super) struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    log: mpsc::UnboundedReceiver<String>,
    announcement: String,
    _folder: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(super) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    pub(super) fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = daybook(&folder, args)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let _ = lines.send(line.unwrap());
            }
        });
        let mut announcement = String::new();
        stdout.read_line(&mut announcement).unwrap();
        Self {
            child,
            stdout,
            log,
            announcement,
            _folder: folder,
        }
    }

    pub(super) fn base(&self) -> &str {
        self.announcement
            .split_whitespace()
            .find(|word| word.starts_with("http://") || word.starts_with("https://"))
            .unwrap_or_else(|| panic!("{:?} names no address", self.announcement))
    }

    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Comes back when the log has a line with this in it.
    pub(super) async fn logged(&mut self, text: &str) {
        let line = async {
            while let Some(line) = self.log.recv().await {
                if line.contains(text) {
                    return true;
                }
            }
            false
        };
        let is_logged = timeout(PATIENCE, line).await;
        assert_eq!(is_logged, Ok(true), "it does not log {text:?}");
    }

    /// The exit code, and what was said on standard output after the announcement and on standard error.
    pub(super) fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        while let Some(line) = self.log.blocking_recv() {
            said.push_str(&line);
            said.push('\n');
        }
        (status.code(), said)
    }
}

#[tokio::test]
async fn serve_is_the_default_and_port_0_is_announced_as_the_real_one() {
    for args in [
        &["--listen", "127.0.0.1:0", "--no-playground"][..],
        &["serve", "--listen", "127.0.0.1:0", "--no-playground"],
    ] {
        let server = Running::start(args);
        assert_eq!(
            server.announcement,
            format!(
                "Daybook is listening on {} (GraphQL at /graphql)\n",
                server.base()
            )
        );
        let ready = reqwest::get(format!("{}/readyz", server.base()))
            .await
            .unwrap();
        assert_eq!(ready.status(), 200);
        let page = reqwest::get(server.base()).await.unwrap();
        assert_eq!(page.status(), 404);
    }
    let with_playground = Running::start(&["--listen", "127.0.0.1:0"]);
    assert!(
        with_playground
            .announcement
            .contains("(GraphiQL at /, GraphQL at /graphql)")
    );
    let page = reqwest::get(with_playground.base()).await.unwrap();
    assert_eq!(page.status(), 200);
}

#[test]
fn a_signal_stops_the_server_cleanly() {
    for signal in ["TERM", "INT"] {
        let server = Running::start(&["--listen", "127.0.0.1:0"]);
        server.signal(signal);
        let (code, said) = server.ended();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("stopped"), "{said}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    // The notice keeps the first from ending it.
    let mut server = Running::start(&["--listen", "127.0.0.1:0", "--notice", "1h"]);
    server.signal("TERM");
    server.logged("stopping").await;
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn every_wrong_setting_is_listed_at_once() {
    let output = run(
        &["--listen", "nonsense", "--drain", "soon"],
        &[
            ("DAYBOOK_DATABASE_URL", "mysql://ann:hunter2@db/x"),
            ("DAYBOOK_MAX_CONNECTIONS", "0"),
            ("DAYBOOK_DRAIN", "1s"),
            ("DAYBOOK_LOG_FORMAT", "xml"),
        ],
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for line in [
        "daybook: 5 settings are wrong",
        "  --listen is \"nonsense\"; expected a host and a port, such as 127.0.0.1:8000 or [::]:8000",
        "  DAYBOOK_DATABASE_URL is wrong; expected a URL that begins with sqlite:// or postgres://",
        "  DAYBOOK_MAX_CONNECTIONS is \"0\"; expected a number from 1 to 10000",
        "  --drain is \"soon\"; expected a time of at most a day, such as 30s, 500ms or 2m",
        "  DAYBOOK_LOG_FORMAT is \"xml\"; expected text or json",
    ] {
        assert!(
            said.lines().any(|said| said == line),
            "{line:?} is not in:\n{said}"
        );
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn trusted_documents_are_read_before_the_server_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.json");
    std::fs::write(&file, "[]").unwrap();
    let file = file.to_str().unwrap();
    for (args, said) in [
        (
            &["--only-trusted-documents"][..],
            "daybook: --only-trusted-documents is wrong; expected a manifest with it: --trusted-documents",
        ),
        (
            &["--trusted-documents", file],
            "expected the name of a JSON object from ids to documents, or Apollo's persisted query manifest",
        ),
        (
            &["--trusted-documents", "/nowhere"],
            "expected a file that can be read (No such file",
        ),
    ] {
        let output = run(args, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

#[test]
fn it_does_not_listen_beyond_loopback_without_authentication() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let output = run(&["--listen", listen], &[]);
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(
            said.contains(&format!(
                "--listen is {listen:?}; expected a loopback address, authentication"
            )),
            "{said}"
        );
    }
    let server = Running::start(&["--listen", "0.0.0.0:0", "--without-authentication"]);
    server.signal("TERM");
    let (code, said) = server.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("there is no authentication"), "{said}");
}

#[test]
fn authentication_wants_a_key_an_issuer_and_an_audience() {
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short");
    std::fs::write(&short, "hunter2\n").unwrap();
    let output = run(
        &[
            "--no-metrics",
            "--jwt-secret-file",
            short.to_str().unwrap(),
            "--jwt-issuer",
            "me",
        ],
        &[],
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "a file with a secret of at least 32 bytes",
        "--jwt-audience is wrong; expected a text",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let output = run(
        &[
            "--jwks",
            "/nowhere",
            "--allow-origin",
            "https://a.example,*",
        ],
        &[],
    );
    let said = stderr(&output);
    for part in [
        "--jwks is \"/nowhere\"; expected a file that can be read",
        "--allow-origin is \"*\"; expected an origin",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_command_reads_its_own_settings() {
    let output = run(&["migrate", "--database", "mysql://x", "--log", ""], &[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("--database is wrong") && said.contains("--log is \"\""),
        "{said}"
    );
    assert_eq!(
        run(&["migrate"], &[("DAYBOOK_LISTEN", "nonsense")])
            .status
            .code(),
        Some(0)
    );
}

#[test]
fn a_mistake_of_usage_is_exit_2() {
    assert_eq!(run(&["--no-such-flag"], &[]).status.code(), Some(2));
    assert_eq!(run(&["frobnicate"], &[]).status.code(), Some(2));
}

#[test]
fn help_shows_every_setting_and_no_secret() {
    let output = run(
        &["--help"],
        &[("DAYBOOK_DATABASE_URL", "postgres://ann:hunter2@db/x")],
    );
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for setting in [
        "--listen",
        "--database",
        "--max-connections",
        "--deadline",
        "--notice",
        "--drain",
        "--no-migrate",
        "--no-playground",
        "--tls-certificate",
        "--tls-key",
        "--jwt-secret-file",
        "--jwks",
        "--jwt-issuer",
        "--jwt-audience",
        "--without-authentication",
        "--allow-origin",
        "--max-operations",
        "--max-body",
        "--max-batch",
        "--max-tokens",
        "--max-depth",
        "--max-complexity",
        "--max-aliases",
        "--max-root-fields",
        "--max-directives",
        "--persisted-bytes",
        "--trusted-documents",
        "--only-trusted-documents",
        "--no-introspection",
        "--otlp-endpoint",
        "--otlp-traces-endpoint",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "--log",
        "--log-format",
        "DAYBOOK_LISTEN",
        "DAYBOOK_DATABASE_URL",
        "serve",
        "migrate",
        "schema",
    ] {
        assert!(help.contains(setting), "{setting} is not in:\n{help}");
    }
    assert!(!help.contains("hunter2"), "{help}");
}

#[test]
fn schema_prints_the_sdl_and_nothing_else() {
    let output = run(&["schema"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("type Query"));
    assert_eq!(stderr(&output), "");
}

#[test]
fn schema_check_says_what_changed_and_whether_it_breaks() {
    let check = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schema.graphql");
        std::fs::write(&file, text).unwrap();
        let output = run(&["schema", "--check", file.to_str().unwrap()], &[]);
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        (output.status.code(), said, stderr(&output))
    };
    let schema = daybook::graphql::sdl();
    assert_eq!(check(&schema), (Some(0), String::new(), String::new()));
    let before = schema.replacen("scalar CurrencyCode", "scalar CurrencyCode\nscalar Old", 1);
    let before = before.replacen("type Currency {", "type Currency {\n  old: Int", 1);
    assert_eq!(
        check(&before),
        (
            Some(1),
            "breaking: Currency.old: the field was removed\nbreaking: Old: the type was removed\n"
                .to_owned(),
            "daybook: 2 of the changes break clients\n".to_owned(),
        )
    );
    let (code, _, said) = check("type {");
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("daybook: cannot compare the schema with "),
        "{said}"
    );
}

#[test]
fn a_port_in_use_is_one_line_and_exit_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address, "--log", "error"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        format!(
            "daybook: cannot listen on {address}: the address is in use; choose another with --listen\n"
        )
    );
}

#[test]
fn log_lines_are_json_where_that_is_asked_for() {
    let server = Running::start(&["--listen", "127.0.0.1:0", "--log-format", "json"]);
    server.signal("TERM");
    let (_, said) = server.ended();
    let lines: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?} is not JSON")))
        .collect();
    let listening = lines
        .iter()
        .find(|line| line["message"] == "listening")
        .unwrap();
    assert!(listening["address"].is_string(), "{listening}");
}

/// The ledger's own accounts, and an entry that moves a cent to the second.
const ACCOUNTS: &str = r#"mutation {
  a: openAccount(input: { code: "a", name: "A", currency: "EUR", normalSide: DEBIT }) { account { id } }
  b: openAccount(input: { code: "b", name: "B", currency: "EUR", normalSide: CREDIT }) { account { id } }
}"#;
const POST: &str = r#"mutation { postEntry(input: { lines: [
  { debit: { code: "a" }, credit: { code: "b" }, amount: "1", currency: "EUR" }
] }) { entry { id } } }"#;

async fn post(client: &reqwest::Client, base: &str, query: &str) -> reqwest::Result<Json> {
    let body = serde_json::json!({ "query": query });
    let response = client
        .post(format!("{base}/graphql"))
        .json(&body)
        .send()
        .await?;
    response.json().await
}

#[tokio::test]
async fn what_is_counted_is_told_to_prometheus() {
    let server = Running::start(&["--listen", "127.0.0.1:0"]);
    let client = reqwest::Client::new();
    let body = serde_json::json!({ "query": ACCOUNTS, "extensions": { "idempotencyKey": "once" } });
    for _ in 0..2 {
        let request = client
            .post(format!("{}/graphql", server.base()))
            .json(&body);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let metrics = reqwest::get(format!("{}/metrics", server.base()))
        .await
        .unwrap();
    assert!(
        metrics.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    let text = metrics.text().await.unwrap();
    for line in [
        "unit_of_work_replayed_total 1",
        "graphql_operations_in_flight 0",
        "graphql_sockets_open 0",
    ] {
        assert!(
            text.lines().any(|said| said == line),
            "{line} is not in:\n{text}"
        );
    }
    assert!(text.contains("unit_of_work_held_seconds_bucket"), "{text}");

    let without = Running::start(&["--listen", "127.0.0.1:0", "--no-metrics"]);
    let metrics = reqwest::get(format!("{}/metrics", without.base()))
        .await
        .unwrap();
    assert_eq!(metrics.status(), 404);
}

on_every_engine! {
    /// Clients that post all the while a server is asked to stop: what it answered is there, and what is there it answered.
    async fn a_drain_under_load_loses_no_committed_response(test: TestDatabase) {
        let server = Running::start(&["--listen", "127.0.0.1:0", "--database", test.url(), "--log", "warn"]);
        let client = reqwest::Client::new();
        post(&client, server.base(), ACCOUNTS).await.unwrap();
        let posting = (0..8).map(|_| {
            let (client, base) = (client.clone(), server.base().to_owned());
            tokio::spawn(async move {
                let mut answered = 0;
                // Bounded, and ended by the server that goes.
                while answered < 10_000 && let Ok(response) = post(&client, &base, POST).await {
                    assert_eq!(response.get("errors"), None, "{response}");
                    answered += 1;
                }
                answered
            })
        });
        let posting: Vec<_> = posting.collect();
        let observer = test.observer().await;
        eventually("the load is on", async || observer.i64("SELECT COUNT(*) FROM entry").await > 20).await;
        server.signal("TERM");
        let (code, said) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
        assert_eq!(code, Some(0), "{said}");
        let mut answered: i64 = 0;
        for client in posting {
            answered += i64::from(client.await.unwrap());
        }
        assert_eq!(observer.i64("SELECT COUNT(*) FROM entry").await, answered);
    }
}

on_every_engine! {
    /// What has expired is deleted while the server serves, and nothing else.
    async fn expired_idempotency_keys_are_swept(test: TestDatabase) {
        let url = daybook::config::DatabaseUrl::parse(test.url()).unwrap();
        daybook::database::migrate(&url).await.unwrap();
        let observer = test.observer().await;
        observer.execute(
            "INSERT INTO unit_of_work_idempotency (viewer, idempotency_key, fingerprint, expires_at) \
             VALUES ('', 'old', '', 1), ('', 'new', '', 9000000000000000000)",
        ).await;
        let server = Running::start(&["--listen", "127.0.0.1:0", "--database", test.url()]);
        eventually("the expired key is gone", async || {
            observer.texts("SELECT idempotency_key FROM unit_of_work_idempotency").await == [Some("new".to_owned())]
        }).await;
        server.signal("TERM");
        let (code, said) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
        assert_eq!(code, Some(0), "{said}");
    }
}
