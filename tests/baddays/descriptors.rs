//! File descriptors run out: of the process's connections, of the database's files, or of both.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpStream;

use super::server::Server;

const NONE_LEFT: &str =
    "no new connection can be taken, because there are no file descriptors left";

/// So that no time-out makes room instead.
const PATIENT: [&str; 4] = ["--header-timeout", "10m", "--idle-timeout", "10m"];

const COUNT: &str = "SELECT count(*) FROM entry";

impl Server {
    /// Connections that say nothing.
    async fn silent(&self, connections: usize) -> Vec<TcpStream> {
        let connect = || TcpStream::connect(self.address());
        join_all((0..connections).map(|_| connect()))
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect()
    }

    /// Lets the running process have so many descriptors from now on.
    fn limit_descriptors(&self, most: &str) {
        let status = Command::new("prlimit")
            .args([
                "--pid",
                &self.process_id().to_string(),
                &format!("--nofile={most}:"),
            ])
            .status()
            .expect("prlimit (util-linux) is needed");
        assert!(status.success());
    }

    async fn failures_to_accept(&self) -> u64 {
        let metrics = self.get("/metrics").await;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("http_accept_failures_total "));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

on_every_engine! {
    /// The process may open so few files that it hardly starts. Clients that say nothing take no place of those who ask.
    async fn silent_clients_do_not_take_every_descriptor(test: TestDatabase) {
        let start = |limit: u32| Server::try_start_in(&format!("ulimit -n {limit}"), test.url(), &PATIENT);
        let least = (10..200).find(|limit| start(*limit).is_ok()).expect("it does not start");
        let server = start(least + 4).unwrap().connecting_anew();
        server.open_accounts().await;
        let silent = server.silent(60).await;
        // One after the other, each on a connection of its own.
        let (mut acknowledged, mut unanswered) = (0, 0);
        for n in 0..10 {
            assert_eq!(server.post(10).await.as_deref(), Some(""), "entry {n}");
            assert_eq!(server.read().await.as_deref(), Some(""), "entry {n}");
            acknowledged += 1;
        }
        // All at once: more than there can be connections, of clients or to the database.
        let both = join_all((0..40).map(async |_| (server.post(10).await, server.read().await))).await;
        for code in both.iter().flat_map(|(post, read)| [post, read]).flatten() {
            assert!(["", "DATABASE_UNAVAILABLE", "OVERLOADED"].contains(&code.as_str()), "{both:?}");
        }
        let written = both.iter().filter(|(post, _)| post.as_deref() == Some(""));
        acknowledged += i64::try_from(written.count()).unwrap();
        unanswered += i64::try_from(both.iter().filter(|(post, _)| post.is_none()).count()).unwrap();
        drop(silent);
        eventually("it is as before", async || {
            server.try_ready().await.is_some_and(|(status, _)| status == 200)
        })
        .await;
        for told in [NONE_LEFT, "no connection to the database can be made"] {
            assert!(server.logged(told) <= 1, "{told}");
        }
        drop(server);
        let found = test.observer().await.i64(COUNT).await;
        assert!((acknowledged..=acknowledged + unanswered).contains(&found), "{found} of {acknowledged} and {unanswered}");
    }

    /// From one moment on there is not a single descriptor left, until there are some again.
    async fn a_server_without_a_descriptor_serves_who_is_connected(test: TestDatabase) {
        const STREAM: &str = "subscription { entryPosted { cursor } }";
        let mut server = Server::start_in("", test.url(), &PATIENT);
        server.open_accounts().await;
        // Those that say nothing for longest are the ones that make room.
        let began = Instant::now();
        let idle = server.silent(6).await;
        let mut events = server.events(STREAM).await;
        server.post_many(1).await;
        assert!(events.next().await.contains("\"cursor\""));
        let used = join_all((0..8).map(|_| server.code("{ __typename }", json!({})))).await;
        assert!(used.iter().all(|code| code.as_deref() == Some("")), "{used:?}");

        // Those that have just come would be left alone, and others closed for them.
        while began.elapsed() < Duration::from_millis(100) {
            assert_eq!(server.code("{ __typename }", json!({})).await.as_deref(), Some(""));
        }

        server.limit_descriptors("3");
        let waiting = server.silent(3).await;
        eventually("it is logged", async || server.logged(NONE_LEFT) == 1).await;
        // Who is connected goes on, on the connections to the database that are there.
        for n in 0..20 {
            assert_eq!(server.post(10).await.as_deref(), Some(""), "entry {n}");
            assert!(events.next().await.contains("\"cursor\""));
        }
        // One after the other: the client would make a connection for what comes while all of its own are busy.
        for _ in 0..8 {
            let code = server.read().await.unwrap();
            assert!(["", "DATABASE_UNAVAILABLE"].contains(&code.as_str()), "{code}");
        }
        drop((waiting, idle));

        server.limit_descriptors("1024");
        server = server.connecting_anew();
        eventually("that is logged too", async || {
            server.post_many(1).await;
            assert!(events.next().await.contains("\"cursor\""));
            server.logged("new connections can be taken again") == 1
        })
        .await;
        // It did not ask again and again at once.
        let failures = server.failures_to_accept().await;
        assert!((1..100).contains(&failures), "{failures}");
        assert_eq!(server.logged(NONE_LEFT), 1);
        assert_eq!(server.ready().await.0, 200);
        let acknowledged = server.acknowledged();
        drop(server);
        assert_eq!(test.observer().await.i64(COUNT).await, acknowledged);
    }
}

/// All connections to the database are used, and another one would need a descriptor: that is not the client's doing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_another_connection_to_the_database_is_told_to_come_again() {
    let test = TestDatabase::create(daybook_test_harness::Engine::Postgres).await;
    let server = Server::start_in("", test.url(), &PATIENT);
    server.open_accounts().await;
    let observer = test.observer().await;
    // Accounts that are opened wait for each other in the database alone. (Entries of the same accounts wait without a connection.)
    observer.hold_writers("account").await;
    // The connections of the clients, and no more than one or two to the database.
    join_all((0..8).map(|_| server.code("{ __typename }", json!({})))).await;
    server.limit_descriptors("3");
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let codes: Vec<_> = join_all(names.iter().map(|name| server.open(name, "DEBIT")))
        .await
        .into_iter()
        .flatten()
        .collect();
    let unavailable = codes
        .iter()
        .filter(|code| *code == "DATABASE_UNAVAILABLE")
        .count();
    assert!(unavailable >= 4, "{codes:?}");
    assert_eq!(
        codes.iter().filter(|code| code.is_empty()).count(),
        0,
        "{codes:?}"
    );
    // Each pool says so once.
    let told = server.logged("the process has no file descriptors left: raise `ulimit -n`");
    assert!((1..=3).contains(&told), "{told}");
    observer.execute("ROLLBACK").await;
    server.limit_descriptors("1024");
    let codes = join_all((0..8).map(|_| server.post(10))).await;
    assert!(
        codes.iter().all(|code| code.as_deref() == Some("")),
        "{codes:?}"
    );
    assert_eq!(observer.i64(COUNT).await, 8);
    tokio::time::timeout(Duration::from_secs(10), server.ready())
        .await
        .unwrap();
}
