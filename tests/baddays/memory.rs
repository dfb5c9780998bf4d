//! What clients choose to send must not decide how much memory the server takes.

use std::fs;

use futures_util::future::join_all;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::server::{Place, Server};

/// Documents that differ push each other out of the caches, and the memory of those that went is there for the next. Each is sent once by
/// itself, and once with its hash, to be kept under that as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_white_space() {
    // The caches have 48 MiB, and the rest is for the server itself and for what is under way.
    const MIB: u64 = 160;
    let place = Place::new();
    let server = Server::start(&place.url());
    let send = async |client: usize| {
        for n in 0..20 {
            let query = format!("{{ __typename }}{}# {client} {n}", " ".repeat(1_000_000));
            let hash = Sha256::digest(&query);
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let persisted = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
            for extensions in [json!({}), persisted] {
                let answer = server.send_with(&query, extensions).await.unwrap();
                assert_eq!(answer, json!({ "data": { "__typename": "Query" } }));
            }
        }
    };
    join_all((0..8).map(send)).await;
    let status = fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let most = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = most.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kib < MIB * 1024, "{kib} KiB");
}
