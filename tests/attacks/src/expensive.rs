//! Operations that cost the server much more than they cost the client.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::{io::AsyncWriteExt, task::JoinSet, time::sleep};

use crate::{
    http2, normal,
    server::{Server, entry},
    socket,
};

/// So many at a time, again and again.
pub async fn repeat(server: &Server, at_once: usize, body: String) -> Result<()> {
    let mut clients = JoinSet::new();
    for _ in 0..at_once {
        let (address, body) = (server.address.clone(), body.clone());
        clients.spawn(async move {
            loop {
                if normal::post(&address, &body).await.is_err() {
                    sleep(Duration::from_millis(10)).await;
                }
            }
        });
    }
    while clients.join_next().await.is_some() {}
    Ok(())
}

pub async fn deep_introspection(server: &Server) -> Result<()> {
    let deep = "{fields{type".repeat(8);
    let query = format!("{{__type(name:\"Query\"){deep}{{name}}{}}}", "}}".repeat(8));
    repeat(server, 4, json!({ "query": query }).to_string()).await
}

/// What tools ask for, again and again.
pub async fn introspection(server: &Server) -> Result<()> {
    let query = "{__schema{types{kind name description fields{name description args{name description type{kind name ofType{kind name}}} \
        type{kind name ofType{kind name ofType{kind name}}}} inputFields{name description type{kind name}} enumValues{name description}}}}";
    repeat(server, 20, json!({ "query": query }).to_string()).await
}

pub async fn verify_ledger(server: &Server) -> Result<()> {
    let query = "{ verifyLedger { ok } }";
    repeat(server, 40, json!({ "query": query }).to_string()).await
}

fn counts_query() -> String {
    let counts: String = (0..100)
        .map(|n| format!("c{n}: entries(first: 1, filter: {{ account: {{ code: \"a\" }}, kind: POST }}) {{ totalCount }} "))
        .collect();
    format!("{{ {counts} }}")
}

/// A hundred counts of all entries in one operation.
pub async fn counts(server: &Server) -> Result<()> {
    let body = json!({ "query": counts_query() });
    // What is refused is no attack.
    server.ask(&body).await?;
    repeat(server, 20, body.to_string()).await
}

fn statements() -> serde_json::Value {
    let statements: String = (0..50)
        .map(|n| format!("s{n}: account(by: {{ code: \"a\" }}) {{ statement(first: 100) {{ edges {{ node {{ side version change {{ amount }} balanceAfter {{ amount }} }} }} }} }} "))
        .collect();
    json!({ "query": format!("{{ {statements} }}") })
}

/// Pages of lines as long and as many as one operation may ask for.
pub async fn long_statements(server: &Server) -> Result<()> {
    server.ask(&statements()).await?;
    repeat(server, 20, statements().to_string()).await
}

/// The same, ten operations in one request.
pub async fn batches(server: &Server) -> Result<()> {
    repeat(server, 10, json!(vec![statements(); 10]).to_string()).await
}

pub async fn long_entries(server: &Server) -> Result<()> {
    repeat(server, 10, entry(1000).to_string()).await
}

/// One short document that posts the same entry a hundred times.
pub async fn repeated_entries(server: &Server) -> Result<()> {
    let mut body = entry(50);
    let posts: String = (0..100)
        .map(|n| format!("p{n}: postEntry(input: $input) {{ entry {{ id }} }} "))
        .collect();
    body["query"] = json!(format!("mutation ($input: PostEntryInput!) {{ {posts} }}"));
    server.ask(&body).await?;
    repeat(server, 10, body.to_string()).await
}

pub async fn unterminated_strings(server: &Server) -> Result<()> {
    let query = format!("{{ account(by: {{ code: \"{}", "x".repeat(1_000_000));
    repeat(server, 8, json!({ "query": query }).to_string()).await
}

pub async fn white_space_documents(server: &Server, time: Duration) -> Result<()> {
    let mut clients = JoinSet::new();
    for client in 0..4 {
        let address = server.address.clone();
        clients.spawn(async move {
            for n in 0.. {
                let query = format!("{{ __typename }}{}# {client} {n}", " ".repeat(1_000_000));
                let _ = normal::post(&address, &json!({ "query": query }).to_string()).await;
            }
        });
    }
    sleep(time).await;
    Ok(())
}

/// The same on WebSockets, ten at a time on each.
pub async fn counts_on_sockets(server: &Server) -> Result<()> {
    let mut sockets = JoinSet::new();
    for _ in 0..10 {
        let mut connection = socket::open(&server.address).await?;
        let said = (0..10_000).map(|n| socket::subscribe(&n.to_string(), &counts_query()));
        let said = said.take(10).collect::<Vec<_>>().concat();
        connection.write_all(&said).await?;
        sockets.spawn(crate::subscribers::read_on(connection));
    }
    while sockets.join_next().await.is_some() {}
    Ok(())
}

/// The whole ledger, and what tools ask for, a hundred at a time on each of ten HTTP/2 connections.
pub async fn heavy_on_http2(server: &Server) -> Result<()> {
    let queries = [
        "{verifyLedger{ok}}",
        "{__schema{types{name,description,fields{name,description,args{name,description,type{name}},type{name,kind,ofType{name}}}}}}",
    ];
    let mut connections = JoinSet::new();
    for _ in 0..10 {
        let address = server.address.clone();
        connections.spawn(async move {
            loop {
                let Ok(mut connection) = http2::connect(&address, &[]).await else {
                    continue;
                };
                for n in 0..100 {
                    let query = queries[usize::try_from(n).unwrap_or(0) % queries.len()];
                    let get = http2::get(n, &format!("/graphql?query={query}"), "application/json");
                    if connection.write_all(&get).await.is_err() {
                        break;
                    }
                }
                let read = http2::read_on(connection);
                let _ = tokio::time::timeout(Duration::from_secs(2), read).await;
            }
        });
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}
