//! The database's file: its permissions, damage in it, and a database of a newer version.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use daybook_test_harness::{TestDatabase, on_every_engine};

use super::binary::{self, Running, stderr};

fn url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

#[test]
fn the_file_and_the_log_beside_it_are_their_owner_s_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let server = Running::start(&["--listen", "127.0.0.1:0", "--database", &url(&path)]);
    for name in ["x.db", "x.db-wal", "x.db-shm"] {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    server.signal("TERM");
    assert_eq!(server.ended().0, Some(0));
}

/// Pages in the middle of the file, one after the other: whatever lies on them, damage is found.
#[test]
fn verify_finds_damaged_pages() {
    const PAGE: usize = 4096;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let url = url(&path);
    let journal: String = (0..300)
        .map(|n| format!("2026-01-{:02} x\n  a{n}  1 EUR\n  b\n\n", n % 28 + 1))
        .collect();
    let file = folder.path().join("x.journal");
    fs::write(&file, journal).unwrap();
    let file = file.to_str().unwrap();
    let imported = binary::run(
        &["import", "--format", "hledger", "--database", &url, file],
        &[],
    );
    assert_eq!(imported.status.code(), Some(0), "{}", stderr(&imported));
    let verify = || binary::run(&["verify", "--database", &url], &[]);
    assert_eq!(verify().status.code(), Some(0), "{}", stderr(&verify()));
    let sound = fs::read(&path).unwrap();
    let pages = sound.len() / PAGE;
    assert!(pages > 30, "{pages}");
    for page in (2..pages).step_by(pages / 10) {
        let mut damaged = sound.clone();
        // The header of the page, of whatever kind it is, and some of its cells.
        damaged[page * PAGE..page * PAGE + 200].fill(0xa5);
        fs::write(&path, damaged).unwrap();
        let output = verify();
        assert_eq!(output.status.code(), Some(1), "page {page}");
        let said = stderr(&output);
        assert!(
            said.contains("is damaged") || said.contains("malformed"),
            "page {page}: {said}"
        );
    }
}

on_every_engine! {
    /// What this version would write could break rules that the newer one relies on.
    async fn a_database_of_a_newer_version_is_refused(test: TestDatabase) {
        let url = test.url().to_owned();
        let migrated = binary::run(&["migrate", "--database", &url], &[]);
        assert_eq!(migrated.status.code(), Some(0), "{}", stderr(&migrated));
        let server = Running::start(&["--listen", "127.0.0.1:0", "--no-migrate", "--database", &url]);
        let ready = async || reqwest::get(format!("{}/readyz", server.base())).await.unwrap();
        assert_eq!(ready().await.status(), 200);
        test.observer().await
            .execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_01_from_the_future', 0)")
            .await;
        // One that runs is not ready any more, and another does not start.
        let answer = ready().await;
        assert_eq!(answer.status(), 503);
        assert!(answer.text().await.unwrap().contains("newer version"));
        for more in [&["--no-migrate"][..], &[]] {
            let args = [&["--listen", "127.0.0.1:0", "--log", "error", "--database", &url][..], more].concat();
            let output = binary::run(&args, &[]);
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains("m29990101_01_from_the_future"), "{}", stderr(&output));
        }
    }
}
