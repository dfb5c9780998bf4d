//! Several servers on one PostgreSQL, behind haproxy with the file that is delivered for it.

use std::{
    collections::HashSet,
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use daybook_test_harness::{Engine, TestDatabase, eventually};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::binary::Running;

const ACCOUNTS: &str = r#"mutation {
  a: openAccount(input: { code: "a", name: "A", currency: "EUR", normalSide: DEBIT }) { account { id } }
  b: openAccount(input: { code: "b", name: "B", currency: "EUR", normalSide: CREDIT }) { account { id } }
}"#;
const POST: &str = r#"mutation { postEntry(input: { lines: [
  { debit: { code: "a" }, credit: { code: "b" }, amount: "1", currency: "EUR" }
] }) { entry { id } } }"#;
const FEED: &str =
    "subscription ($after: String) { entryPosted(after: $after) { cursor entry { id } } }";

/// haproxy on a port of its own. It is killed when it is dropped.
struct Proxy {
    child: Child,
    base: String,
    _folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `packaging/haproxy.cfg` at this port, for these servers instead of Compose's.
fn configuration(port: u16, servers: &[&Running]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/haproxy.cfg");
    let delivered = fs::read_to_string(path).unwrap();
    let (mut lines, mut replaced) = (Vec::new(), 0);
    for line in delivered.lines() {
        match line.trim() {
            "bind :8000" => lines.push(format!("bind 127.0.0.1:{port}")),
            template if template.starts_with("server-template ") => {
                for (number, server) in servers.iter().enumerate() {
                    let address = server.base().trim_start_matches("http://");
                    lines.push(format!("server s{number} {address} check"));
                }
            }
            _ => {
                lines.push(line.to_owned());
                continue;
            }
        }
        replaced += 1;
    }
    assert_eq!(replaced, 2, "{delivered}");
    lines.join("\n") + "\n"
}

impl Proxy {
    fn start(servers: &[&Running]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Free just now: nothing tells haproxy to choose one and to say which.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let file = folder.path().join("haproxy.cfg");
        fs::write(&file, configuration(port, servers)).unwrap();
        // Debian has it in /usr/sbin, which is not in everybody's PATH.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let child = Command::new("haproxy")
            .env("PATH", path)
            .args(["-db", "-f"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("haproxy is missing: .ci/test installs it");
        Self {
            child,
            base: format!("http://127.0.0.1:{port}"),
            _folder: folder,
        }
    }
}

async fn post(client: &reqwest::Client, base: &str, query: &str) -> reqwest::Result<Json> {
    let body = json!({ "query": query });
    let request = client.post(format!("{base}/graphql")).json(&body);
    let response = request.send().await?;
    response.error_for_status()?.json().await
}

/// Hears the feed from its beginning until it has heard all entries that there are once all are posted; begins again at its cursor when a
/// stream ends. Answers how many streams that took.
async fn follow(
    base: String,
    is_all_posted: CancellationToken,
    wanted: impl AsyncFn() -> usize,
) -> usize {
    let client = reqwest::Client::new();
    let (mut after, mut heard, mut streams) = (json!("0"), HashSet::new(), 0);
    loop {
        streams += 1;
        let body = json!({ "query": FEED, "variables": { "after": after } });
        let request = client
            .post(format!("{base}/graphql"))
            .header("accept", "text/event-stream")
            .json(&body);
        let mut response = request.send().await.unwrap().error_for_status().unwrap();
        let mut text = String::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((event, rest)) = text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                let event =
                    data.map(|data| serde_json::from_str::<Json>(data.trim()).unwrap_or_default());
                text = rest.to_owned();
                let Some(mut event) = event.filter(|event| event["data"].is_object()) else {
                    continue;
                };
                let posted = &mut event["data"]["entryPosted"];
                after = posted["cursor"].take();
                let id = posted["entry"]["id"].as_str().unwrap().to_owned();
                assert!(heard.insert(id), "an entry was heard twice");
            }
            if is_all_posted.is_cancelled() && heard.len() >= wanted().await {
                return streams;
            }
        }
    }
}

/// Each server is stopped and started again while clients post and listen: nobody is refused, nothing is lost, and nothing is heard twice.
#[tokio::test(flavor = "multi_thread")]
async fn servers_are_replaced_one_after_the_other_and_no_client_notices() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let start = |listen: &str| {
        Running::start(&[
            "--listen",
            listen,
            "--database",
            test.url(),
            "--notice",
            "3s",
            "--log",
            "warn",
        ])
    };
    let mut servers = vec![start("127.0.0.1:0"), start("127.0.0.1:0")];
    let proxy = Proxy::start(&servers.iter().collect::<Vec<_>>());
    let client = reqwest::Client::new();
    eventually("the proxy leads to a server", async || {
        post(&client, &proxy.base, "{ __typename }").await.is_ok()
    })
    .await;
    post(&client, &proxy.base, ACCOUNTS).await.unwrap();

    let is_over = CancellationToken::new();
    let posting: Vec<_> = (0..4)
        .map(|_| {
            let (base, is_over) = (proxy.base.clone(), is_over.clone());
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                let mut answered = 0_usize;
                while !is_over.is_cancelled() {
                    let answer = post(&client, &base, POST).await.unwrap();
                    assert_eq!(answer.get("errors"), None, "{answer}");
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    let is_all_posted = CancellationToken::new();
    let observer = Arc::new(test.observer().await);
    let wanted = {
        let observer = observer.clone();
        async move || usize::try_from(observer.i64("SELECT COUNT(*) FROM entry").await).unwrap()
    };
    let following = tokio::spawn(follow(proxy.base.clone(), is_all_posted.clone(), wanted));

    // By more than what its own jobs commit.
    let serves = async |base: &str| {
        let metrics = client.get(format!("{base}/metrics")).send().await.unwrap();
        let text = metrics.text().await.unwrap();
        text.lines()
            .filter_map(|line| line.strip_prefix("unit_of_work_committed_total "))
            .any(|count| count.parse::<u64>().unwrap() > 30)
    };
    for _ in 0..2 {
        for server in &servers {
            eventually("both serve", async || serves(server.base()).await).await;
        }
        let old = servers.remove(0);
        let listen = old.base().trim_start_matches("http://").to_owned();
        old.signal("TERM");
        let (code, said) = tokio::task::spawn_blocking(|| old.ended()).await.unwrap();
        assert_eq!(code, Some(0), "{said}");
        servers.push(start(&listen));
    }
    for server in &servers {
        eventually("both serve again", async || serves(server.base()).await).await;
    }
    is_over.cancel();
    let mut answered = 0;
    for client in posting {
        answered += client.await.unwrap();
    }
    is_all_posted.cancel();
    // What wakes the listener if it has heard everything already.
    post(&client, &proxy.base, POST).await.unwrap();
    assert_eq!(
        usize::try_from(observer.i64("SELECT COUNT(*) FROM entry").await).unwrap(),
        answered + 1
    );
    let streams = timeout(Duration::from_secs(60), following).await;
    let streams = streams
        .expect("the listener has not heard everything")
        .unwrap();
    assert!(streams > 1, "the listener was never interrupted");
}
