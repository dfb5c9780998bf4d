//! Migrations on MariaDB are refused before their first statement, where a later one would be.

use daybook::{config::DatabaseUrl, database};
use daybook_test_harness::{Engine, Observer, mariadb::MariaDbServer};

const TABLES: &str = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'ledger'";
const FUNCTIONS: &str =
    "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'ledger'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_user_who_may_not_migrate_hears_of_it_before_anything_is_made() {
    let server = tokio::task::spawn_blocking(|| MariaDbServer::start(&[("log-bin", "bin")]));
    let server = server.await.unwrap();
    let root = Observer::connect(Engine::MariaDb, server.url()).await;
    root.execute("CREATE DATABASE ledger").await;
    root.execute("CREATE USER migrates").await;
    let url = server.database_url("ledger").replace("root@", "migrates@");
    let url = DatabaseUrl::parse(&url).unwrap();
    let refused = async |expected: &str| {
        let said = database::migrate(&url).await.unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
        assert!(said.contains("no migration has begun"), "{said}");
        assert_eq!((root.i64(TABLES).await, root.i64(FUNCTIONS).await), (0, 0));
    };

    let most = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE ROUTINE, EXECUTE";
    root.execute(&format!("GRANT {most} ON ledger.* TO migrates"))
        .await;
    refused("set log_bin_trust_function_creators=1").await;
    // Enough for functions, and not for triggers.
    root.execute("GRANT SET USER ON *.* TO migrates").await;
    root.execute("GRANT TRIGGER ON ledger.* TO migrates").await;
    refused("set log_bin_trust_function_creators=1").await;
    root.execute("REVOKE SET USER ON *.* FROM migrates").await;

    root.execute("SET GLOBAL log_bin_trust_function_creators = 1")
        .await;
    root.execute("REVOKE TRIGGER ON ledger.* FROM migrates")
        .await;
    refused("needs SELECT, INSERT, UPDATE, DELETE, CREATE").await;
    root.execute("GRANT TRIGGER ON ledger.* TO migrates").await;
    database::migrate(&url).await.unwrap();
    assert_eq!(root.i64(FUNCTIONS).await, 10);

    // Nothing is missing now, so nothing is tried: a user who serves may start without `--no-migrate`.
    root.execute("SET GLOBAL log_bin_trust_function_creators = 0")
        .await;
    root.execute(
        "REVOKE CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE ROUTINE ON ledger.* FROM migrates",
    )
    .await;
    database::migrate(&url).await.unwrap();
}
