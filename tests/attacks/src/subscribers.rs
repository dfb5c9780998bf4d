//! Many subscribers who all want the same events, on each transport.

use std::time::Duration;

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use crate::{
    http2, normal,
    server::{Server, entry},
    socket,
};

const SUBSCRIBERS: usize = 2000;

const QUERY: &str = "subscription{entryPosted{cursor,entry{id}}}";

/// How events reach a client.
#[derive(Clone, Copy)]
pub enum Transport {
    Events,
    Multipart,
    Sockets,
    /// A hundred streams on each connection.
    Http2,
}

/// How entries follow each other.
#[derive(Clone, Copy)]
pub enum Entries {
    /// One each tenth of a second.
    Steady,
    /// Twenty in a row every two seconds.
    InBursts,
}

/// Streams that are read, and an entry after the other.
pub async fn subscribe(server: &Server, transport: Transport, entries: Entries) -> Result<()> {
    let address = &server.address;
    let mut readers = JoinSet::new();
    match transport {
        Transport::Events => open(&mut readers, address, "text/event-stream").await?,
        Transport::Multipart => {
            open(
                &mut readers,
                address,
                "multipart/mixed;subscriptionSpec=1.0",
            )
            .await?;
        }
        Transport::Sockets => {
            for n in 0..SUBSCRIBERS / 10 {
                let mut connection = socket::open(address).await?;
                for operation in 0..10 {
                    let said = socket::subscribe(&format!("{n}-{operation}"), QUERY);
                    connection.write_all(&said).await?;
                }
                readers.spawn(read_on(connection));
            }
        }
        Transport::Http2 => {
            for _ in 0..SUBSCRIBERS / 100 {
                let mut connection = http2::connect(address, &[]).await?;
                for n in 0..100 {
                    let path = format!("/graphql?query={QUERY}");
                    let get = http2::get(n, &path, "text/event-stream");
                    connection.write_all(&get).await?;
                }
                readers.spawn(http2::read_on(connection));
            }
        }
    }
    loop {
        let in_a_row = match entries {
            Entries::Steady => 1,
            Entries::InBursts => 20,
        };
        for _ in 0..in_a_row {
            let _ = normal::post(address, &entry(1).to_string()).await;
        }
        sleep(Duration::from_millis(100) * in_a_row).await;
    }
}

async fn open(readers: &mut JoinSet<()>, address: &str, accept: &str) -> Result<()> {
    let said = format!(
        "GET /graphql?query={QUERY} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\n\r\n"
    );
    for _ in 0..SUBSCRIBERS {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(said.as_bytes()).await?;
        readers.spawn(read_on(connection));
    }
    Ok(())
}

pub async fn read_on(mut connection: TcpStream) {
    let mut buffer = vec![0; 1024];
    while let Ok(1..) = connection.read(&mut buffer).await {}
}
