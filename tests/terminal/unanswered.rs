//! `post` where the answer does not arrive.

use daybook_test_harness::{TestDatabase, on_every_engine};

use super::{
    Ledger, ask,
    between::{Answer, Between},
};
use axum::http::StatusCode;

const POST: [&str; 7] = [
    "post",
    "--debit",
    "assets:cash",
    "--credit",
    "income:sales",
    "--amount",
    "1.5",
];

/// The connection is lost, or a proxy gives up, after the server has posted.
async fn lossy(ledger: &Ledger, status: Option<StatusCode>) -> Between {
    Between::start(ledger.server.base(), move |request| {
        let answer = match status {
            _ if !request.contains("mutation") => Answer::Passed,
            None => Answer::Lost,
            Some(status) => Answer::Instead(status),
        };
        Box::pin(async { answer })
    })
    .await
}

on_every_engine! {
    /// The command says that it does not know, and how to repeat it: then there is one entry.
    async fn what_is_not_known_is_said_and_can_be_repeated(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        let (before, _) = ledger.counts().await;
        let server = ["--server", ledger.server.base()];
        for (number, status) in [(1, None), (2, Some(StatusCode::BAD_GATEWAY)), (3, Some(StatusCode::OK))] {
            let between = lossy(&ledger, status).await;
            let said = ask(&[&POST[..], &["--server", &between.url]].concat()).await.refused(5);
            assert!(said.contains("it is not known whether the entry was posted: repeat the command within a day with --idempotency-key "), "{said}");
            assert_eq!(ledger.counts().await.0, before + number);
            let key = said.split("--idempotency-key ").nth(1).unwrap().split(',').next().unwrap();
            let repeated = ask(&[&POST[..], &["--idempotency-key", key, "--json"], &server].concat()).await.json();
            assert_eq!(repeated["alreadyPosted"], true);
            assert_eq!(ledger.counts().await.0, before + number);
        }
        let between = lossy(&ledger, None).await;
        for (number, more) in [(4, ["--reference", "r"]), (5, ["--idempotency-key", "k"])] {
            let said = ask(&[&POST[..], &more, &["--server", &between.url, "--json"]].concat()).await.refused(5);
            let said: serde_json::Value = serde_json::from_str(&said).unwrap();
            assert_eq!(said["outcome"], "UNKNOWN");
            assert!(said["message"].as_str().unwrap().ends_with("repeat the command as it is, which posts it once"), "{said}");
            let repeated = ask(&[&POST[..], &more, &["--json"], &server].concat()).await.json();
            assert_eq!(repeated["alreadyPosted"], true);
            assert_eq!(ledger.counts().await.0, before + number);
        }
    }

    /// Nothing has happened in these cases, and the command says so.
    async fn what_was_not_sent_was_not_posted(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        let before = ledger.counts().await;
        // A port that nobody listens at.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let said = ask(&[&POST[..], &["--server", &format!("http://{free}")]].concat()).await.refused(4);
        assert!(said.starts_with(&format!("daybook: cannot reach http://{free}/graphql: ")), "{said}");
        assert!(said.ends_with("is the server running, and is --server right?; nothing was posted\n"), "{said}");
        // The answer of a question that comes before is lost.
        let between = Between::start(ledger.server.base(), |_| Box::pin(async { Answer::Lost })).await;
        let said = ask(&[&POST[..], &["--server", &between.url]].concat()).await.refused(4);
        assert!(said.ends_with("nothing was posted\n"), "{said}");
        // A dry run does nothing, whatever becomes of it.
        let between = lossy(&ledger, None).await;
        let said = ask(&[&POST[..], &["--dry-run", "--server", &between.url]].concat()).await.refused(4);
        assert!(said.ends_with("nothing was posted\n"), "{said}");
        // Somebody refuses it before the server, or the URL is of something else.
        let between = lossy(&ledger, Some(StatusCode::NOT_FOUND)).await;
        let said = ask(&[&POST[..], &["--dry-run", "--server", &between.url]].concat()).await.refused(1);
        assert!(said.starts_with("daybook: the answer is 404 Not Found, and not one of GraphQL: is --server right?"), "{said}");
        let metrics = format!("{}/metrics", ledger.server.base());
        let said = ask(&[&POST[..], &["--server", &metrics]].concat()).await.refused(1);
        assert!(said.contains("is --server right?"), "{said}");
        assert_eq!(ledger.counts().await, before);
    }

    /// The deadline is the caller's.
    async fn a_question_takes_no_longer_than_it_may(test: TestDatabase) {
        let ledger = Ledger::small(test).await;
        let observer = ledger.observer().await;
        observer.hold_writers("account").await;
        for place in ledger.places() {
            let said = ask(&[&POST[..], &["--timeout", "300ms"], &place].concat()).await.refused(4);
            assert!(said.contains("nothing was posted"), "{said}");
        }
        observer.execute("ROLLBACK").await;
        ask(&[&POST[..], &ledger.places()[1]].concat()).await.printed();
    }
}
