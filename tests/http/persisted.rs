//! Persisted documents: named by their hash once that is known, or by a manifest.

use daybook::http::TrustedDocuments;
use serde_json::{Value as Json, json};

use super::{Answer, DEFAULT_STOP, GRAPHQL_RESPONSE, JSON, Server, sockets::Socket};

const ADD: &str = "mutation { add(by: 1) }";
const ADD_HASH: &str = "3900caefa1407c2f43992bfaf18a0d20148551a2e280158661ed8a7162286f40";
const SUM: &str = "{ sum }";
const SUM_HASH: &str = "1b47d68cf6e13eb366db0cccfc596ab6938821494a45e75cb24904bd7cf80c1b";

fn hash(hash: &str) -> Json {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

async fn ask(server: &Server, body: Json) -> Answer {
    Answer::of(server.post(GRAPHQL_RESPONSE, &body)).await
}

#[tokio::test]
async fn a_document_that_was_sent_once_is_known_by_its_hash() {
    let server = Server::start().await;
    let unknown = json!({ "extensions": hash(ADD_HASH) });
    let answer = ask(&server, unknown.clone()).await;
    answer.assert_refused(400, "PERSISTED_QUERY_NOT_FOUND");
    // Apollo's clients go by this.
    assert_eq!(
        answer.json()["errors"][0]["message"],
        "PersistedQueryNotFound"
    );
    Answer::of(server.post(JSON, &unknown))
        .await
        .assert_refused(200, "PERSISTED_QUERY_NOT_FOUND");

    let both = json!({ "query": ADD, "extensions": hash(ADD_HASH) });
    assert_eq!(
        ask(&server, both).await.json(),
        json!({ "data": { "add": 1 } })
    );
    let answer = ask(&server, unknown).await;
    assert_eq!(answer.json(), json!({ "data": { "add": 2 } }));
    // As `documentId`, and on a socket, which has the same memory.
    let answer = ask(
        &server,
        json!({ "documentId": format!("sha256:{ADD_HASH}") }),
    )
    .await;
    assert_eq!(answer.json(), json!({ "data": { "add": 3 } }));
    let mut socket = Socket::open(&server).await;
    socket
        .subscribe_with("1", &json!({ "extensions": hash(ADD_HASH) }))
        .await;
    assert_eq!(socket.next().await["payload"]["data"]["add"], 4);
}

/// The kind of the operation is that of the document, however it came.
#[tokio::test]
async fn a_mutation_does_not_run_over_get_by_its_hash() {
    let server = Server::start().await;
    let get = |extensions: Json| {
        let text = extensions.to_string();
        Answer::of(
            server
                .client
                .get(server.url("/graphql"))
                .query(&[("extensions", &text)]),
        )
    };
    for (text, name) in [(ADD, ADD_HASH), (SUM, SUM_HASH)] {
        let learn = json!({ "query": text, "extensions": hash(name) });
        assert_eq!(ask(&server, learn).await.status, 200);
    }
    get(hash(ADD_HASH)).await.assert_refused(405, "BAD_REQUEST");
    assert_eq!(
        get(hash(SUM_HASH)).await.json(),
        json!({ "data": { "sum": 1 } })
    );
    let by_id = server.get(&format!("/graphql?documentId={SUM_HASH}")).await;
    assert_eq!(by_id.json(), json!({ "data": { "sum": 1 } }));
}

#[tokio::test]
async fn a_name_that_is_wrong_is_refused() {
    let server = Server::start().await;
    for body in [
        json!({ "query": SUM, "extensions": hash(ADD_HASH) }),
        json!({ "query": SUM, "extensions": { "persistedQuery": { "version": 2, "sha256Hash": SUM_HASH } } }),
        json!({ "query": SUM, "extensions": { "persistedQuery": SUM_HASH } }),
        json!({ "query": SUM, "documentId": SUM_HASH }),
        json!({ "documentId": 1 }),
    ] {
        ask(&server, body).await.assert_refused(400, "BAD_REQUEST");
    }
    // Nothing was learnt from it.
    let answer = ask(&server, json!({ "extensions": hash(ADD_HASH) })).await;
    answer.assert_refused(400, "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn what_is_remembered_has_a_bound() {
    let small = |options: &mut daybook::http::Options| options.persisted.automatic_bytes = 80;
    let server = Server::start_with(small, DEFAULT_STOP).await;
    let learn = json!({ "query": ADD, "extensions": hash(ADD_HASH) });
    assert_eq!(ask(&server, learn).await.status, 200);
    let answer = ask(&server, json!({ "extensions": hash(ADD_HASH) })).await;
    answer.assert_refused(400, "PERSISTED_QUERY_NOT_FOUND");

    let none = |options: &mut daybook::http::Options| options.persisted.automatic_bytes = 0;
    let server = Server::start_with(none, DEFAULT_STOP).await;
    let answer = ask(&server, json!({ "extensions": hash(ADD_HASH) })).await;
    answer.assert_refused(400, "PERSISTED_QUERY_NOT_SUPPORTED");
}

async fn trusting(only: bool) -> Server {
    let manifest = json!({ "add": ADD, SUM_HASH: SUM }).to_string();
    let trusted = TrustedDocuments::from_manifest(&manifest).unwrap();
    let configure = |options: &mut daybook::http::Options| {
        options.persisted.trusted = trusted;
        options.persisted.only_trusted = only;
    };
    Server::start_with(configure, DEFAULT_STOP).await
}

#[tokio::test]
async fn trusted_documents_are_known_from_the_start() {
    let server = trusting(false).await;
    let answer = ask(&server, json!({ "documentId": "add" })).await;
    assert_eq!(answer.json(), json!({ "data": { "add": 1 } }));
    let answer = ask(&server, json!({ "extensions": hash(SUM_HASH) })).await;
    assert_eq!(answer.json(), json!({ "data": { "sum": 1 } }));
    assert_eq!(server.query(JSON, "{ sum __typename }").await.status, 200);
}

#[tokio::test]
async fn where_only_trusted_documents_are_taken_nothing_else_runs() {
    let server = trusting(true).await;
    let other = "mutation { add(by: 2) }";
    for body in [
        json!({ "query": other }),
        json!({ "query": format!("{ADD} ") }),
        json!({ "query": "{ __schema { queryType { name } } }" }),
    ] {
        ask(&server, body)
            .await
            .assert_refused(400, "QUERY_NOT_IN_SAFELIST");
    }
    let learn = json!({ "query": "{ sum __typename }", "extensions": hash("b6783fdfd2eb1d34727bf96fbd935ff4e694f56fd7fbc0306f43b9ee03ddc5ef") });
    ask(&server, learn)
        .await
        .assert_refused(400, "QUERY_NOT_IN_SAFELIST");
    ask(&server, json!({ "documentId": "other" }))
        .await
        .assert_refused(400, "PERSISTED_QUERY_NOT_FOUND");
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", other).await;
    assert_eq!(socket.next().await["type"], "error");
    assert_eq!(server.toy.sum(), 0);

    for body in [
        json!({ "documentId": "add" }),
        json!({ "query": ADD }),
        json!([{ "documentId": "add" }]),
    ] {
        let answer = ask(&server, body).await;
        assert!(answer.text.contains("\"add\":"), "{answer:?}");
    }
    assert_eq!(server.toy.sum(), 3);
}
