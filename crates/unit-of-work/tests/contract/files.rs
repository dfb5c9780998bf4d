//! The files of an SQLite database that are deleted, replaced or overwritten while it is open: nothing is acknowledged that
//! would not be found at the path.

use std::{fs, path::PathBuf, time::Duration};

use async_graphql::Response;
use daybook_test_harness::{Engine, Observer, TestDatabase, eventually};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use unit_of_work::{Database, DatabaseOptions, FailureKind, UnitError, UnitOfWork};

use crate::stage::{Stage, codes};

async fn stage() -> (Stage, PathBuf) {
    let test = TestDatabase::create(Engine::Sqlite).await;
    let url = test.url();
    let path = url.trim_start_matches("sqlite://").split('?').next();
    let path = PathBuf::from(path.expect("a path"));
    (Stage::new(test).await, path)
}

fn beside(path: &std::path::Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

fn log_of(path: &std::path::Path) -> PathBuf {
    beside(path, "-wal")
}

fn assert_replaced(response: &Response) {
    assert_eq!(codes(response), ["DATABASE_FILE_REPLACED"], "{response:?}");
    let extensions = response.errors[0].extensions.as_ref();
    assert!(
        extensions.is_some_and(|extensions| extensions.get("id").is_some()),
        "{response:?}"
    );
}

/// What happens to a file, and what it is called.
type Happening = (&'static str, fn(&std::path::Path));

const HAPPENINGS: &[Happening] = &[
    ("the database is deleted", |path| {
        fs::remove_file(path).expect("is removed");
    }),
    ("the log is deleted", |path| {
        fs::remove_file(log_of(path)).expect("is removed");
    }),
    ("the database is replaced by a copy", |path| {
        fs::copy(path, beside(path, ".copy")).expect("is copied");
        fs::rename(beside(path, ".copy"), path).expect("is moved");
    }),
    ("the log is replaced by a copy", |path| {
        fs::copy(log_of(path), beside(path, ".copy")).expect("is copied");
        fs::rename(beside(path, ".copy"), log_of(path)).expect("is moved");
    }),
    ("the folder is moved", |path| {
        let folder = path.parent().expect("a folder");
        fs::rename(folder, folder.with_extension("moved")).expect("is moved");
    }),
    ("the log is emptied in place", |path| {
        fs::write(log_of(path), "").expect("is written");
    }),
    ("the database is emptied in place", |path| {
        fs::write(path, "").expect("is written");
    }),
    ("something else is written onto the database", |path| {
        fs::write(path, "a letter to my aunt".repeat(1000)).expect("is written");
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_refused_at_once_and_reads_soon() {
    for (name, happen) in HAPPENINGS {
        let (stage, path) = stage().await;
        let before = stage.run("mutation { mark(name: \"a\") }").await;
        assert!(before.is_ok(), "{name}: {before:?}");
        happen(&path);
        assert_replaced(&stage.run("mutation { mark(name: \"b\") }").await);
        // From then on, also where a look would find the file.
        assert_replaced(&stage.run("{ marks }").await);
        let error = stage.database.check_files().expect_err(name);
        assert_eq!(FailureKind::of(&error), FailureKind::FileReplaced, "{name}");
        let writable = stage.database.check_writable(Duration::from_secs(1)).await;
        let error = writable.expect_err(name);
        assert_eq!(FailureKind::of(&error), FailureKind::FileReplaced, "{name}");
        fs::remove_dir_all(path.parent().expect("a folder").with_extension("moved")).ok();
    }
}

/// Without a write, who reads finds out within about a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_alone_notice_too() {
    for ending in ["", "-wal", "-shm"] {
        let (stage, path) = stage().await;
        assert!(stage.run("{ marks }").await.is_ok());
        fs::remove_file(beside(&path, ending)).expect("is removed");
        eventually("a read is refused", async || {
            codes(&stage.run("{ marks }").await) == ["DATABASE_FILE_REPLACED"]
        })
        .await;
    }
}

/// A file that comes back may have been opened without its log meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_comes_back_is_not_trusted() {
    let (stage, path) = stage().await;
    fs::rename(&path, beside(&path, ".away")).expect("is moved");
    assert_replaced(&stage.run("mutation { mark(name: \"a\") }").await);
    fs::rename(beside(&path, ".away"), &path).expect("is moved");
    assert_replaced(&stage.run("mutation { mark(name: \"a\") }").await);
}

async fn insert(unit: &UnitOfWork, name: &str) -> Result<(), DbErr> {
    let sql = "INSERT INTO mark VALUES (?)";
    unit.execute_raw(Statement::from_sql_and_values(
        DbBackend::Sqlite,
        sql,
        [name.into()],
    ))
    .await
    .map(drop)
}

/// Between BEGIN and COMMIT: COMMIT succeeds, and nobody would find it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_before_commit_is_answered_is_no_success() {
    for ending in ["", "-wal"] {
        let (stage, path) = stage().await;
        let written: Result<(), DbErr> = stage
            .database
            .write(async |unit| {
                insert(&unit, "a").await?;
                fs::remove_file(beside(&path, ending)).expect("is removed");
                Ok(())
            })
            .await;
        assert!(
            matches!(&written, Err(error) if UnitError::in_db_err(error) == Some(&UnitError::OutcomeUnknown)),
            "{ending}: {written:?}"
        );
        let again: Result<(), DbErr> = stage.database.write(async |_| Ok(())).await;
        assert!(again.is_ok(), "a unit that does nothing fails at nothing");
        let again: Result<(), DbErr> = stage
            .database
            .write(async |unit| insert(&unit, "b").await)
            .await;
        assert!(
            matches!(&again, Err(error) if FailureKind::of(error) == FailureKind::FileReplaced),
            "{again:?}"
        );
    }
}

/// What was committed is written into the database file as soon as it is noticed that the log is gone: the same as a process
/// finds that comes after a kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_outlives_its_log() {
    let (stage, path) = stage().await;
    for n in 0..20 {
        let response = stage
            .run(&format!("mutation {{ mark(name: \"{n:02}\") }}"))
            .await;
        assert!(response.is_ok(), "{response:?}");
    }
    fs::remove_file(log_of(&path)).expect("is removed");
    assert_replaced(&stage.run("mutation { mark(name: \"b\") }").await);
    let mut copies = 0;
    let mut count = async || {
        // The file alone, as it lies there.
        copies += 1;
        let copy = beside(&path, &format!(".copy{copies}"));
        fs::copy(&path, &copy).expect("is copied");
        let url = format!("sqlite://{}", copy.display());
        let observer = Observer::connect(Engine::Sqlite, &url).await;
        observer.i64("SELECT count(*) FROM mark").await
    };
    eventually("all are in the file", async || count().await == 20).await;
}

/// A backup takes the place of the file, whose log still lies there: it must not be read as the backup's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_not_mixed_with_the_log_of_the_file_before() {
    let (stage, path) = stage().await;
    let backup = beside(&path, ".backup");
    let observer = stage.observer().await;
    observer
        .execute(&format!("VACUUM INTO '{}'", backup.display()))
        .await;
    drop(observer);
    for n in 0..20 {
        let response = stage
            .run(&format!("mutation {{ mark(name: \"{n:02}\") }}"))
            .await;
        assert!(response.is_ok(), "{response:?}");
    }
    let old = beside(&path, ".old");
    fs::rename(&path, &old).expect("is moved");
    fs::rename(&backup, &path).expect("is moved");
    assert_replaced(&stage.run("mutation { mark(name: \"b\") }").await);
    eventually("the log is emptied", async || {
        fs::metadata(log_of(&path)).is_ok_and(|log| log.len() == 0)
    })
    .await;
    // As a kill would, which the next one to open the file comes after.
    stage.database.close().await;
    for (file, expected) in [(&old, 20), (&path, 0)] {
        let url = format!("sqlite://{}", file.display());
        let observer = Observer::connect(Engine::Sqlite, &url).await;
        assert_eq!(observer.text("PRAGMA integrity_check").await, "ok");
        assert_eq!(observer.i64("SELECT count(*) FROM mark").await, expected);
    }
}

/// `cp` onto the file: the same inode, other contents, also where they are as new by their own account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_onto_the_file_is_noticed() {
    let (stage, path) = stage().await;
    let response = stage.run("mutation { mark(name: \"a\") }").await;
    assert!(response.is_ok(), "{response:?}");
    let emptied = stage.database.checkpoint(0).await.expect("can be moved");
    assert!(emptied.is_some_and(|checkpoint| checkpoint.is_emptied));
    let response = stage.run("mutation { mark(name: \"b\") }").await;
    assert!(response.is_ok(), "{response:?}");
    let contents = fs::read(&path).expect("can be read");
    fs::write(&path, contents).expect("can be written");
    assert_replaced(&stage.run("mutation { mark(name: \"c\") }").await);
}

/// The log belongs to what was there before. Closing must not write it onto what is there now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_leaves_what_was_copied_onto_the_file_alone() {
    let (stage, path) = stage().await;
    for n in 0..20 {
        let response = stage
            .run(&format!("mutation {{ mark(name: \"{n:02}\") }}"))
            .await;
        assert!(response.is_ok(), "{response:?}");
    }
    let letter = "a letter to my aunt".repeat(1000);
    fs::write(&path, &letter).expect("is written");
    assert_replaced(&stage.run("mutation { mark(name: \"b\") }").await);
    stage.database.close().await;
    assert_eq!(fs::read_to_string(&path).expect("is text"), letter);
}

/// Nothing that SQLite itself does, here or in another process, is taken for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sqlite_does_is_no_alarm() {
    let (stage, path) = stage().await;
    let others = [
        "PRAGMA wal_checkpoint(PASSIVE)",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "VACUUM",
        "CREATE TABLE more (x); INSERT INTO more VALUES (zeroblob(3000000))",
        "DROP TABLE more",
        "PRAGMA wal_checkpoint(RESTART)",
        "PRAGMA wal_checkpoint(FULL)",
    ];
    let stop = std::sync::atomic::AtomicBool::new(false);
    let disturb = async {
        let mut turns = 0;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            // Opened anew each time, as by another program.
            let observer = stage.observer().await;
            for other in others {
                observer.execute(other).await;
            }
            turns += 1;
        }
        turns
    };
    let write = async {
        for n in 0..400 {
            let insert = format!("INSERT INTO mark VALUES ('{n}' || hex(zeroblob(20000)))");
            let response = stage
                .run(&format!("mutation {{ raw(sql: \"{insert}\") }}"))
                .await;
            assert!(response.is_ok(), "{n}: {response:?}");
            stage.database.check_files().expect("nothing has happened");
            if n % 50 == 0 {
                let moved = stage.database.checkpoint(0).await;
                moved.expect("can be moved, or not");
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (turns, ()) = tokio::join!(disturb, write);
    assert!(turns > 0);
    assert!(path.exists());
    assert_eq!(stage.marks().await.len(), 400);
}

/// The log that a reader keeps cannot be emptied, and can when the reader has gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_keeps_the_log() {
    let (stage, path) = stage().await;
    let reader = stage.observer().await;
    reader.execute("BEGIN; SELECT count(*) FROM mark").await;
    let response = stage.run("mutation { mark(name: \"a\") }").await;
    assert!(response.is_ok(), "{response:?}");
    let kept = stage.database.checkpoint(0).await.expect("can be asked");
    let kept = kept.expect("SQLite has a log");
    assert!(!kept.is_emptied && kept.log_bytes > 0, "{kept:?}");
    reader.execute("COMMIT").await;
    let emptied = stage.database.checkpoint(0).await.expect("can be moved");
    assert!(emptied.is_some_and(|checkpoint| checkpoint.is_emptied));
    assert_eq!(fs::metadata(log_of(&path)).expect("is there").len(), 0);
}

/// The last to close moves the log into the file, as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_closed_has_no_log() {
    let (stage, path) = stage().await;
    let response = stage.run("mutation { mark(name: \"a\") }").await;
    assert!(response.is_ok(), "{response:?}");
    stage.database.close().await;
    assert!(!log_of(&path).exists());
}

/// What cannot be read is told as damage, and whoever routes clients hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_told() {
    const PAGE: usize = 4096;
    let (stage, path) = stage().await;
    let page = stage
        .observer()
        .await
        .i64("SELECT rootpage FROM sqlite_schema WHERE name = 'mark' AND type = 'table'")
        .await;
    let url = stage.test.url().to_owned();
    stage.database.close().await;
    let mut contents = fs::read(&path).expect("can be read");
    let at = (usize::try_from(page).expect("a number") - 1) * PAGE;
    contents[at..at + 100].fill(0xa5);
    fs::write(&path, contents).expect("can be written");
    let database = Database::connect(&url, DatabaseOptions::default())
        .await
        .expect("connects");
    database
        .check_writable(Duration::from_secs(5))
        .await
        .expect("nothing was met yet");
    let select = Statement::from_string(DbBackend::Sqlite, "SELECT * FROM mark");
    let read = database.read(async |unit| unit.query_all_raw(select).await);
    let error = read.await.expect_err("it is damaged");
    assert_eq!(FailureKind::of(&error), FailureKind::Damaged, "{error}");
    let writable = database.check_writable(Duration::from_secs(5)).await;
    let error = writable.expect_err("damage was met");
    assert_eq!(FailureKind::of(&error), FailureKind::Damaged, "{error}");
}
