//! A database for one test.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;

use crate::mariadb;
use crate::postgres::{self, PostgresServer};
use crate::{Engine, Observer, WireProxy};

/// A fresh, empty database that goes when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File {
        _folder: TempDir,
    },
    Server {
        name: String,
        /// Whose it is, if not that of this process's tests.
        private: Option<Arc<PostgresServer>>,
    },
    MariaDb {
        name: String,
        /// Whether it is on a node of a cluster, which has it for as long as the cluster is there.
        on_a_node: bool,
    },
}

impl TestDatabase {
    /// Makes an empty database on `engine`.
    ///
    /// # Panics
    ///
    /// When it cannot be made, in particular where PostgreSQL or MariaDB is not installed.
    pub async fn create(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let folder = TempDir::with_prefix("daybook-sqlite.").expect("no temporary folder");
                let file = folder.path().join("test.db");
                Self {
                    url: format!("sqlite://{}?mode=rwc", file.display()),
                    place: Place::File { _folder: folder },
                }
            }
            Engine::Postgres => Self::on(postgres::server().await, None).await,
            Engine::MariaDb => {
                let server = mariadb::server().await;
                let name = format!("daybook_{}", Uuid::new_v4().simple());
                Observer::connect(Engine::MariaDb, server.url())
                    .await
                    .execute(&format!("CREATE DATABASE {name}"))
                    .await;
                Self {
                    url: server.database_url(&name),
                    place: Place::MariaDb {
                        name,
                        on_a_node: false,
                    },
                }
            }
        }
    }

    /// Makes an empty database on a server of the test's own, which is gone with it.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn create_on(server: Arc<PostgresServer>) -> Self {
        Self::on(&server, Some(Arc::clone(&server))).await
    }

    async fn on(server: &PostgresServer, private: Option<Arc<PostgresServer>>) -> Self {
        let name = format!("daybook_{}", Uuid::new_v4().simple());
        // template0, because nobody can be connected to it: CREATE DATABASE refuses a template in use.
        Observer::connect(Engine::Postgres, server.url())
            .await
            .execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await;
        Self {
            url: server.database_url(&name),
            place: Place::Server { name, private },
        }
    }

    pub(crate) fn on_a_node(url: String, name: &str) -> Self {
        Self {
            url,
            place: Place::MariaDb {
                name: name.to_owned(),
                on_a_node: true,
            },
        }
    }

    /// The same database on a standby of its server, which has taken over.
    ///
    /// # Panics
    ///
    /// On another engine than PostgreSQL.
    #[must_use]
    pub fn on_standby(&self, standby: Arc<PostgresServer>) -> Self {
        let Place::Server { name, .. } = &self.place else {
            panic!("only PostgreSQL has a standby here");
        };
        Self {
            url: standby.database_url(name),
            place: Place::Server {
                name: name.clone(),
                private: Some(standby),
            },
        }
    }

    /// The URL to connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The engine that this is a database of.
    pub fn engine(&self) -> Engine {
        match self.place {
            Place::File { .. } => Engine::Sqlite,
            Place::Server { .. } => Engine::Postgres,
            Place::MariaDb { .. } => Engine::MariaDb,
        }
    }

    /// A connection of its own that sees only what is committed.
    ///
    /// # Panics
    ///
    /// When it cannot connect.
    pub async fn observer(&self) -> Observer {
        let observer = Observer::connect(self.engine(), &self.url).await;
        if let Place::MariaDb {
            on_a_node: true, ..
        } = self.place
        {
            // What was committed on another node.
            observer.execute("SET wsrep_sync_wait = 7").await;
        }
        observer
    }

    /// The number of transactions that other connections have open.
    ///
    /// On SQLite only a writer can be seen from outside: 1 while somebody holds the write lock, else 0.
    ///
    /// # Panics
    ///
    /// When the database cannot be asked.
    pub async fn open_transactions(&self) -> i64 {
        match &self.place {
            Place::File { .. } => {
                let observer = self.observer().await;
                observer.lock_timeout(Duration::ZERO).await;
                match observer.try_execute("BEGIN IMMEDIATE").await {
                    Ok(_) => {
                        observer.execute("ROLLBACK").await;
                        0
                    }
                    Err(sqlx::Error::Database(error)) if is_busy(&*error) => 1,
                    Err(error) => panic!("BEGIN IMMEDIATE: {error}"),
                }
            }
            Place::MariaDb { name, .. } => open_transactions_of_mariadb(&self.url, name).await,
            Place::Server { name, private } => {
                // Asked from the maintenance database, so that the asker is not counted.
                let url = match private {
                    Some(server) => server.url(),
                    None => postgres::server().await.url(),
                };
                let observer = Observer::connect(Engine::Postgres, url).await;
                observer
                    .i64(&format!(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' \
                         AND backend_type = 'client backend' \
                         AND (xact_start IS NOT NULL OR state LIKE 'idle in transaction%')"
                    ))
                    .await
            }
        }
    }

    /// Puts a proxy in front of this database's server; connect to [`WireProxy::url`].
    ///
    /// # Panics
    ///
    /// On another engine than PostgreSQL.
    pub async fn proxy(&self) -> WireProxy {
        assert!(
            self.engine() == Engine::Postgres,
            "the wire proxy is for PostgreSQL"
        );
        WireProxy::start(&self.url).await
    }
}

/// InnoDB's report names the threads with transactions. Its tables (`INNODB_TRX`) answer with what was so a moment ago.
async fn open_transactions_of_mariadb(url: &str, name: &str) -> i64 {
    let observer = Observer::connect(Engine::MariaDb, url).await;
    let report = observer.column("SHOW ENGINE INNODB STATUS", 2).await;
    let report = report.into_iter().flatten().collect::<String>();
    let transactions = report.split("---TRANSACTION ").skip(1);
    let is_open = |told: &&str| {
        let first = told.lines().next();
        first.is_some_and(|line| line.contains("ACTIVE"))
    };
    let threads = transactions
        .filter(is_open)
        .filter_map(|told| told.split_once("MariaDB thread id ")?.1.split(',').next());
    // There is no thread 0.
    let threads: Vec<_> = std::iter::once("0").chain(threads).collect();
    let threads = threads.join(", ");
    observer
        .i64(&format!(
            "SELECT count(*) FROM information_schema.PROCESSLIST \
             WHERE DB = '{name}' AND ID <> CONNECTION_ID() AND ID IN ({threads})"
        ))
        .await
}

/// Whether SQLite refused a lock (its extended codes carry the primary one in the low byte).
fn is_busy(error: &dyn sqlx::error::DatabaseError) -> bool {
    error
        .code()
        .and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A SQLite folder removes itself, and so does a server of the test's own.
        let (engine, sql) = match &self.place {
            Place::Server {
                name,
                private: None,
            } => (
                Engine::Postgres,
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            ),
            Place::MariaDb {
                name,
                on_a_node: false,
            } => (Engine::MariaDb, format!("DROP DATABASE IF EXISTS {name}")),
            Place::File { .. } | Place::Server { .. } | Place::MariaDb { .. } => return,
        };
        // A thread and a runtime of its own: the test's runtime may be going down.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let url = match engine {
                    Engine::MariaDb => mariadb::server().await.url(),
                    _ => postgres::server().await.url(),
                };
                let observer = Observer::connect(engine, url).await;
                if engine == Engine::MariaDb {
                    // A transaction that was forgotten keeps the tables. The server goes with them.
                    observer.lock_timeout(Duration::from_secs(1)).await;
                }
                observer
                    .try_execute(&sql)
                    .await
                    .map_err(std::io::Error::other)
            })
        });
        // Best effort: a private server takes what is left with it.
        let _ = dropping.join();
    }
}
