//! The rights of `docs/operating.md` on MariaDB are enough, and a backup that was made with less is refused.

use daybook::{config::DatabaseUrl, database};
use daybook_test_harness::{Engine, Observer, TestDatabase};
use serde_json::json;
use unit_of_work::DatabaseOptions;

use super::{
    backup::{DUMP, dump_and_restore},
    missing_guards::assert_refused,
    server::Ledger,
    verify::verify,
};

const MIGRATES: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER, CREATE ROUTINE, EXECUTE";
const SERVES: &str = "SELECT, INSERT, UPDATE, DELETE, TRIGGER, EXECUTE";
const DUMPS: &str = "SELECT, TRIGGER";
const RESTORES: &str = "INSERT, CREATE, DROP, ALTER, TRIGGER, CREATE ROUTINE, ALTER ROUTINE";

/// The name of a database.
fn name(database: &TestDatabase) -> String {
    let url = reqwest::Url::parse(database.url()).unwrap();
    url.path().trim_start_matches('/').to_owned()
}

/// The URL of `database` as another user.
fn as_user(database: &TestDatabase, user: &str) -> String {
    let mut url = reqwest::Url::parse(database.url()).unwrap();
    url.set_username(user).unwrap();
    url.into()
}

/// Users of one test, who go with it.
struct Users {
    /// What their names begin with.
    test: String,
    root: Observer,
}

impl Users {
    async fn create(test: &TestDatabase) -> Self {
        let users = Self {
            test: name(test),
            root: test.observer().await,
        };
        for who in ["migrates", "serves", "dumps", "restores"] {
            let user = users.user(who);
            users.root.execute(&format!("CREATE USER {user}")).await;
        }
        users
    }

    fn user(&self, who: &str) -> String {
        format!("{}_{who}", self.test)
    }

    async fn grant(&self, rights: &str, place: &str, who: &str) {
        let grant = format!("GRANT {rights} ON {place} TO {}", self.user(who));
        self.root.execute(&grant).await;
    }

    async fn drop(self) {
        for who in ["migrates", "serves", "dumps", "restores"] {
            let drop = format!("DROP USER {}", self.user(who));
            self.root.execute(&drop).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_needs_no_more_than_the_rights_of_the_table() {
    let test = TestDatabase::create(Engine::MariaDb).await;
    let restored = TestDatabase::create(Engine::MariaDb).await;
    let users = Users::create(&test).await;
    let place = format!("{}.*", name(&test));
    users.grant(MIGRATES, &place, "migrates").await;
    users.grant(SERVES, &place, "serves").await;
    users.grant(DUMPS, &place, "dumps").await;
    users.grant("SELECT", "mysql.proc", "dumps").await;
    let place = format!("{}.*", name(&restored));
    users.grant(MIGRATES, &place, "migrates").await;
    users.grant(SERVES, &place, "serves").await;
    users.grant(RESTORES, &place, "restores").await;
    users.grant("SET USER", "*.*", "restores").await;

    let migrates = DatabaseUrl::parse(&as_user(&test, &users.user("migrates"))).unwrap();
    database::migrate(&migrates).await.unwrap();
    let dumps = as_user(&test, &users.user("dumps"));
    let serves = as_user(&test, &users.user("serves"));
    let ledger = Ledger::serve_at(test, &serves, DatabaseOptions::default()).await;
    ledger.open("cash", "EUR", "DEBIT", "NONE").await;
    ledger.open("alice", "EUR", "CREDIT", "NONE").await;
    ledger.post("cash", "alice", 1).await;

    let restores = as_user(&restored, &users.user("restores"));
    dump_and_restore(&dumps, &restores, &DUMP).await;
    let serves = as_user(&restored, &users.user("serves"));
    let verified = verify(&serves);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    let ledger = Ledger::serve_at(restored, &serves, DatabaseOptions::default()).await;
    let (status, said) = ledger.get("/readyz").await;
    assert_eq!(status, 200, "{said}");
    ledger.post("cash", "alice", 2).await;
    let mut feed = ledger
        .subscribe(
            "subscription { entryPosted(after: \"0\") { cursor } }",
            json!({}),
        )
        .await;
    for _ in 0..2 {
        let event = feed.event().await;
        assert!(
            event["data"]["entryPosted"]["cursor"].is_string(),
            "{event}"
        );
    }
    users.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_by_a_user_who_does_not_see_the_triggers_is_refused() {
    let ledger = Ledger::with_accounts(TestDatabase::create(Engine::MariaDb).await).await;
    ledger.post("cash", "alice", 1).await;
    let users = Users::create(&ledger.test).await;
    let place = format!("{}.*", name(&ledger.test));
    users.grant("SELECT", &place, "dumps").await;
    let restored = TestDatabase::create(Engine::MariaDb).await;
    let dumps = as_user(&ledger.test, &users.user("dumps"));
    dump_and_restore(&dumps, restored.url(), &DUMP).await;
    let entries = restored
        .observer()
        .await
        .i64("SELECT COUNT(*) FROM entry")
        .await;
    assert_eq!(entries, 1);
    assert_refused(
        restored.url(),
        "lacks 98 of the 98 triggers and functions that its migrations made",
    )
    .await;
    users.drop().await;
}

/// The database is whole, and looks as if it were not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_user_does_not_see_the_functions_is_refused() {
    let ledger = Ledger::with_accounts(TestDatabase::create(Engine::MariaDb).await).await;
    let users = Users::create(&ledger.test).await;
    let place = format!("{}.*", name(&ledger.test));
    let rights = "SELECT, INSERT, UPDATE, DELETE, TRIGGER";
    users.grant(rights, &place, "serves").await;
    let serves = as_user(&ledger.test, &users.user("serves"));
    assert_refused(
        &serves,
        "this user may not see them and lacks the right TRIGGER or EXECUTE",
    )
    .await;
    users.drop().await;
}
