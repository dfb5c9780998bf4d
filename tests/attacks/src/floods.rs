//! Many small things without end, each of which the server has to look at.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedReadHalf},
    task::JoinSet,
    time::sleep,
};

use crate::{expensive, http2, server::Server, socket};

const CONNECTIONS: usize = 20;

/// Pings of HTTP/2, as fast as they are taken.
pub async fn http2_pings(server: &Server) -> Result<()> {
    flood(server, || (Speaks::Http2, http2::ping().repeat(100))).await
}

/// Messages of WebSockets that never end, in pieces that are empty.
pub async fn empty_fragments(server: &Server) -> Result<()> {
    let said = [
        socket::first_fragment(),
        socket::empty_fragment().repeat(100_000),
    ]
    .concat();
    flood(server, || (Speaks::Socket, said.clone())).await
}

/// Operations on sockets that are refused, each under an id of its own.
pub async fn refused_operations(server: &Server) -> Result<()> {
    operations(server, "{ noSuchField }").await
}

/// Operations on sockets that are cheap, each under an id of its own.
pub async fn socket_operations(server: &Server) -> Result<()> {
    operations(server, "{ account(by: { code: \"a\" }) { code } }").await
}

async fn operations(server: &Server, query: &str) -> Result<()> {
    let said = (0..10_000).map(|n| socket::subscribe(&n.to_string(), query));
    let said = said.collect::<Vec<_>>().concat();
    flood(server, || (Speaks::Socket, said.clone())).await
}

/// Requests whose `Accept` is as long as headers may be.
pub async fn long_accept(server: &Server) -> Result<()> {
    let accept = "a/b;q=0.1,".repeat(6000);
    let said = format!(
        "GET /graphql?query={{__typename}} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}*/*\r\n\r\n"
    );
    flood(server, || (Speaks::Http, said.clone().into_bytes())).await
}

/// Six hundred clients that post without end, each what a normal client asks for.
pub async fn many_clients(server: &Server) -> Result<()> {
    let query = "{ account(by: { code: \"a\" }) { code balances { version } } }";
    expensive::repeat(server, 600, json!({ "query": query }).to_string()).await
}

/// What is spoken on a connection.
#[derive(Clone, Copy)]
enum Speaks {
    Http,
    Http2,
    Socket,
}

/// On each connection says the same again and again, and reads what is answered; connects again where the server has ended it.
async fn flood(server: &Server, said: impl Fn() -> (Speaks, Vec<u8>)) -> Result<()> {
    let mut floods = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (speaks, said) = said();
        let address = server.address.clone();
        floods.spawn(async move {
            loop {
                if let Ok(connection) = connect(&address, speaks).await {
                    go_on(connection, &said).await;
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
    }
    while floods.join_next().await.is_some() {}
    Ok(())
}

async fn connect(address: &str, speaks: Speaks) -> Result<TcpStream> {
    match speaks {
        Speaks::Http => Ok(TcpStream::connect(address).await?),
        Speaks::Http2 => http2::connect(address, &[]).await,
        Speaks::Socket => socket::open(address).await,
    }
}

async fn go_on(connection: TcpStream, said: &[u8]) {
    let (reading, mut writing) = connection.into_split();
    let say = async { while writing.write_all(said).await.is_ok() {} };
    tokio::select! {
        () = say => {}
        () = read_on(reading) => {}
    }
}

async fn read_on(mut reading: OwnedReadHalf) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(1..) = reading.read(&mut buffer).await {}
}
