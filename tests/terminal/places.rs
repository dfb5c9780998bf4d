//! Which ledger is meant, who may ask it, and what else goes on there.

use std::{fs, os::unix::fs::PermissionsExt};

use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use super::{Ledger, Ran, ask, ask_with, serve};
use crate::{
    exchange::command::daybook,
    graphql::server::Subscription,
    http::{
        access::{SECRET, sign},
        jwt::claims,
    },
    ledger::book::{Book, line, new_entry},
};

const POST: [&str; 7] = ["post", "--debit", "a", "--credit", "b", "--amount", "1"];

async fn two(book: &Book) {
    for code in ["a", "b"] {
        book.account(code).await;
    }
}

/// A file that only its owner can read.
fn secret(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

on_every_engine! {
    /// The token's scopes decide, and its `sub` is who has posted.
    async fn a_server_asks_for_a_token(test: TestDatabase) {
        let ledger = Ledger::of(test, two).await;
        let folder = tempfile::tempdir().unwrap();
        let key = secret(&folder, "key", std::str::from_utf8(SECRET).unwrap());
        let server = serve(&ledger.url, &["--jwt-secret-file", &key, "--jwt-issuer", "issuer", "--jwt-audience", "daybook"]);
        let place = ["--server", server.base()];
        let [reads, writes] = ["ledger:read", "ledger:read ledger:write"].map(|scopes| sign(&claims(scopes)));
        let (reader, writer) = (secret(&folder, "reader", &format!("{reads}\n")), secret(&folder, "writer", &writes));
        let balance = |more: &[&str]| [&["balance", "a"], &place[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
        let say = async |args: Vec<String>, variables: &[(&str, &str)]| -> Ran {
            ask_with(&args.iter().map(String::as_str).collect::<Vec<_>>(), variables).await
        };

        let said = say(balance(&[]), &[]).await.refused(3);
        assert!(said.starts_with("daybook: UNAUTHENTICATED: ") && said.ends_with("--token-file or DAYBOOK_TOKEN shows a token\n"), "{said}");
        let by_file = say(balance(&["--token-file", &reader]), &[]).await.printed();
        assert!(by_file.contains("a          0.00"), "{by_file}");
        for variables in [("DAYBOOK_TOKEN", reads.as_str()), ("DAYBOOK_TOKEN_FILE", reader.as_str())] {
            assert_eq!(say(balance(&[]), &[variables]).await.printed(), by_file);
        }
        // A flag wins over a variable.
        let said = ask_with(&[&POST[..], &place, &["--token-file", &reader]].concat(), &[("DAYBOOK_TOKEN", &writes)]).await.refused(3);
        assert!(said.starts_with("daybook: FORBIDDEN: "), "{said}");
        assert_eq!(ledger.counts().await, (0, 0));
        let posted = ask_with(&[&POST[..], &place, &["--token-file", &writer, "--json"]].concat(), &[("DAYBOOK_TOKEN", &reads)]).await.json();
        assert_eq!(posted["entry"]["recordedBy"], "ann");
        assert_eq!(ledger.counts().await, (1, 1));
        // Beside the server, nobody is known.
        let posted = ask(&[&POST[..], &["--json", "--database", &ledger.url]].concat()).await.json();
        assert_eq!(posted["entry"]["recordedBy"], json!(null));

        // No error shows a token.
        let both = [("DAYBOOK_TOKEN", writes.as_str()), ("DAYBOOK_TOKEN_FILE", reader.as_str())];
        let bad = format!("{writes} {writes}");
        let bad_file = secret(&folder, "bad", &bad);
        for (args, variables, expected) in [
            (balance(&[]), &both[..], "DAYBOOK_TOKEN is wrong; expected to stand alone, without DAYBOOK_TOKEN_FILE"),
            (balance(&[]), &[("DAYBOOK_TOKEN", &bad)], "DAYBOOK_TOKEN is wrong; expected a token"),
            (balance(&["--token-file", &bad_file]), &[], "expected the name of a file with a token"),
            (balance(&["--token-file", "/nowhere"]), &[], "expected a file that can be read"),
            (
                vec!["balance".to_owned(), "--server".to_owned(), "http://ledger.example".to_owned()], &[("DAYBOOK_TOKEN", &writes)],
                "--server is wrong; expected a URL that begins with https://, since a token is shown to it",
            ),
        ] {
            let said = say(args, variables).await.refused(1);
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains(writes.as_str()) && !said.contains(reads.as_str()), "{said}");
        }
        // Whoever may read the file may do what it allows.
        fs::set_permissions(&reader, fs::Permissions::from_mode(0o644)).unwrap();
        let warned = say(balance(&["--token-file", &reader]), &[]).await;
        assert_eq!(warned.code, Some(0), "{warned:?}");
        assert!(warned.err.contains("every user of this machine can read or change this file"), "{warned:?}");
    }

    async fn a_server_is_known_by_its_certificate(test: TestDatabase) {
        let ledger = Ledger::of(test, two).await;
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let chain = secret(&folder, "certificate.pem", &certificate.pem());
        let key = secret(&folder, "key.pem", &key.serialize_pem());
        let server = serve(&ledger.url, &["--tls-certificate", &chain, "--tls-key", &key]);
        assert!(server.base().starts_with("https://"));
        let args = [&POST[..], &["--server", server.base()]].concat();
        let said = ask(&args).await.refused(4);
        assert!(said.starts_with(&format!("daybook: cannot reach {}/graphql: ", server.base())) && said.contains("certificate"), "{said}");
        assert_eq!(ledger.counts().await, (0, 0));
        ask_with(&args, &[("SSL_CERT_FILE", &chain)]).await.printed();
        assert_eq!(ledger.counts().await, (1, 1));
    }

    /// A flag wins over a variable. Two ledgers that are named in the same way are none.
    async fn one_ledger_is_meant(test: TestDatabase) {
        let ledger = Ledger::of(test, two).await;
        let (url, base) = (ledger.url.as_str(), ledger.server.base());
        let (nowhere, nothing) = ("http://127.0.0.1:1", "sqlite:///nowhere/x.db");
        for (args, variables) in [
            (&["--database", url][..], &[("DAYBOOK_SERVER", nowhere)][..]),
            (&["--server", base], &[("DAYBOOK_DATABASE_URL", nothing)]),
            (&[], &[("DAYBOOK_SERVER", base)]),
            (&[], &[("DAYBOOK_DATABASE_URL", url)]),
            (&[], &[("DAYBOOK_DATABASE_URL", url), ("DAYBOOK_SERVER", "")]),
        ] {
            let accounts = ask_with(&[&["accounts", "--json"], args].concat(), variables).await.json();
            assert_eq!(accounts[0]["code"], "a", "{args:?} {variables:?}");
        }
        let said = ask(&["accounts", "--database", url, "--server", base]).await.refused(1);
        assert_eq!(said, "daybook: --server is wrong; expected to stand alone, without a database\n");
        let said = ask_with(&["accounts"], &[("DAYBOOK_DATABASE_URL", url), ("DAYBOOK_SERVER", base)]).await.refused(1);
        assert_eq!(said, "daybook: DAYBOOK_SERVER is wrong; expected to stand alone, without a database\n");
    }

    /// A command makes no ledger, and brings none up to date: those are decisions for whoever runs the server.
    async fn a_database_must_be_a_ledger_of_this_version(test: TestDatabase) {
        let url = test.url().to_owned();
        let is_sqlite = test.engine() == Engine::Sqlite;
        for args in [&["accounts"][..], &POST] {
            let said = ask(&[args, &["--database", &url]].concat()).await.refused(1);
            assert!(said.starts_with("daybook: there is no ledger in "), "{said}");
            assert!(said.contains("--database") && said.contains("--server"), "{said}");
        }
        if is_sqlite {
            let file = url.strip_prefix("sqlite://").unwrap().split('?').next().unwrap();
            assert!(!fs::exists(file).unwrap(), "a command has made a file");
        }
        let book = Book::new(test).await;
        two(&book).await;
        let observer = daybook_test_harness::Observer::connect(book.engine, &url).await;
        let last = observer.text("SELECT MAX(version) FROM seaql_migrations").await;
        observer.execute(&format!("DELETE FROM seaql_migrations WHERE version = '{last}'")).await;
        for args in [&["accounts"][..], &POST] {
            let said = ask(&[args, &["--database", &url]].concat()).await.refused(1);
            assert!(said.contains("belongs to an older version of Daybook: update it with `daybook migrate`"), "{said}");
        }
        observer.execute(&format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{last}', 0), ('m29990101_01_later', 0)")).await;
        for args in [&["accounts"][..], &POST] {
            let said = ask(&[args, &["--database", &url]].concat()).await.refused(1);
            assert!(said.contains("belongs to a newer version of Daybook"), "{said}");
        }
        assert_eq!(observer.i64("SELECT COUNT(*) FROM entry").await, 0);
    }

    /// What is posted beside a server is told to its subscribers, and a closed period is closed for it, too.
    async fn what_is_posted_beside_a_server_is_a_part_of_its_ledger(test: TestDatabase) {
        let ledger = Ledger::of(test, two).await;
        let address = ledger.server.base().strip_prefix("http://").unwrap();
        let query = "subscription { entryPosted { entry { reference lines { amount { decimal } } } } }";
        let mut feed = Subscription::open(address, query, json!({})).await.unwrap();
        feed.settled().await;
        let place = ["--database", &ledger.url];
        ask(&[&POST[..], &["--reference", "beside"], &place].concat()).await.printed();
        let event = feed.event().await;
        assert_eq!(event["data"]["entryPosted"]["entry"], json!({ "reference": "beside", "lines": [{ "amount": { "decimal": "1.00" } }] }));

        let close = json!({ "query": "mutation { closeBooks(input: { closedUntil: \"2020-01-31\" }) { closing { closedUntil } } }" });
        let answer = reqwest::Client::new().post(format!("http://{address}/graphql")).json(&close).send().await.unwrap();
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["data"]["closeBooks"]["closing"]["closedUntil"], "2020-02-01T00:00:00.000000Z");
        let said = ledger.both(&[&POST[..], &["--date", "2020-01-31"]].concat()).await.refused(3);
        assert!(said.starts_with("daybook: PERIOD_CLOSED: "), "{said}");
        ask(&[&POST[..], &["--date", "2020-02-01"], &place].concat()).await.printed();
        let checked = tokio::task::spawn_blocking({
            let url = ledger.url.clone();
            move || daybook(&["verify", "--database", &url], "")
        });
        assert!(checked.await.unwrap().status.success());
    }
}

/// A backup has no write-ahead log yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_can_be_asked() {
    let ledger = Ledger::of(TestDatabase::create(Engine::Sqlite).await, two).await;
    ledger
        .book
        .post(new_entry(vec![line("a", "b", 7)]))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup.db");
    let backup = backup.to_str().unwrap();
    let observer = ledger.observer().await;
    observer.execute(&format!("VACUUM INTO '{backup}'")).await;
    let place = ["--database", &format!("sqlite://{backup}")];
    // Twice: the first gives it one.
    for _ in 0..2 {
        let balances = ask(&[&["balance", "b", "--json"], &place[..]].concat()).await;
        assert_eq!(balances.json()[0]["balances"]["posted"]["decimal"], "0.07");
    }
}

/// Who may only read the database can look at it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_only_read_can_ask() {
    let ledger = Ledger::of(TestDatabase::create(Engine::Postgres).await, two).await;
    let observer = ledger.observer().await;
    let role = format!("reader_{}", uuid::Uuid::new_v4().simple());
    for sql in [
        format!("CREATE ROLE {role} LOGIN PASSWORD 'reads'"),
        format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"),
        // As on a standby, a connection that is to write would be refused.
        format!("ALTER ROLE {role} SET default_transaction_read_only = on"),
    ] {
        observer.execute(&sql).await;
    }
    let (scheme, rest) = ledger.url.split_once("://").unwrap();
    let (_, server) = rest.split_once('@').unwrap();
    let place = ["--database", &format!("{scheme}://{role}:reads@{server}")];
    let accounts = ask(&[&["accounts", "--json"], &place[..]].concat()).await;
    assert_eq!(super::texts(&accounts.json(), "code"), ["a", "b"]);
    let posted = ask(&[&POST[..], &place].concat()).await;
    assert_ne!(posted.code, Some(0), "{posted:?}");
    assert_eq!(ledger.counts().await, (0, 0));
    observer.execute(&format!("DROP OWNED BY {role}")).await;
    observer.execute(&format!("DROP ROLE {role}")).await;
}
