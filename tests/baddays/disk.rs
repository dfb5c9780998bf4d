//! A disk that fills up, and one that becomes read-only.

use std::{fs, path::Path, process::Command};

use daybook_test_harness::eventually;

use super::server::{Place, Server, entries};

/// Writes until nothing more goes in.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    let block = vec![1_u8; 4096];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
}

/// A small disk of the server's own, in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_recovered_from() {
    let place = Place::new();
    let mount = format!(
        "mount -t tmpfs -o size=6m tmpfs {}",
        place.folder().display()
    );
    let server = Server::start_in(&mount, &place.url(), &[]);
    server.open_accounts().await;
    server.post_many(5).await;
    let ballast = server.seen(&place.folder().join("ballast"));
    fill(&ballast);
    let mut acknowledged = 5;
    // The log has some room left that it had before.
    let code = loop {
        match server.post(3000).await.unwrap() {
            code if code.is_empty() => acknowledged += 1,
            code => break code,
        }
        assert!(acknowledged < 5000, "the disk does not fill up");
    };
    assert_eq!(code, "DATABASE_FULL");
    let (status, reason) = server.ready().await;
    if status == 503 {
        assert!(reason.contains("no room"), "{reason}");
    }
    // What is there can be read.
    assert_eq!(server.read().await.as_deref(), Some(""));
    fs::remove_file(&ballast).unwrap();
    eventually("it is ready", async || server.ready().await.0 == 200).await;
    for _ in 0..5 {
        assert_eq!(server.post(3000).await.as_deref(), Some(""));
        acknowledged += 1;
    }
    assert_eq!(server.entries(&place).await, acknowledged);
}

/// Many post at once while it fills up, and share COMMITs that find no room: nobody is told of an entry that is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_share_a_commit_are_all_there_or_refused_on_a_full_disk() {
    let place = Place::new();
    let mount = format!(
        "mount -t tmpfs -o size=4m tmpfs {}",
        place.folder().display()
    );
    let server = Server::start_in(&mount, &place.url(), &[]);
    server.open_accounts().await;
    let fills = async || {
        let mut refused = 0;
        while refused < 3 {
            let code = server.post(3000).await.expect("an answer");
            assert!(code.is_empty() || code == "DATABASE_FULL", "{code}");
            refused += usize::from(!code.is_empty());
            assert!(server.acknowledged() < 5000, "the disk does not fill up");
        }
    };
    futures_util::future::join_all((0..16).map(|_| fills())).await;
    assert_eq!(server.entries(&place).await, server.acknowledged());
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("\nunit_of_work_commits_shared_total "),
        "{metrics}"
    );
}

/// A file system that meets an error is made read-only by the kernel, with all files open. ext4 can be made to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_that_becomes_read_only_loses_no_entry() {
    let place = Place::new();
    let image = place.folder().parent().unwrap().join("image");
    fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let made = Command::new("mkfs.ext4").arg("-q").arg(&image).status();
    assert!(made.expect("mkfs.ext4 (e2fsprogs) is needed").success());
    let folder = place.folder().display();
    let mount = format!("mount -o loop {} {folder}", image.display());
    let mut server = Server::start_in(&mount, &place.url(), &[]);
    server.open_accounts().await;
    server.post_many(5).await;
    server.beside(&format!("mount -o remount,abort {folder}"));
    // It is told, or the kernel ends the server, which has a file of that disk in its memory.
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(server.post(3000).await);
    }
    for code in codes.iter().flatten() {
        let expected = ["DATABASE_FULL", "DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"];
        assert!(expected.contains(&code.as_str()), "{codes:?}");
    }
    if codes.iter().all(Option::is_some) {
        assert_eq!(server.ready().await.0, 503);
    }
    server.kill();
    // The file system is mended as it is mounted again.
    let server = Server::start_in(&mount, &place.url(), &[]);
    let unknown = codes
        .iter()
        .flatten()
        .filter(|code| *code == "OUTCOME_UNKNOWN");
    let unknown = i64::try_from(unknown.count()).unwrap();
    let found = server.entries(&place).await;
    assert!(
        (5..=5 + unknown).contains(&found),
        "{found} of 5, {codes:?}"
    );
    server.post_many(1).await;
}

/// The file cannot be written when the server starts: it reads, and says that it takes no writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_that_is_read_only_from_the_start() {
    let place = Place::new();
    let mut server = Server::start(&place.url());
    server.open_accounts().await;
    server.post_many(2).await;
    server.kill();
    let folder = place.folder().display();
    let mount = format!("mount --bind {folder} {folder}\nmount -o remount,ro,bind {folder}");
    match Server::try_start_in(&mount, &place.url(), &["--no-migrate"]) {
        Ok(server) => {
            assert_eq!(server.ready().await.0, 503);
            let code = server.post(10).await;
            assert_eq!(code.as_deref(), Some("DATABASE_UNAVAILABLE"));
        }
        Err(said) => assert!(
            said.contains("cannot be written") || said.contains("readonly"),
            "{said}"
        ),
    }
    assert_eq!(entries(&place.path).await, 2);
    let server = Server::start(&place.url());
    server.post_many(1).await;
}
