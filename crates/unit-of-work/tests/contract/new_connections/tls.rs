//! TLS towards PostgreSQL, with what only connect options can say: a certificate in memory, and a password from somewhere else.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use daybook_test_harness::{Observer, eventually, postgres::PostgresServer};
use rcgen::{CertificateParams, KeyPair};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use unit_of_work::{ConnectError, Database, DatabaseOptions};

use super::text;

/// A server that is spoken to over TLS alone, with its certificate.
struct Server {
    // Declared first: the connection is closed before the server goes.
    observer: Observer,
    server: PostgresServer,
    certificate: String,
}

async fn server() -> Server {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(&[]))
        .await
        .expect("starts");
    let observer = Observer::connect(daybook_test_harness::Engine::Postgres, server.url()).await;
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("a certificate")
        .pem();
    let rules = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
    // The server writes its files itself: they must be its own.
    for (name, contents) in [
        ("server.crt", certificate.as_str()),
        ("server.key", &key.serialize_pem()),
        ("pg_hba.conf", rules),
    ] {
        let contents = BASE64_STANDARD.encode(contents);
        observer
            .execute(&format!(
                "COPY (SELECT '{contents}') TO PROGRAM 'umask 077; base64 -d > {name}'"
            ))
            .await;
    }
    for sql in [
        "ALTER ROLE postgres PASSWORD 'from a vault'",
        "ALTER SYSTEM SET ssl = on",
        "SELECT pg_reload_conf()",
    ] {
        observer.execute(sql).await;
    }
    eventually("the server reads its files", async || {
        Observer::try_connect(server.url()).await.is_err()
    })
    .await;
    Server {
        observer,
        server,
        certificate,
    }
}

impl Server {
    fn options(&self, mode: PgSslMode) -> PgConnectOptions {
        let url: PgConnectOptions = self.server.url().parse().expect("is a URL");
        url.host("localhost")
            .password("from a vault")
            .ssl_mode(mode)
    }
}

#[tokio::test]
async fn certificate_in_memory_is_verified() {
    let server = server().await;
    let given = server
        .options(PgSslMode::VerifyFull)
        .ssl_root_cert_from_pem(server.certificate.clone().into_bytes());
    let database = Database::connect_with(given, DatabaseOptions::default())
        .await
        .expect("connects");
    let over = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let read = database.read(async |unit| text(&unit, over).await).await;
    let written = database.write(async |unit| text(&unit, over).await).await;
    assert_eq!(
        (read.expect("is read"), written.expect("is read")),
        ("true".to_owned(), "true".to_owned())
    );
    let plain = "SELECT count(*) FROM pg_stat_ssl NATURAL JOIN pg_stat_activity \
                 WHERE NOT ssl AND application_name = 'unit-of-work'";
    assert_eq!(server.observer.i64(plain).await, 0);
    database.close().await;
}

#[tokio::test]
async fn connection_is_refused_where_tls_is_not_as_asked() {
    let server = server().await;
    let other = KeyPair::generate().expect("a key");
    let other = CertificateParams::new(vec!["localhost".to_owned()])
        .and_then(|params| params.self_signed(&other))
        .expect("a certificate");
    for (given, why) in [
        (
            server
                .options(PgSslMode::VerifyFull)
                .ssl_root_cert_from_pem(other.pem().into_bytes()),
            "another certificate",
        ),
        (
            server.options(PgSslMode::VerifyCa),
            "a certificate that nobody knows",
        ),
        (server.options(PgSslMode::Disable), "without TLS"),
        (
            server.options(PgSslMode::Require).password("wrong"),
            "a wrong password",
        ),
    ] {
        let refused = Database::connect_with(given, DatabaseOptions::default())
            .await
            .expect_err(why);
        assert!(matches!(refused, ConnectError::Open { .. }), "{refused:?}");
    }
    // By a URL as well, and without a look at the certificate.
    let url = server.server.url();
    let url = url.replacen("postgres@", "postgres:from%20a%20vault@", 1) + "?sslmode=require";
    let database = Database::connect(&url, DatabaseOptions::default())
        .await
        .expect("connects");
    database.close().await;
}
