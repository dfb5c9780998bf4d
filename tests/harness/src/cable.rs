//! A cable between a client and a server of any kind: it can lose what one of them says, and be cut.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// Connections to a server, which can be disturbed.
#[derive(Debug)]
pub struct Cable {
    url: String,
    listening: JoinHandle<()>,
    lines: Arc<Mutex<Vec<Line>>>,
    orders: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Line {
    loses: Arc<Loses>,
    passing: JoinHandle<()>,
}

/// What one connection loses.
#[derive(Debug, Default)]
struct Loses {
    orders: AtomicBool,
    answers: AtomicBool,
    /// What it loses from the order on that has this word.
    from: Mutex<Option<(&'static str, Lost)>>,
}

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// What the client says.
    Orders,
    /// What the server says.
    Answers,
}

impl Loses {
    fn lose(&self, lost: Lost) {
        let flag = match lost {
            Lost::Orders => &self.orders,
            Lost::Answers => &self.answers,
        };
        flag.store(true, Ordering::SeqCst);
    }

    /// Hears an order before it is passed on.
    fn hear(&self, order: &str) {
        let mut from = self.from.lock().unwrap();
        if let Some((_, lost)) = from.take_if(|(word, _)| order.contains(*word)) {
            self.lose(lost);
        }
    }
}

impl Cable {
    /// Lays a cable to the server of this URL.
    ///
    /// # Panics
    ///
    /// Where the URL has no port.
    pub async fn to(url: &str) -> Self {
        let mut url = Url::parse(url).expect("a URL");
        let server = SocketAddr::from(([127, 0, 0, 1], url.port().expect("a port")));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        url.set_port(Some(port)).expect("takes a port");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let laid = Arc::clone(&lines);
        let orders = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&orders);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else {
                    continue;
                };
                let loses = Arc::new(Loses::default());
                let passing =
                    tokio::spawn(pass(client, server, Arc::clone(&loses), Arc::clone(&heard)));
                laid.lock().unwrap().push(Line { loses, passing });
            }
        });
        Self {
            url: url.into(),
            listening,
            lines,
            orders,
        }
    }

    /// The URL to connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many messages of clients have been such ones. A message is what has arrived at once.
    pub fn orders(&self, is_one: impl Fn(&str) -> bool) -> usize {
        let orders = self.orders.lock().unwrap();
        orders.iter().filter(|order| is_one(order)).count()
    }

    /// From now on, the connections that are there lose what the server says.
    pub fn lose_answers(&self) {
        for line in &*self.lines.lock().unwrap() {
            line.loses.lose(Lost::Answers);
        }
    }

    /// From now on, the connections that are there lose what the client says.
    pub fn lose_orders(&self) {
        for line in &*self.lines.lock().unwrap() {
            line.loses.lose(Lost::Orders);
        }
    }

    /// From the next order on that has this word, the connection that it comes from loses this. Of the connections that are there.
    pub fn lose_from(&self, word: &'static str, lost: Lost) {
        for line in &*self.lines.lock().unwrap() {
            *line.loses.from.lock().unwrap() = Some((word, lost));
        }
    }

    /// Cuts the connections that are there. New ones can be made.
    pub fn cut(&self) {
        for line in self.lines.lock().unwrap().drain(..) {
            line.passing.abort();
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn pass(
    client: TcpStream,
    server: TcpStream,
    loses: Arc<Loses>,
    heard: Arc<Mutex<Vec<String>>>,
) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let orders = async {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let order = String::from_utf8_lossy(&buffer[..length]).into_owned();
            loses.hear(&order);
            heard.lock().unwrap().push(order);
            if !loses.orders.load(Ordering::SeqCst)
                && to_server.write_all(&buffer[..length]).await.is_err()
            {
                break;
            }
        }
        // That the client has gone is lost, too: the server goes on waiting for it.
        if loses.orders.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    };
    let answers = async {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            if !loses.answers.load(Ordering::SeqCst)
                && to_client.write_all(&buffer[..length]).await.is_err()
            {
                break;
            }
        }
    };
    // Whoever ends first ends both.
    tokio::select! {
        () = orders => {}
        () = answers => {}
    }
}
