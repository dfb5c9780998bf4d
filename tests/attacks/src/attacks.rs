//! The attacks. Each goes on for as long as it is given, and drops what it holds.

use std::{pin::Pin, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::sleep};

use crate::{
    expensive, http2, normal,
    server::{Server, entry},
    socket,
};

type Attack =
    for<'a> fn(&'a Server, Duration) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A name and an attack.
pub const ATTACKS: &[(&str, Attack)] = &[
    ("half-sent-headers", |server, time| {
        Box::pin(half_sent_headers(server, time))
    }),
    ("half-sent-bodies", |server, time| {
        Box::pin(half_sent_bodies(server, time))
    }),
    ("silent-connections", |server, time| {
        Box::pin(silent_connections(server, time))
    }),
    ("script-without-window", |server, time| {
        Box::pin(script_without_window(server, time))
    }),
    ("introspection-without-window", |server, time| {
        Box::pin(introspection_without_window(server, time))
    }),
    ("pings-unread", |server, time| {
        Box::pin(pings_unread(server, time))
    }),
    ("long-ids", |server, time| Box::pin(long_ids(server, time))),
    ("events-unread", |server, time| {
        Box::pin(events_unread(server, time))
    }),
    ("deep-introspection", |server, _| {
        Box::pin(expensive::deep_introspection(server))
    }),
    ("introspection", |server, _| {
        Box::pin(expensive::introspection(server))
    }),
    ("verify-ledger", |server, _| {
        Box::pin(expensive::verify_ledger(server))
    }),
    ("counts", |server, _| Box::pin(expensive::counts(server))),
    ("long-statements", |server, _| {
        Box::pin(expensive::long_statements(server))
    }),
    ("batches", |server, _| Box::pin(expensive::batches(server))),
    ("long-entries", |server, _| {
        Box::pin(expensive::long_entries(server))
    }),
    ("repeated-entries", |server, _| {
        Box::pin(expensive::repeated_entries(server))
    }),
    ("unterminated-strings", |server, _| {
        Box::pin(expensive::unterminated_strings(server))
    }),
    ("white-space-documents", |server, time| {
        Box::pin(expensive::white_space_documents(server, time))
    }),
    ("subscribers", |server, _| {
        Box::pin(expensive::subscribers(server))
    }),
];

const CONNECTIONS: usize = 1000;

/// Opens connections that each say this, and holds them.
async fn hold(server: &Server, count: usize, said: Vec<u8>, time: Duration) -> Result<()> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = TcpStream::connect(&server.address).await?;
        // It may be closed by then.
        let _ = connection.write_all(&said).await;
        connections.push(connection);
    }
    sleep(time).await;
    Ok(())
}

async fn half_sent_headers(server: &Server, time: Duration) -> Result<()> {
    let said = format!(
        "GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {}",
        "x".repeat(400_000)
    );
    hold(server, CONNECTIONS, said.into_bytes(), time).await
}

async fn half_sent_bodies(server: &Server, time: Duration) -> Result<()> {
    let length = 1024 * 1024;
    let said = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{}",
        " ".repeat(length - 5)
    );
    hold(server, CONNECTIONS, said.into_bytes(), time).await
}

async fn silent_connections(server: &Server, time: Duration) -> Result<()> {
    hold(server, 3 * CONNECTIONS, Vec::new(), time).await
}

async fn script_without_window(server: &Server, time: Duration) -> Result<()> {
    let mut page = TcpStream::connect(&server.address).await?;
    page.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await?;
    let page = normal::read_answer(&mut page).await?;
    let script = page
        .split('"')
        .find(|part| part.ends_with(".js"))
        .context("no script")?
        .to_owned();
    without_window(server, 10, &script, time).await
}

async fn introspection_without_window(server: &Server, time: Duration) -> Result<()> {
    let query = "{__schema{types{name,description,fields{name,description,args{name,description,type{name}},type{name,kind,ofType{name}}}}}}";
    let path = format!("/graphql?query={query}");
    without_window(server, 50, &path, time).await
}

/// Connections that each ask for the same two hundred times, and have no window for the answers.
async fn without_window(
    server: &Server,
    connections: usize,
    path: &str,
    time: Duration,
) -> Result<()> {
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut connection = http2::connect_without_window(&server.address).await?;
        for n in 0..200 {
            if connection.write_all(&http2::get(n, path)).await.is_err() {
                break;
            }
        }
        held.push(connection);
    }
    sleep(time).await;
    Ok(())
}

async fn pings_unread(server: &Server, time: Duration) -> Result<()> {
    let message = socket::text(
        &json!({ "type": "ping", "payload": { "x": "x".repeat(180_000) } }).to_string(),
    );
    let short =
        socket::text(&json!({ "type": "ping", "payload": { "x": "x".repeat(4000) } }).to_string());
    let mut held = JoinSet::new();
    for (said, times) in [(message, 100), (short, 2000), (socket::ping(), 20_000)] {
        for _ in 0..20 {
            let mut connection = socket::open(&server.address).await?;
            let said = said.clone();
            held.spawn(async move {
                for _ in 0..times {
                    if connection.write_all(&said).await.is_err() {
                        break;
                    }
                }
                sleep(time).await;
            });
        }
    }
    sleep(time).await;
    Ok(())
}

async fn long_ids(server: &Server, time: Duration) -> Result<()> {
    let mut held = Vec::new();
    for length in [1000, 1_000_000] {
        let mut connection = socket::open(&server.address).await?;
        for n in 0..99 {
            let id = format!("{n}{}", "x".repeat(length));
            let payload = json!({ "query": "subscription { entryPosted { cursor } }" });
            let said = json!({ "type": "subscribe", "id": id, "payload": payload });
            if connection
                .write_all(&socket::text(&said.to_string()))
                .await
                .is_err()
            {
                break;
            }
        }
        held.push(connection);
    }
    for _ in 0..10 {
        let _ = normal::post(&server.address, &entry(1).to_string()).await;
    }
    sleep(time).await;
    Ok(())
}

async fn events_unread(server: &Server, time: Duration) -> Result<()> {
    let query = "subscription{entryPosted{entry{id,lines{id,amount{amount}}}}}";
    let said = format!(
        "GET /graphql?query={query} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
    );
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut connection = TcpStream::connect(&server.address).await?;
        connection.write_all(said.as_bytes()).await?;
        held.push(connection);
    }
    for _ in 0..10 {
        let _ = normal::post(&server.address, &entry(1000).to_string()).await;
    }
    sleep(time).await;
    Ok(())
}
