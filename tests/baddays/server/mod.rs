//! The real binary, started in a shell that limits it or gives it a file system of its own.

mod place;
mod wire;

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
};

use serde_json::{Value as Json, json};

pub(super) use self::place::{Place, entries, url};
use self::wire::{Events, PATIENCE, Wire};

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
        Wire::connect(self.address()).await
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

    fn request(&self, body: &Json) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}/graphql", self.base))
            .json(body)
    }

    /// Posts a GraphQL request: `None` where no answer came.
    pub(super) async fn send(&self, query: &str, variables: Json) -> Option<Json> {
        let request = self.request(&json!({ "query": query, "variables": variables }));
        request.send().await.ok()?.json().await.ok()
    }

    /// The same with extensions, and no variables.
    pub(super) async fn send_with(&self, query: &str, extensions: Json) -> Option<Json> {
        let request = self.request(&json!({ "query": query, "extensions": extensions }));
        request.send().await.ok()?.json().await.ok()
    }

    /// Posts a GraphQL request that asks for statuses: the whole answer.
    pub(super) async fn answer(&self, query: &str, variables: Json) -> reqwest::Response {
        let request = self.request(&json!({ "query": query, "variables": variables }));
        let request = request.header("accept", "application/graphql-response+json");
        request.send().await.unwrap()
    }

    /// Posts a GraphQL request with an idempotency key: the whole answer.
    pub(super) async fn answer_with_key(
        &self,
        key: &str,
        query: &str,
        variables: Json,
    ) -> reqwest::Response {
        let request = self.request(&json!({ "query": query, "variables": variables }));
        let request = request.header("idempotency-key", format!("\"{key}\""));
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
            assert_eq!(self.open(code, side).await.unwrap(), "");
        }
    }

    /// Opens an account: the code of the answer, if one came.
    pub(super) async fn open(&self, code: &str, side: &str) -> Option<Code> {
        let input = json!({ "code": code, "name": code, "currency": "EUR", "normalSide": side });
        let open = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id } } }";
        self.code(open, json!({ "input": input })).await
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
        Events::of(response)
    }
}

pub(super) const POST: &str =
    "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id recordedAt } } }";
