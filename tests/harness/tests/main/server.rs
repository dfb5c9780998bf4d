//! The private server's life.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use daybook_test_harness::{Engine, TestDatabase, eventually, mariadb, postgres};

/// Set where this file's tests run in a process of their own: to the engine.
const CHILD: &str = "DAYBOOK_TEST_HARNESS_CHILD";

/// Starts a server and says where it is; then waits to be killed.
#[tokio::test]
#[ignore = "runs as the child of the tests below"]
async fn child_that_is_killed() {
    let Ok(engine) = env::var(CHILD) else { return };
    let engine = match engine.as_str() {
        "mariadb" => Engine::MariaDb,
        _ => Engine::Postgres,
    };
    let database = TestDatabase::create(engine).await;
    let observer = database.observer().await;
    let (data, port) = match engine {
        Engine::MariaDb => ("SELECT @@datadir", "SELECT @@port"),
        _ => ("SHOW data_directory", "SHOW port"),
    };
    let (data, port) = (observer.text(data).await, observer.text(port).await);
    println!("\nserver {port} {data}");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_server_ends_with_its_process_even_when_killed() {
    ends_with_its_process("postgres").await;
}

#[tokio::test]
async fn a_server_of_mariadb_ends_with_its_process_even_when_killed() {
    ends_with_its_process("mariadb").await;
}

async fn ends_with_its_process(engine: &str) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "server::child_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD, engine)
        .env_remove(postgres::SERVER_URL)
        .env_remove(mariadb::SERVER_URL)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let place = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("server ").map(str::to_owned))
        .expect("the child says where its server is");
    let (port, data) = place.split_once(' ').unwrap();
    let folder = PathBuf::from(data).parent().unwrap().to_owned();
    assert!(folder.exists());
    let listening = || TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    assert!(listening());

    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the killed process's server is gone", async || !listening()).await;
    eventually("the killed process's folder is gone", async || {
        !folder.exists()
    })
    .await;
}

#[tokio::test]
async fn a_private_server_commits_like_a_real_one() {
    if env::var_os(postgres::SERVER_URL).is_some() {
        return;
    }
    let database = TestDatabase::create(Engine::Postgres).await;
    let observer = database.observer().await;
    assert_eq!(observer.text("SHOW listen_addresses").await, "127.0.0.1");
    assert_eq!(observer.text("SHOW unix_socket_directories").await, "");
    assert_eq!(observer.text("SHOW synchronous_commit").await, "on");
    assert_eq!(observer.text("SHOW deadlock_timeout").await, "100ms");
    assert_eq!(observer.text("SHOW server_encoding").await, "UTF8");
}
