//! The power is cut: whatever was acknowledged is in the files, and each operation is in them as a whole or not at all.
//!
//! The files are copied at random moments while clients write. What was written to the log after the last COMMIT that was acknowledged
//! may not have reached the disk: in the copy the log ends somewhere behind it, at any byte, or goes on with other bytes. What comes
//! before has reached it, since the writer syncs each COMMIT (`connect::sqlite_is_as_asked`).

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_graphql::{Executor, Request};
use daybook_test_harness::{Engine, Observer};

use super::scene::{Scene, commit_ends, patient};
use crate::stage::lock;

const CLIENTS: usize = 8;

/// The marks that were acknowledged.
type Acknowledged = Mutex<BTreeSet<String>>;

/// A number below `bound`, at random.
fn random(bound: usize) -> usize {
    let (_, number) = uuid::Uuid::new_v4().as_u64_pair();
    usize::try_from(number).expect("has 64 bits") % bound
}

/// Writes until it is over; now and then something that COMMIT refuses, or that is refused before.
async fn write(scene: Arc<Scene>, acknowledged: Arc<Acknowledged>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::SeqCst) {
        let name = uuid::Uuid::new_v4().to_string();
        let more = match random(20) {
            0 => "orphan",
            1 => "refuse",
            _ => "",
        };
        let mutation = format!("mutation {{ increment mark(name: \"{name}\") {more} }}");
        let response = scene.retrying.execute(Request::new(mutation)).await;
        if response.is_ok() {
            lock(&acknowledged).insert(name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_power_cut() {
    for _ in 0..6 {
        let scene = Arc::new(Scene::new(patient()).await);
        let acknowledged = Arc::<Acknowledged>::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (acknowledged, is_over) = (Arc::clone(&acknowledged), Arc::clone(&is_over));
                tokio::spawn(write(Arc::clone(&scene), acknowledged, is_over))
            })
            .collect();
        for _ in 0..10 {
            // A random moment is when a random number of them has been acknowledged.
            let until = lock(&acknowledged).len() + random(10);
            while lock(&acknowledged).len() < until {
                tokio::task::yield_now().await;
            }
            check_after_a_cut(&scene, &acknowledged).await;
        }
        is_over.store(true, Ordering::SeqCst);
        for client in clients {
            client.await.expect("no panic");
        }
        let count = i64::try_from(lock(&acknowledged).len()).expect("fits");
        assert_eq!(scene.counter().await, count);
        let commits = i64::try_from(scene.commits()).expect("fits");
        assert!(
            commits < count,
            "{commits} COMMITs of {count} mutations: none was shared"
        );
    }
}

/// Copies the files as they may be found after a power cut, and looks for what was acknowledged.
async fn check_after_a_cut(scene: &Scene, acknowledged: &Acknowledged) {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    let acknowledged = lock(acknowledged).clone();
    let log = scene.log();
    let synced = commit_ends(&log).last().unwrap_or_default();
    assert!(
        log.len() < 1000 * 4096,
        "the log may have been moved into the file"
    );
    // The log has grown on since.
    let mut log = scene.log();
    assert!(log.len() >= synced, "the log was begun anew");
    let tail = &mut log[synced..];
    match (random(3), tail.len()) {
        (_, 0) => {}
        (0, length) => log.truncate(synced + random(length)),
        (1, length) => {
            let at = random(length);
            tail[at] = !tail[at];
        }
        _ => {}
    }
    fs::copy(scene.path(), &copy).expect("is copied");
    fs::write(with_ending(&copy, "-wal"), &log).expect("is written");

    let found = Observer::connect(Engine::Sqlite, &format!("sqlite://{}", copy.display())).await;
    let marks = found.texts("SELECT name FROM mark").await;
    let marks: BTreeSet<_> = marks.into_iter().flatten().collect();
    let lost: Vec<_> = acknowledged.difference(&marks).collect();
    assert!(
        lost.is_empty(),
        "{lost:?} of {} were lost",
        acknowledged.len()
    );
    let counter = found.i64("SELECT value FROM counter").await;
    assert_eq!(
        usize::try_from(counter),
        Ok(marks.len()),
        "an operation is there in part"
    );
}

fn with_ending(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
