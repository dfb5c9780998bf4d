//! Faults under load, for as long as `.ci/galera` says: whatever happens to the nodes, nothing that was acknowledged is lost, and nothing that
//! was said not to have happened is there.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use daybook_test_harness::galera::{Galera, cluster};
use sea_orm::{ConnectionTrait, DbErr};
use unit_of_work::{Database, DatabaseOptions, FailureKind, UnitError, UnitTerms};

use super::empty;
use crate::stage::statement;

/// How many clients each server has.
const CLIENTS: usize = 6;

/// What a client was told of its writes.
#[derive(Debug, Default)]
struct Told {
    committed: Vec<String>,
    failed: Vec<String>,
    unknown: Vec<String>,
    slowest: Duration,
    reasons: BTreeMap<String, u64>,
}

/// Adds one to a counter, under its lock, and leaves a row with its new value: two writers at once would leave the same.
async fn write(database: &Database, name: &str) -> Result<(), DbErr> {
    let terms = UnitTerms::named("load").deadline(Duration::from_secs(20));
    database
        .write_with(terms, async |unit| {
            unit.execute_unprepared("SELECT value FROM counter FOR UPDATE")
                .await?;
            let read = statement(&unit, "SELECT value FROM counter");
            let row = unit.query_one_raw(read).await?.expect("a counter");
            let value: i64 = row.try_get_by_index::<i64>(0)? + 1;
            unit.execute_unprepared(&format!("UPDATE counter SET value = {value}"))
                .await?;
            let insert = format!("INSERT INTO load_mark VALUES ('{name}', {value})");
            unit.execute_unprepared(&insert).await?;
            Ok::<_, DbErr>(())
        })
        .await
}

async fn client(
    database: Database,
    who: String,
    ends: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    behind: Arc<AtomicU64>,
) {
    let mut number = 0_u64;
    while !ends.load(Relaxed) {
        number += 1;
        let name = format!("{who} {number}");
        let began = Instant::now();
        let answer = write(&database, &name).await;
        let took = began.elapsed();
        {
            let mut told = told.lock().expect("no client has panicked");
            told.slowest = told.slowest.max(took);
            match &answer {
                Ok(()) => told.committed.push(name.clone()),
                Err(error) if UnitError::in_db_err(error) == Some(&UnitError::OutcomeUnknown) => {
                    told.unknown.push(name.clone());
                }
                Err(error) => {
                    let kind = match FailureKind::of(error) {
                        FailureKind::Other => error.to_string(),
                        kind => format!("{kind:?}"),
                    };
                    *told.reasons.entry(kind).or_default() += 1;
                    told.failed.push(name.clone());
                }
            }
        }
        // What was just acknowledged is read at once, on some node.
        if answer.is_ok() {
            let count = format!("SELECT COUNT(*) FROM load_mark WHERE name = '{name}'");
            let terms = UnitTerms::named("look").deadline(Duration::from_secs(20));
            let read = database.read_with(terms, async |unit| {
                let row = unit.query_one_raw(statement(&unit, &count)).await?;
                row.expect("a row").try_get_by_index::<i64>(0)
            });
            if read.await == Ok(0) {
                behind.fetch_add(1, Relaxed);
            }
        }
    }
}

/// One fault after the other, each on the node that writes, and each once at least.
async fn disturb(cluster: &mut Galera, name: &str, until: Instant) -> Vec<&'static str> {
    let mut done = Vec::new();
    for fault in ["kill", "freeze", "cut off"].iter().cycle() {
        if done.len() >= 3 && Instant::now() >= until {
            break;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let writer = super::writer(cluster, name, 0).await.0.unwrap_or(0);
        done.push(*fault);
        match *fault {
            "kill" => cluster.crash(writer).await,
            "freeze" => cluster.freeze(writer).await,
            _ => cluster.cut_off(writer).await,
        }
        tokio::time::sleep(Duration::from_secs(8)).await;
        cluster.heal().await;
    }
    done
}

/// Two servers write, each with its own order of the nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes as long as GALERA_SECONDS says: see .ci/galera"]
async fn nothing_acknowledged_is_lost() {
    let seconds = env::var("GALERA_SECONDS").map_or(30, |it| it.parse().expect("a number"));
    let mut cluster = cluster().await;
    let name = empty(&cluster).await;
    let setup = cluster.observer(0, &name).await;
    setup
        .execute(
            "CREATE TABLE counter (id INT PRIMARY KEY, value BIGINT NOT NULL); INSERT INTO counter VALUES (1, 0); \
             CREATE TABLE load_mark (name VARCHAR(100) PRIMARY KEY, value BIGINT NOT NULL)",
        )
        .await;
    let ends = Arc::new(AtomicBool::new(false));
    let (told, behind) = (Arc::<Mutex<Told>>::default(), Arc::<AtomicU64>::default());
    let mut clients = Vec::new();
    let mut servers = Vec::new();
    for (server, order) in [[0, 1, 2], [2, 1, 0]].iter().enumerate() {
        let url = cluster.list(order, &name);
        let database = Database::connect(&url, DatabaseOptions::default())
            .await
            .expect("connects");
        for client_number in 0..CLIENTS {
            let who = format!("{server} {client_number}");
            let shared = (ends.clone(), told.clone(), behind.clone());
            let client = client(database.clone(), who, shared.0, shared.1, shared.2);
            clients.push(tokio::spawn(client));
        }
        servers.push(database);
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    let faults = disturb(&mut cluster, &name, until).await;
    ends.store(true, Relaxed);
    for client in clients {
        client.await.expect("ends");
    }
    for database in servers {
        database.close().await;
    }
    let told = std::mem::take(&mut *told.lock().expect("no client has panicked"));
    let mut there = Vec::new();
    for node in 0..3 {
        let observer = cluster.observer(node, &name).await;
        let marks = observer
            .texts("SELECT name FROM load_mark ORDER BY name")
            .await;
        there.push(marks.into_iter().flatten().collect::<Vec<_>>());
        let twice = "SELECT COUNT(*) - COUNT(DISTINCT value) FROM load_mark";
        assert_eq!(observer.i64(twice).await, 0, "two have written at once");
        let lost = "SELECT (SELECT value FROM counter) - (SELECT COUNT(*) FROM load_mark)";
        assert_eq!(observer.i64(lost).await, 0, "an update is lost");
    }
    let epoch = super::writer(&cluster, &name, 0).await.1;
    println!(
        "{} faults ({}), {epoch} epochs: {} committed, {} failed {:?}, {} unknown; the slowest took {:?}",
        faults.len(),
        faults.join(", "),
        told.committed.len(),
        told.failed.len(),
        told.reasons,
        told.unknown.len(),
        told.slowest
    );
    assert!(there[0] == there[1] && there[1] == there[2], "nodes differ");
    let has = |name: &String| there[0].binary_search(name).is_ok();
    let lost: Vec<_> = told.committed.iter().filter(|name| !has(name)).collect();
    assert_eq!(lost, Vec::<&String>::new(), "acknowledged, and not there");
    let denied: Vec<_> = told.failed.iter().filter(|name| has(name)).collect();
    assert_eq!(denied, Vec::<&String>::new(), "denied, and there");
    assert_eq!(behind.load(Relaxed), 0, "reads were older than a write");
    assert!(!told.committed.is_empty());
}
