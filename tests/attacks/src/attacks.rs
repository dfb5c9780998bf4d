//! The list of attacks, and those of them by connections and by what is not read. Each goes on for as long as it is given, and drops what it holds.

use std::{pin::Pin, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::sleep};

use crate::{
    expensive, floods, http2, normal,
    server::{Server, entry},
    socket,
    subscribers::{Entries, Transport, subscribe},
};

type Run =
    for<'a> fn(&'a Server, Duration) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// One attack.
pub struct Attack {
    pub name: &'static str,
    /// How many entries of a thousand lines the ledger has.
    pub entries: usize,
    pub run: Run,
}

macro_rules! attacks {
    ($($name:literal: |$server:ident, $time:ident| $run:expr $(, of $entries:literal entries)?;)*) => {
        /// All of them.
        pub const ATTACKS: &[Attack] = &[$(Attack {
            name: $name,
            entries: [$($entries,)? 10][0],
            run: |$server, $time| Box::pin(async move {
                // Some end when they are told to, others when they are dropped.
                let _ = $time;
                $run.await
            }),
        }),*];
    };
}

attacks! {
    "half-sent-headers": |server, time| half_sent_headers(server, time);
    "half-sent-bodies": |server, time| half_sent_bodies(server, time);
    "silent-connections": |server, time| silent_connections(server, time);
    "script-without-window": |server, time| script_without_window(server, time);
    "introspection-without-window": |server, time| introspection_without_window(server, time);
    "pings-unread": |server, time| pings_unread(server, time);
    "long-ids": |server, time| long_ids(server, time);
    "events-unread": |server, time| events_unread(server, time, Transport::Events);
    "multipart-unread": |server, time| events_unread(server, time, Transport::Multipart);
    "sockets-unread": |server, time| events_unread(server, time, Transport::Sockets);
    "http2-events-unread": |server, time| events_unread(server, time, Transport::Http2);
    "http2-pings": |server, time| floods::http2_pings(server);
    "empty-fragments": |server, time| floods::empty_fragments(server);
    "refused-operations": |server, time| floods::refused_operations(server);
    "socket-operations": |server, time| floods::socket_operations(server);
    "long-accept": |server, time| floods::long_accept(server);
    "many-clients": |server, time| floods::many_clients(server);
    "deep-introspection": |server, time| expensive::deep_introspection(server);
    "introspection": |server, time| expensive::introspection(server);
    "verify-ledger": |server, time| expensive::verify_ledger(server), of 400 entries;
    "counts": |server, time| expensive::counts(server);
    "counts-on-sockets": |server, time| expensive::counts_on_sockets(server);
    "heavy-on-http2": |server, time| expensive::heavy_on_http2(server);
    "long-statements": |server, time| expensive::long_statements(server);
    "batches": |server, time| expensive::batches(server);
    "long-entries": |server, time| expensive::long_entries(server);
    "repeated-entries": |server, time| expensive::repeated_entries(server);
    "unterminated-strings": |server, time| expensive::unterminated_strings(server);
    "white-space-documents": |server, time| expensive::white_space_documents(server, time);
    "subscribers": |server, time| subscribe(server, Transport::Events, Entries::Steady);
    "subscribers-in-bursts": |server, time| subscribe(server, Transport::Events, Entries::InBursts);
    "multipart-subscribers": |server, time| subscribe(server, Transport::Multipart, Entries::Steady);
    "socket-subscribers": |server, time| subscribe(server, Transport::Sockets, Entries::Steady);
    "http2-subscribers": |server, time| subscribe(server, Transport::Http2, Entries::Steady);
}

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
            if connection
                .write_all(&http2::get(n, path, "*/*"))
                .await
                .is_err()
            {
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

/// A hundred streams that nobody reads, and ten entries of a thousand lines.
async fn events_unread(server: &Server, time: Duration, transport: Transport) -> Result<()> {
    let query = "subscription{entryPosted{entry{id,lines{id,amount{amount}}}}}";
    let path = format!("/graphql?query={query}");
    let stream = |accept: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\n\r\n").into_bytes()
    };
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut connection = match transport {
            Transport::Sockets => socket::open(&server.address).await?,
            Transport::Http2 => http2::connect_without_window(&server.address).await?,
            _ => TcpStream::connect(&server.address).await?,
        };
        let said = match transport {
            Transport::Events => stream("text/event-stream"),
            Transport::Multipart => stream("multipart/mixed;subscriptionSpec=1.0"),
            Transport::Sockets => socket::subscribe("1", query),
            Transport::Http2 => http2::get(0, &path, "text/event-stream"),
        };
        connection.write_all(&said).await?;
        held.push(connection);
    }
    for _ in 0..10 {
        let _ = normal::post(&server.address, &entry(1000).to_string()).await;
    }
    sleep(time).await;
    Ok(())
}
