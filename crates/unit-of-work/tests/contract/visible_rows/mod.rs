//! Which rows an operation sees, on SQLite: [`SessionSettings::rows`].
//!
//! [`scene`] has two tenants in one database. `writes` has what changes rows, `around` what could get around the conditions, and `shapes` compares random statements with a database in
//! which the other tenant's rows were never written.

mod around;
mod entities;
#[cfg(feature = "axum")]
mod rest;
mod scene;
mod shapes;
mod writes;

use async_graphql::Request;
use daybook_test_harness::{Engine, TestDatabase};
use serde_json::json;
use unit_of_work::{DryRun, SessionSettings, UnitTerms};

use self::scene::{Scene, id, tenant};
use crate::stage::{Stage, codes};

/// Whatever a statement asks for, in a query and in a mutation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outside_is_seen() {
    let scene = Scene::new().await;
    for (sql, expected) in [
        (
            "SELECT title FROM document ORDER BY title",
            json!([["a1"], ["a2"]]),
        ),
        (
            "SELECT COUNT(*), SUM(pages), MAX(title) FROM document",
            json!([[2, 1, "a2"]]),
        ),
        ("SELECT title FROM document WHERE title = 'b1'", json!([])),
        (
            "SELECT title FROM document WHERE title = 'b1' OR 1 ORDER BY 1",
            json!([["a1"], ["a2"]]),
        ),
        (
            "SELECT d.title FROM document AS d WHERE d.tenant <> 'ann'",
            json!([]),
        ),
        (
            "SELECT text FROM note ORDER BY text",
            json!([["on a1"], ["on a2"]]),
        ),
        (
            "SELECT n.text, d.title FROM note n JOIN document d ON d.id = n.document_id ORDER BY 1",
            json!([["on a1", "a1"], ["on a2", "a2"]]),
        ),
        (
            "SELECT d.title, n.text FROM seen RIGHT JOIN document d LEFT JOIN note n ON n.text LIKE '%b%' ORDER BY 1",
            json!([["a1", null], ["a2", null]]),
        ),
        (
            "SELECT title FROM document, note WHERE document.id = note.document_id ORDER BY 1",
            json!([["a1"], ["a2"]]),
        ),
        (
            "SELECT (SELECT COUNT(*) FROM document), (SELECT COUNT(*) FROM note)",
            json!([[2, 2]]),
        ),
        (
            "SELECT title FROM document WHERE id IN (SELECT document_id FROM note WHERE text LIKE '%1') ORDER BY 1",
            json!([["a1"]]),
        ),
        (
            "SELECT 'b1' IN (SELECT title FROM document), EXISTS (SELECT 1 FROM document WHERE tenant = 'bob')",
            json!([[0, 0]]),
        ),
        (
            "WITH all_of_them AS (SELECT title FROM document) SELECT title FROM all_of_them ORDER BY 1",
            json!([["a1"], ["a2"]]),
        ),
        (
            "WITH x AS (WITH y AS (SELECT title FROM document) SELECT * FROM y) SELECT COUNT(*) FROM x",
            json!([[2]]),
        ),
        (
            "WITH RECURSIVE x (title) AS (SELECT MIN(title) FROM document UNION ALL SELECT (SELECT MIN(document.title) FROM document WHERE document.title > x.title) FROM x WHERE x.title IS NOT NULL) SELECT title FROM x",
            json!([["a1"], ["a2"], [null]]),
        ),
        (
            "SELECT title FROM document UNION SELECT text FROM note EXCEPT SELECT 'a1' ORDER BY 1",
            json!([["a2"], ["on a1"], ["on a2"]]),
        ),
        (
            "SELECT title, ROW_NUMBER() OVER (ORDER BY title), COUNT(*) OVER () FROM document ORDER BY 1",
            json!([["a1", 1, 2], ["a2", 2, 2]]),
        ),
        (
            "SELECT tenant, COUNT(*) FROM document GROUP BY tenant HAVING COUNT(*) > 0",
            json!([["ann", 2]]),
        ),
        ("VALUES ((SELECT COUNT(*) FROM document))", json!([[2]])),
    ] {
        assert_eq!(scene.rows(sql).await, expected, "{sql}");
        let inside = scene
            .send(
                Request::new("query ($sql: String!) { rowsInASavepoint(sql: $sql) }")
                    .variables(async_graphql::Variables::from_json(json!({ "sql": sql })))
                    .data(tenant("ann")),
            )
            .await;
        assert_eq!(
            inside.data.into_json().expect("is JSON")["rowsInASavepoint"],
            expected,
            "{sql}"
        );
    }
}

/// By SeaORM's entities, with the types of their columns, and by loaders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outside_is_found() {
    let scene = Scene::new().await;
    let ann = tenant("ann");
    let whole = format!("{} a1 true 2026-11-28 12:00:00 UTC Some(1)", id("a1"));
    for (query, expected) in [
        ("{ document(title: \"a1\") }", json!(whole)),
        ("{ document(title: \"b1\") }", json!(null)),
        ("{ byTitle(title: \"a2\") }", json!(true)),
        ("{ byTitle(title: \"b2\") }", json!(false)),
        ("{ count }", json!(2)),
        ("{ withNotes }", json!(["a1: on a1", "a2: on a2"])),
        ("{ notesWithDocuments }", json!(["on a1: a1", "on a2: a2"])),
        (
            "{ loaded(titles: [\"a1\", \"b1\", \"b2\"]) }",
            json!(["a1"]),
        ),
    ] {
        assert_eq!(scene.value(&ann, query).await, expected, "{query}");
    }
    // What is seen through one table is not seen through another that has a condition of its own.
    let notes = SessionSettings::new().rows("note", "text = 'on b1'");
    assert_eq!(
        scene.value(&notes, "{ notesWithDocuments }").await,
        json!(["on b1: b1"])
    );
    assert_eq!(scene.value(&notes, "{ count }").await, json!(5));
    assert_eq!(scene.value(&tenant("nobody"), "{ count }").await, json!(0));
}

/// However a table's name is written, it is the table that is not seen as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_hide_nothing() {
    let scene = Scene::new().await;
    for sql in [
        "SELECT title FROM \"document\"",
        "SELECT title FROM [document]",
        "SELECT title FROM `document`",
        "SELECT title FROM 'document'",
        "select TITLE from DoCuMeNt",
        "SELECT title FROM(document)",
        "SELECT title FROM \u{feff}document",
        "\u{a0}SELECT title FROM document\u{a0}",
        "SELECT/**/title/* FROM x */FROM--\ndocument",
        "  \n-- a comment\n/* and another */ SELECT title FROM document ;",
        "SELECT document.title FROM document",
        "SELECT title FROM document AS main WHERE main.title <> ''",
        "SELECT document FROM (SELECT title AS document FROM document)",
        "SELECT title FROM document WHERE 0; SELECT title FROM document",
    ] {
        assert_eq!(scene.rows(sql).await, json!([["a1"], ["a2"]]), "{sql}");
    }
    let ann = tenant("ann");
    for sql in [
        "SELECT title FROM main.document",
        "SELECT title FROM \"main\".\"document\"",
        "SELECT title FROM 'main'.'document'",
        "SELECT title FROM MAIN . /* */ document",
        "SELECT 'b1' IN main.note",
        "SELECT title FROM main.\u{feff}document",
        "SELECT title FROM main.document\u{a0}",
        "SELECT $1$(') FROM main.document --')",
        "SELECT $a(') FROM main.document --')",
        "SELECT title FROM titles",
        "SELECT title FROM found",
        "SELECT title FROM [titles]",
        "WITH document AS (SELECT 'b1' AS title) SELECT title FROM document",
        "SELECT title FROM (WITH document (title) AS (SELECT 'b1') SELECT title FROM document)",
        "SELECT title FROM document; SELECT title FROM main.document",
        "SELECT 1; SELECT title FROM main.document",
        "SELECT 1; PRAGMA table_info(document)",
        "PRAGMA table_info(document)",
        "EXPLAIN SELECT title FROM document",
        "CREATE VIEW mine AS SELECT * FROM document",
        "CREATE TEMP TABLE mine AS SELECT * FROM document",
        "ALTER TABLE document RENAME TO documents",
        "DROP TABLE note",
        "ATTACH ':memory:' AS mine",
        "ANALYZE",
        "BEGIN_",
        "",
    ] {
        scene.assert_refused(sql, &ann).await;
    }
}

/// A condition that does not protect as it says is refused, and nothing runs by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_that_do_not_protect_are_refused() {
    let scene = Scene::new().await;
    for (table, condition) in [
        ("documents", "tenant = 'ann'"),
        ("document", ""),
        ("document", "tenant = 'ann') OR (1"),
        ("document", "tenant = 'ann"),
        ("document", "tenant = ?"),
        ("document", "tenant = 'ann'; DROP TABLE document"),
    ] {
        let settings = SessionSettings::new().rows(table, condition);
        scene.assert_refused("SELECT 1", &settings).await;
    }
    // What is commented out is no part of it.
    let commented = SessionSettings::new().rows("document", "tenant = 'ann' -- '");
    assert_eq!(scene.value(&commented, "{ count }").await, json!(2));
    // One that is wrong is the database's to refuse, whatever it would be for.
    for condition in ["tenants = 'ann'", "id IN (SELECT id FROM document)"] {
        let settings = SessionSettings::new().rows("document", condition);
        let response = scene.send(Request::new("{ count }").data(settings)).await;
        assert_eq!(codes(&response), ["INTERNAL"], "{condition}");
    }
}

/// On pools of one connection, the next operation sees all rows, or its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_one_operation_are_not_the_next_one_s() {
    let scene = Scene::new().await;
    let titles = "SELECT title FROM document ORDER BY title";
    let all = json!([["a1"], ["a2"], ["b1"], ["b2"], ["b3"]]);
    for kind in ["query", "mutation"] {
        for (settings, expected) in [
            (tenant("ann"), json!([["a1"], ["a2"]])),
            (SessionSettings::new(), all.clone()),
            (tenant("bob"), json!([["b1"], ["b2"], ["b3"]])),
            (
                tenant("bob").rows("document", "title < 'b3'"),
                json!([["b1"], ["b2"]]),
            ),
            (SessionSettings::new(), all.clone()),
        ] {
            assert_eq!(
                scene.rows_in(kind, titles, settings).await,
                expected,
                "{kind}"
            );
        }
        // Also after one that was refused.
        scene
            .assert_refused("PRAGMA user_version", &tenant("ann"))
            .await;
        assert_eq!(
            scene.rows_in(kind, titles, SessionSettings::new()).await,
            all,
            "{kind}"
        );
    }
}

/// A dry run's check, and work outside of an operation, are held to rows as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_unit_is_held_to_its_rows() {
    let scene = Scene::new().await;
    let before = scene.all().await;
    let dry = "mutation { changeUnprepared(sql: \"DELETE FROM note\") changeInASavepoint(sql: \"UPDATE document SET pages = 0\") \
               change(sql: \"DELETE FROM document\") }";
    let dry = Request::new(dry).data(tenant("ann")).data(DryRun);
    let response = scene.send(dry).await;
    assert!(response.is_ok(), "{response:?}");
    let changed = json!({ "changeUnprepared": 2, "changeInASavepoint": 2, "change": 2 });
    assert_eq!(response.data.into_json().expect("is JSON"), changed);
    assert_eq!(scene.all().await, before);
    // What COMMIT would refuse is looked for among all rows.
    let orphan =
        "mutation { change(sql: \"INSERT INTO note (document_id, text) VALUES (x'00', 'x')\") }";
    let orphan = Request::new(orphan).data(tenant("ann")).data(DryRun);
    assert_eq!(codes(&scene.send(orphan).await), ["COMMIT_FAILED"]);
    let terms = || UnitTerms::named("test").settings(tenant("ann"));
    let read = scene.database.read_with(terms(), async |unit| {
        use sea_orm::{EntityTrait as _, PaginatorTrait as _};
        entities::document::Entity::find().count(&unit).await
    });
    assert_eq!(read.await.expect("is read"), 2);
    let deleted = scene.database.write_with(terms(), async |unit| {
        use sea_orm::EntityTrait as _;
        entities::note::Entity::delete_many().exec(&unit).await
    });
    assert_eq!(deleted.await.expect("is deleted").rows_affected, 2);
    assert_eq!(
        scene
            .observer()
            .await
            .i64("SELECT COUNT(*) FROM note")
            .await,
        3
    );
}

/// PostgreSQL has its own way, and what protects is not dropped silently.
#[tokio::test]
async fn rows_are_refused_on_postgres() {
    let stage = Stage::new(TestDatabase::create(Engine::Postgres).await).await;
    for settings in [
        SessionSettings::new().rows("mark", "TRUE"),
        SessionSettings::new()
            .set("app.tenant", "42")
            .rows("mark", "TRUE"),
    ] {
        for operation in ["{ marks }", "mutation { mark(name: \"a\") }"] {
            let request = Request::new(operation).data(settings.clone());
            assert_eq!(
                codes(&stage.schema.execute(request).await),
                ["INTERNAL"],
                "{operation}"
            );
        }
    }
    assert_eq!(stage.marks().await, Vec::<String>::new());
    stage.assert_whole().await;
}

/// And a setting beside rows is refused on SQLite, as it is alone.
#[tokio::test]
async fn settings_beside_rows_are_refused_on_sqlite() {
    let scene = Scene::new().await;
    let settings = tenant("ann").set("app.tenant", "42");
    let response = scene.send(Request::new("{ count }").data(settings)).await;
    assert_eq!(codes(&response), ["INTERNAL"]);
    assert_eq!(
        scene.value(&SessionSettings::new(), "{ count }").await,
        json!(5)
    );
}
