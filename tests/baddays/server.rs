//! The real binary, started in a shell that limits it or gives it a file system of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use daybook_test_harness::{Engine, Observer};
use serde_json::{Value as Json, json};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Server {
    child: Child,
    base: String,
    log: Arc<Mutex<String>>,
    client: reqwest::Client,
    acknowledged: AtomicI64,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The code of an answer's first error; empty for a success.
pub(super) type Code = String;

impl Server {
    /// Serves the database at a URL.
    pub(super) fn start(url: &str) -> Self {
        Self::start_in("", url, &[])
    }

    /// The same, after these commands of a shell.
    pub(super) fn start_in(shell: &str, url: &str, more: &[&str]) -> Self {
        Self::try_start_in(shell, url, more)
            .unwrap_or_else(|said| panic!("it does not start: {said}"))
    }

    /// What it says where it does not start.
    pub(super) fn try_start_in(shell: &str, url: &str, more: &[&str]) -> Result<Self, String> {
        let mut command = Command::new("unshare");
        if shell.contains("mount ") {
            // Without root, a user namespace allows a file system in memory, and no loop device.
            if fs::metadata("/proc/self").unwrap().uid() != 0 {
                command.arg("--map-root-user");
            }
            command.args(["--mount", "sh"]);
        } else {
            command = Command::new("sh");
        }
        command.args(["-c", &format!("set -e\n{shell}\nexec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_daybook"));
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--no-playground",
            "--deadline",
            "3s",
        ]);
        command.args(["--database", url]).args(more);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("DAYBOOK_") || name.starts_with("OTEL_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh and unshare (util-linux) are needed");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&log);
        let reading = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut said = said.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let Some(base) = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
        else {
            child.wait().unwrap();
            reading.join().unwrap();
            let said = log.lock().unwrap().clone();
            assert!(
                !said.contains("unshare:") && !said.contains("mount:"),
                "this test needs root, mount namespaces and loop devices: {said}"
            );
            return Err(said);
        };
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Ok(Self {
            child,
            base: base.to_owned(),
            log,
            client,
            acknowledged: AtomicI64::new(0),
        })
    }

    /// From now on a client that makes a connection for each request.
    pub(super) fn connecting_anew(mut self) -> Self {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0);
        self.client = client.build().unwrap();
        self
    }

    /// Shows this token from now on.
    pub(super) fn show(&mut self, token: &str) {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .default_headers(headers);
        self.client = client.build().unwrap();
    }

    /// A connection by itself.
    pub(super) async fn connect(&self) -> Wire {
        Wire(
            tokio::net::TcpStream::connect(self.address())
                .await
                .unwrap(),
        )
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub(super) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// How many entries were acknowledged to [`Self::post`].
    pub(super) fn acknowledged(&self) -> i64 {
        self.acknowledged.load(SeqCst)
    }

    /// A path as the server sees it, where it has a file system of its own.
    pub(super) fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    /// How many entries the database has, as somebody else finds it, where the server has a file system of its own. Nothing may be
    /// under way.
    pub(super) async fn entries(&self, place: &Place) -> i64 {
        // SQLite would follow the link of `/proc` by its name, which leads to another file system.
        let copy = Place::new();
        for ending in ["", "-wal"] {
            let from = self.seen(&place.beside(ending));
            if from.exists() {
                fs::copy(from, copy.beside(ending)).unwrap();
            }
        }
        entries(&copy.path).await
    }

    /// Runs a command of a shell where the server sees its files.
    pub(super) fn beside(&self, shell: &str) {
        let status = Command::new("nsenter")
            .args([
                "--mount",
                "-t",
                &self.child.id().to_string(),
                "sh",
                "-c",
                shell,
            ])
            .status()
            .expect("nsenter (util-linux) is needed");
        assert!(status.success(), "{shell}");
    }

    /// Ends it at once, in the middle of whatever it does.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How often the log has this.
    pub(super) fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().matches(text).count()
    }

    /// Posts a GraphQL request: `None` where no answer came.
    pub(super) async fn send(&self, query: &str, variables: Json) -> Option<Json> {
        let body = json!({ "query": query, "variables": variables });
        let request = self
            .client
            .post(format!("{}/graphql", self.base))
            .json(&body);
        request.send().await.ok()?.json().await.ok()
    }

    /// Posts a GraphQL request that asks for statuses: the whole answer.
    pub(super) async fn answer(&self, query: &str, variables: Json) -> reqwest::Response {
        let body = json!({ "query": query, "variables": variables });
        let request = self
            .client
            .post(format!("{}/graphql", self.base))
            .json(&body);
        let request = request.header("accept", "application/graphql-response+json");
        request.send().await.unwrap()
    }

    pub(super) async fn code(&self, query: &str, variables: Json) -> Option<Code> {
        let answer = self.send(query, variables).await?;
        let code = &answer["errors"][0]["extensions"]["code"];
        assert!(
            answer.get("errors").is_none() || code.is_string(),
            "{answer}"
        );
        Some(code.as_str().unwrap_or_default().to_owned())
    }

    /// Makes the accounts that entries are posted to.
    pub(super) async fn open_accounts(&self) {
        for (code, side) in [("cash", "DEBIT"), ("alice", "CREDIT")] {
            let input =
                json!({ "code": code, "name": code, "currency": "EUR", "normalSide": side });
            let open = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }";
            assert_eq!(
                self.code(open, json!({ "input": input })).await.unwrap(),
                ""
            );
        }
    }

    /// Posts an entry with a description of this many characters: the code of the answer, if one came.
    pub(super) async fn post(&self, characters: usize) -> Option<Code> {
        let line = json!({ "debit": { "code": "cash" }, "credit": { "code": "alice" }, "amount": "1", "currency": "EUR" });
        let input = json!({ "lines": [line], "metadata": { "note": "x".repeat(characters) } });
        let code = self.code(POST, json!({ "input": input })).await;
        if code.as_deref() == Some("") {
            self.acknowledged.fetch_add(1, SeqCst);
        }
        code
    }

    /// Posts as many entries, all of which must be acknowledged.
    pub(super) async fn post_many(&self, entries: usize) {
        for n in 0..entries {
            assert_eq!(self.post(10).await.as_deref(), Some(""), "entry {n}");
        }
    }

    pub(super) async fn read(&self) -> Option<Code> {
        self.code("{ accounts { pageInfo { hasNextPage } } }", json!({}))
            .await
    }

    /// The status and text of `/readyz`.
    pub(super) async fn ready(&self) -> (u16, String) {
        self.try_ready().await.unwrap()
    }

    /// The same, where the connection may be closed instead.
    pub(super) async fn try_ready(&self) -> Option<(u16, String)> {
        let answer = self
            .client
            .get(format!("{}/readyz", self.base))
            .send()
            .await
            .ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// What a path answers.
    pub(super) async fn get(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await;
        answer.unwrap().text().await.unwrap()
    }

    /// Subscribes over server-sent events.
    pub(super) async fn events(&self, subscription: &str) -> Events {
        let body = json!({ "query": subscription });
        let request = self
            .client
            .post(format!("{}/graphql", self.base))
            .json(&body);
        let response = request
            .header("accept", "text/event-stream")
            .send()
            .await
            .unwrap();
        Events {
            response,
            rest: String::new(),
        }
    }
}

/// A connection on which one request follows the other.
pub(super) struct Wire(tokio::net::TcpStream);

impl Wire {
    /// The answer to a GET; empty where the connection is closed.
    pub(super) async fn ask(&mut self, path: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let mut answer = vec![0; 4096];
        let length = match self.0.write_all(request.as_bytes()).await {
            Ok(()) => self.0.read(&mut answer).await.unwrap_or(0),
            Err(_) => 0,
        };
        String::from_utf8(answer[..length].to_vec()).unwrap()
    }
}

/// A stream of server-sent events.
pub(super) struct Events {
    response: reqwest::Response,
    rest: String,
}

impl Events {
    /// Waits until the server ends it.
    pub(super) async fn end(mut self) {
        let end = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        let end = tokio::time::timeout(PATIENCE / 2, end).await;
        end.expect("the stream goes on");
    }

    /// The data of the next event.
    pub(super) async fn next(&mut self) -> String {
        loop {
            while let Some((event, rest)) = self.rest.split_once("\n\n") {
                let event = event.to_owned();
                self.rest = rest.to_owned();
                if let Some((_, data)) =
                    event.split_once("data:").filter(|(_, data)| data.len() > 2)
                {
                    return data.to_owned();
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk
                .expect("no event comes")
                .unwrap()
                .expect("the stream has ended");
            self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

pub(super) const POST: &str =
    "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id recordedAt } } }";

/// A database in a folder of its own.
pub(super) struct Place {
    _folder: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::TempDir::with_prefix("daybook-bad-day.").unwrap();
        // A folder in it, that can be moved, and mounted on.
        let inner = folder.path().join("data");
        fs::create_dir(&inner).unwrap();
        Self {
            path: inner.join("x.db"),
            _folder: folder,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap()
    }

    pub(super) fn url(&self) -> String {
        url(&self.path)
    }

    pub(super) fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(ending);
        path.into()
    }
}

pub(super) fn url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

/// How many entries a file has, as somebody else finds it.
pub(super) async fn entries(path: &Path) -> i64 {
    let url = format!("sqlite://{}", path.display());
    let observer = Observer::connect(Engine::Sqlite, &url).await;
    assert_eq!(observer.text("PRAGMA integrity_check").await, "ok");
    observer.i64("SELECT count(*) FROM entry").await
}
