//! What could get around the conditions, though a statement names their tables as it should: by what else reads the tables, by what a
//! condition is made of, and by a schema that is no longer what it was.

use async_graphql::Request;
use serde_json::json;
use unit_of_work::SessionSettings;

use super::scene::{Scene, id, tenant};
use crate::stage::codes;

const TITLES: &str = "SELECT title FROM document ORDER BY title";

/// A view, or a virtual table, is seen by a condition of its own; it reads tables as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_reads_around_has_a_condition_of_its_own() {
    let scene = Scene::new().await;
    let own = tenant("ann")
        .rows("titles", "title LIKE 'b%' AND title < 'b3'")
        .rows("found", "TRUE");
    for (sql, expected) in [
        (
            "SELECT title FROM titles ORDER BY 1",
            json!([["b1"], ["b2"]]),
        ),
        (
            "SELECT title FROM found WHERE title = 'b3'",
            json!([["b3"]]),
        ),
    ] {
        assert_eq!(
            scene.rows_in("query", sql, own.clone()).await,
            expected,
            "{sql}"
        );
    }
    // What is said to a virtual table is for all of its rows.
    scene
        .assert_refused("INSERT INTO found (found) VALUES ('rebuild')", &own)
        .await;
    // Samples of all rows, which ANALYZE takes, and the greatest number of all.
    scene
        .observer()
        .await
        .execute("CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT); ANALYZE")
        .await;
    for sql in [
        "SELECT * FROM sqlite_stat1",
        "SELECT seq FROM sqlite_sequence",
        // Where a virtual table keeps its rows.
        "SELECT c0 FROM found_content",
        "SELECT block FROM \"Found_Data\"",
        // Read as tables without being any.
        "SELECT name, ncell FROM dbstat",
        "SELECT * FROM dbstat('main', 1)",
        "SELECT * FROM pragma_foreign_key_check",
        "SELECT * FROM pragma_table_info('document')",
    ] {
        scene.assert_refused(sql, &tenant("ann")).await;
    }
    let json = "SELECT value FROM json_each('[1, 2]') ORDER BY 1";
    assert_eq!(scene.rows(json).await, json!([[1], [2]]));
}

/// A table expression of the statement does not take the place of a table that a condition reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_condition_reads_is_the_table() {
    let scene = Scene::new().await;
    let observer = scene.observer().await;
    observer
        .execute("CREATE TABLE allowed (name TEXT); INSERT INTO allowed VALUES ('ann')")
        .await;
    let allowed = SessionSettings::new().rows("document", "tenant IN (SELECT name FROM allowed)");
    let other =
        "WITH mine AS (SELECT name FROM allowed) SELECT title FROM document, mine ORDER BY 1";
    assert_eq!(
        scene.rows_in("mutation", other, allowed.clone()).await,
        json!([["a1"], ["a2"]])
    );
    for sql in [
        "WITH allowed AS (SELECT 'bob' AS name) SELECT title FROM document",
        "WITH x AS (SELECT 1), [Allowed] (name) AS MATERIALIZED (SELECT 'bob') SELECT title FROM document",
        "WITH allowed AS (SELECT 'bob' AS name) DELETE FROM document",
        "WITH allowed AS (SELECT 'bob' AS name) UPDATE document SET pages = 0",
    ] {
        scene.assert_refused(sql, &allowed).await;
    }
}

/// In an UPDATE with FROM, the condition is not read as one for the other row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_is_for_the_row_that_is_changed() {
    let scene = Scene::new().await;
    let from_another =
        "UPDATE document AS d SET pages = document.pages FROM document WHERE d.title = 'b1'";
    for condition in ["document.tenant = 'ann'", "rowid < 3"] {
        let settings = SessionSettings::new().rows("document", condition);
        assert_eq!(
            scene.rows_in("mutation", TITLES, settings.clone()).await,
            json!([["a1"], ["a2"]])
        );
        scene.assert_refused(from_another, &settings).await;
        let rowid = "UPDATE document SET pages = 0 FROM (SELECT 1 AS rowid) AS x";
        scene.assert_refused(rowid, &settings).await;
    }
}

/// SQLite takes `"x"` for a text where there is no column `x`. Then a condition with a mistyped name would be true for all rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_in_a_condition_is_never_a_text() {
    let scene = Scene::new().await;
    let settings = SessionSettings::new().rows("document", "\"tenant\" = 'ann'");
    assert_eq!(
        scene.rows_in("mutation", TITLES, settings).await,
        json!([["a1"], ["a2"]])
    );
    let mistyped = SessionSettings::new().rows("document", "\"tennant\" <> 'bob'");
    let response = scene.send(Request::new("{ count }").data(mistyped)).await;
    assert_eq!(codes(&response), ["INTERNAL"]);
}

/// Where a table's own definition says that new rows replace those in their way, the statement has to say otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_does_not_replace_what_is_hidden() {
    let scene = Scene::new().await;
    let observer = scene.observer().await;
    observer
        .execute(
            "CREATE TABLE place (number INTEGER UNIQUE ON CONFLICT REPLACE, tenant TEXT); \
             INSERT INTO place VALUES (1, 'ann'), (2, 'bob')",
        )
        .await;
    let ann = SessionSettings::new().rows("place", "tenant = 'ann'");
    for sql in [
        "INSERT INTO place VALUES (2, 'ann')",
        "INSERT INTO place VALUES (2, 'ann') ON CONFLICT (tenant) DO NOTHING",
        "UPDATE place SET number = 2",
    ] {
        scene.assert_refused(sql, &ann).await;
    }
    let ignored = "INSERT OR IGNORE INTO place VALUES (2, 'ann'), (3, 'ann') RETURNING number";
    assert_eq!(scene.rows_in("mutation", ignored, ann).await, json!([[3]]));
    let left = observer
        .texts("SELECT number || tenant FROM place ORDER BY number")
        .await;
    let left: Vec<_> = left.into_iter().flatten().collect();
    assert_eq!(left, ["1ann", "2bob", "3ann"]);
}

/// The schema that a connection knows is the one that there is, whoever has changed it: on pools of one connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_has_changed_is_seen() {
    let scene = Scene::new().await;
    let ann = tenant("ann");
    let seen = json!([["a1"], ["a2"]]);
    assert_eq!(scene.rows(TITLES).await, seen);
    // By another connection.
    let observer = scene.observer().await;
    observer
        .execute("CREATE VIEW later AS SELECT title FROM document")
        .await;
    scene.assert_refused("SELECT title FROM later", &ann).await;
    assert_eq!(scene.rows(TITLES).await, seen);
    observer
        .execute("DROP VIEW later; CREATE TABLE later (title TEXT)")
        .await;
    assert_eq!(scene.rows("SELECT title FROM later").await, json!([]));
    let later = ann.clone().rows("later", "FALSE");
    observer.execute("INSERT INTO later VALUES ('x')").await;
    assert_eq!(
        scene
            .rows_in("query", "SELECT title FROM later", later.clone())
            .await,
        json!([])
    );
    observer.execute("DROP TABLE later").await;
    scene.assert_refused("SELECT 1", &later).await;
    // By the writer itself, which then rolls back; and by another connection, to which SQLite gives the same number.
    let view = "CREATE VIEW mine AS SELECT title FROM document";
    let made = format!(
        "mutation {{ a: changeUnprepared(sql: \"{view}\") b: change(sql: \"INSERT INTO nothing VALUES (1)\") }}"
    );
    let response = scene.send(Request::new(made)).await;
    assert!(response.is_err());
    assert_eq!(scene.rows(TITLES).await, seen);
    observer.execute(view).await;
    scene.assert_refused("SELECT title FROM mine", &ann).await;
    // By the writer itself, which commits.
    let made =
        "mutation { changeUnprepared(sql: \"CREATE VIEW own AS SELECT title FROM document\") }";
    let response = scene.send(Request::new(made)).await;
    assert!(response.is_ok(), "{response:?}");
    scene.assert_refused("SELECT title FROM own", &ann).await;
    // A temporary table that hides one of the conditions ends with the operation that has made it.
    let hides = format!(
        "mutation {{ changeUnprepared(sql: \"CREATE TEMP TABLE document AS SELECT * FROM main.document WHERE id = x'{}'\") }}",
        id("b1").simple()
    );
    let response = scene.send(Request::new(hides)).await;
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(scene.rows(TITLES).await, seen);
}
