//! Seals as a user meets them: the server with `--seal`, receipts over GraphQL, `daybook verify --receipt`.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use serde_json::{Value, json};

use super::{process::Process, server::Ledger};

const LATEST: &str = "{ latestReceipt { number previous content hash } }";

fn verify(database: &str, receipts: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    command.args(["verify", "--log", "off", "--database", database]);
    for receipt in receipts {
        command.arg(format!("--receipt={receipt}"));
    }
    command.output().unwrap()
}

/// Waits until all that is in the outbox is sealed, and returns the last receipt.
async fn sealed(ledger: &Ledger) -> Value {
    ledger.numbered().await;
    let newest = ledger
        .observer()
        .await
        .i64("SELECT MAX(seq) FROM outbox")
        .await
        .to_string();
    eventually("everything is sealed", async || {
        let latest = ledger.data(LATEST, json!({})).await;
        latest["latestReceipt"]["number"] == newest
    })
    .await;
    ledger.data(LATEST, json!({})).await["latestReceipt"].take()
}

fn kept(receipt: &Value) -> String {
    format!(
        "{}:{}",
        receipt["number"].as_str().unwrap(),
        receipt["hash"].as_str().unwrap()
    )
}

/// By a program that others wrote.
fn sha256sum(text: &str) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

/// Writes to the database past its rules.
async fn tamper(ledger: &Ledger, sql: &str) {
    let observer = ledger.observer().await;
    let definition = match ledger.engine() {
        Engine::Sqlite => "SELECT sql FROM sqlite_schema WHERE name",
        Engine::MariaDb => {
            "SELECT CONCAT('CREATE TRIGGER ', TRIGGER_NAME, ' ', ACTION_TIMING, ' ', EVENT_MANIPULATION, ' ON ', EVENT_OBJECT_TABLE, \
                 ' FOR EACH ROW ', ACTION_STATEMENT) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME"
        }
        Engine::Postgres => {
            observer
                .execute("SET session_replication_role = replica")
                .await;
            observer.execute(sql).await;
            return;
        }
    };
    // Who hides what they have done puts the triggers back: no server starts without them.
    let mut triggers = Vec::new();
    for name in ["entry_refuse_UPDATE", "seal_refuse_DELETE"] {
        triggers.push(observer.text(&format!("{definition} = '{name}'")).await);
        observer.execute(&format!("DROP TRIGGER {name}")).await;
    }
    observer.execute(sql).await;
    for trigger in triggers {
        observer.execute(&trigger).await;
    }
}

on_every_engine! {
    async fn a_receipt_proves_that_the_past_was_changed(test: TestDatabase) {
        let url = test.url().to_owned();
        let ledger = Ledger::with_accounts(test).await;
        // What was there before the ledger was sealed is sealed, too.
        let entry = ledger.post("cash", "alice", 5).await;
        let server = Process::start_with(&url, &["--seal"]);
        let first = sealed(&ledger).await;
        let text = format!("{}\n{}", first["previous"].as_str().unwrap(), first["content"].as_str().unwrap());
        assert_eq!(first["hash"], sha256sum(&text));
        let content: Value = serde_json::from_str(first["content"].as_str().unwrap()).unwrap();
        assert_eq!(content["event"], "ENTRY");
        assert_eq!(content["entry"], entry["entry"]["id"]);
        assert_eq!(content["lines"][0]["amount"], "5");

        // The entry has the same receipt, and so has its number.
        let id = content["entry"].clone();
        let both = "query ($id: ID!, $number: Int64!) {
            entry(by: { id: $id }) { receipt { number previous content hash } }
            receipt(number: $number) { number previous content hash }
            none: receipt(number: 1000000) { number }
        }";
        let answer = ledger.data(both, json!({ "id": id, "number": first["number"] })).await;
        assert_eq!(answer["entry"]["receipt"], first);
        assert_eq!(answer["receipt"], first);
        assert_eq!(answer["none"], Value::Null);

        // Metadata that is added later changes nothing of what was sealed.
        let annotate = "mutation ($id: ID!) { annotateEntry(input: { entry: { id: $id }, metadata: { a: 1 } }) { entry { id } } }";
        ledger.data(annotate, json!({ "id": id })).await;
        ledger.post("cash", "alice", 7).await;
        let second = sealed(&ledger).await;
        let kept = [kept(&first), kept(&second)];
        let answer = ledger.data(both, json!({ "id": id, "number": first["number"] })).await;
        assert_eq!(answer["entry"]["receipt"], first);
        let sound = verify(&url, &kept);
        assert_eq!(sound.status.code(), Some(0), "{sound:?}");
        assert!(String::from_utf8_lossy(&sound.stdout).ends_with("checked 2 receipts\n"), "{sound:?}");
        drop(server);

        // Somebody writes another description, which no balance depends on.
        tamper(&ledger, "UPDATE entry SET description = 'another' WHERE id = (SELECT id FROM entry ORDER BY id LIMIT 1)").await;
        let check = ledger.data("{ verifyLedger { ok differences { kind entryId message } } }", json!({})).await;
        assert_eq!(check["verifyLedger"]["differences"][0]["kind"], "SEAL", "{check}");
        assert_eq!(check["verifyLedger"]["differences"][0]["entryId"], id);
        let unsound = verify(&url, &[]);
        assert_eq!(unsound.status.code(), Some(1), "{unsound:?}");
        assert!(String::from_utf8_lossy(&unsound.stdout).contains("is not what was sealed"), "{unsound:?}");

        // And seals everything anew: now the ledger looks sound, but for those who kept a receipt.
        tamper(&ledger, "DELETE FROM seal").await;
        let lost = verify(&url, &kept);
        assert_eq!(lost.status.code(), Some(1), "{lost:?}");
        assert!(String::from_utf8_lossy(&lost.stdout).contains("is not sealed: it is not in this ledger any more"), "{lost:?}");
        let _server = Process::start_with(&url, &["--seal"]);
        sealed(&ledger).await;
        assert_eq!(verify(&url, &[]).status.code(), Some(0));
        let proved = verify(&url, &kept);
        assert_eq!(proved.status.code(), Some(1), "{proved:?}");
        let said = String::from_utf8_lossy(&proved.stdout).into_owned();
        assert_eq!(said.matches("has another hash now").count(), 2, "{said}");
    }

    /// Two servers, and clients at both: one chain, which has each event once.
    async fn servers_seal_one_chain(test: TestDatabase) {
        let url = test.url().to_owned();
        let ledger = Ledger::with_accounts(test).await;
        let _servers = [Process::start_with(&url, &["--seal"]), Process::start_with(&url, &["--seal"])];
        for amount in 1..=30 {
            ledger.post("cash", "alice", amount).await;
            if amount % 10 == 0 {
                sealed(&ledger).await;
            }
        }
        sealed(&ledger).await;
        let observer = ledger.observer().await;
        let (seals, events) = (observer.i64("SELECT COUNT(*) FROM seal").await, observer.i64("SELECT COUNT(*) FROM outbox").await);
        assert_eq!(seals, events);
        assert_eq!(verify(&url, &[]).status.code(), Some(0));
    }

    /// Without `--seal`, nothing is sealed, and receipts are null.
    async fn without_seals_there_are_no_receipts(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 5).await;
        let answer = ledger.data("{ latestReceipt { number } entries { edges { node { receipt { number } } } } }", json!({})).await;
        assert_eq!(answer["latestReceipt"], Value::Null);
        assert_eq!(answer["entries"]["edges"][0]["node"]["receipt"], Value::Null);
    }
}

/// What is no receipt is refused before anything is read.
#[test]
fn a_receipt_is_a_number_and_a_hash() {
    for wrong in [
        "17",
        "17:abc",
        "0:",
        ":",
        "x:0",
        "-1:0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        let refused = verify("sqlite://nowhere.db", &[wrong.to_owned()]);
        assert_eq!(refused.status.code(), Some(1), "{wrong}: {refused:?}");
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains("--receipt"),
            "{refused:?}"
        );
    }
}
