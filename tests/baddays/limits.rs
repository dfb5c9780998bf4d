//! What the operating system lets the process have runs out: memory.

use futures_util::future::join_all;

use super::server::{Place, Server, entries};

/// It may refuse, or be ended by an allocation that fails; what was acknowledged is there afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_that_is_short() {
    let place = Place::new();
    // With as much as it wants: what is short later may be what this needs.
    let mut server = Server::start(&place.url());
    server.open_accounts().await;
    server.kill();
    // In KiB, of address space. The least that it starts with is found out, since it differs with the machine.
    let start = |limit: u32| {
        let started = Server::try_start_in(&format!("ulimit -v {limit}"), &place.url(), &[]);
        started.ok()
    };
    let steps = (1..80).map(|step| step * 100_000);
    let least = steps.clone().find(|limit| start(*limit).is_some()).unwrap();
    let mut server = steps
        .skip_while(|limit| *limit <= least + 100_000)
        .find_map(start)
        .unwrap();
    let mut acknowledged = 0;
    for _ in 0..4 {
        let written = join_all((0..24).map(|_| server.post(8_000))).await;
        let done = written.iter().flatten().filter(|code| code.is_empty());
        acknowledged += i64::try_from(done.count()).unwrap();
    }
    server.kill();
    let server = Server::start(&place.url());
    server.post_many(1).await;
    let found = entries(&place.path).await;
    // Of those that were not answered some may have happened.
    assert!(found > acknowledged, "{found} of {acknowledged} and one");
    assert_eq!(server.ready().await.0, 200);
}
