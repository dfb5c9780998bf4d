//! What changes rows, changes those that are seen.

use async_graphql::Request;
use serde_json::json;
use unit_of_work::{IdempotencyKey, SessionSettings, Viewer};

use super::scene::{Scene, id, tenant};
use crate::stage::{codes, data};

const BOB: [&str; 6] = [
    "bob b1 10",
    "bob b2 -",
    "bob b3 30",
    "on b1",
    "on b2",
    "on b3",
];

/// Each statement changes Ann's rows and tells of them, and Bob's are as they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outside_is_changed() {
    for (sql, told, left) in [
        (
            "UPDATE document SET pages = 7 RETURNING title",
            json!([["a1"], ["a2"]]),
            vec!["ann a1 7", "ann a2 7", "on a1", "on a2"],
        ),
        (
            "UPDATE document SET pages = 7 WHERE title = 'a1' OR title = 'b1' RETURNING title",
            json!([["a1"]]),
            vec!["ann a1 7", "ann a2 -", "on a1", "on a2"],
        ),
        (
            "UPDATE document SET pages = 7 WHERE title = 'b1' RETURNING title",
            json!([]),
            vec!["ann a1 1", "ann a2 -", "on a1", "on a2"],
        ),
        (
            "UPDATE document AS d SET pages = (SELECT COUNT(*) FROM document) WHERE d.title > 'a1' RETURNING title, (SELECT COUNT(*) FROM note)",
            json!([["a2", 2]]),
            vec!["ann a1 1", "ann a2 2", "on a1", "on a2"],
        ),
        (
            "UPDATE document SET pages = n.pages FROM (SELECT COUNT(*) AS pages FROM note) AS n WHERE title <> 'a1' RETURNING title",
            json!([["a2"]]),
            vec!["ann a1 1", "ann a2 2", "on a1", "on a2"],
        ),
        (
            "WITH those AS (SELECT id FROM document) UPDATE note SET text = 'x' || text WHERE document_id IN those RETURNING text",
            json!([["xon a1"], ["xon a2"]]),
            vec!["ann a1 1", "ann a2 -", "xon a1", "xon a2"],
        ),
        (
            "UPDATE note SET text = text || '!' RETURNING text",
            json!([["on a1!"], ["on a2!"]]),
            vec!["ann a1 1", "ann a2 -", "on a1!", "on a2!"],
        ),
        (
            "DELETE FROM note RETURNING text",
            json!([["on a1"], ["on a2"]]),
            vec!["ann a1 1", "ann a2 -"],
        ),
        (
            "DELETE FROM document WHERE title LIKE '%1' RETURNING title",
            json!([["a1"]]),
            vec!["ann a2 -", "on a2"],
        ),
        (
            "UPDATE document SET pages = 9; DELETE FROM note WHERE text LIKE '%1' OR 1 RETURNING text",
            json!([["on a1"], ["on a2"]]),
            vec!["ann a1 9", "ann a2 9"],
        ),
        (
            "INSERT INTO document (id, tenant, title, is_open, written_at) SELECT x'01' || id, tenant, 'new ' || title, 0, '' FROM document \
             RETURNING title, (SELECT COUNT(*) FROM document WHERE tenant <> 'ann')",
            json!([["new a1", 0], ["new a2", 0]]),
            vec![
                "ann a1 1",
                "ann a2 -",
                "ann new a1 -",
                "ann new a2 -",
                "on a1",
                "on a2",
            ],
        ),
        (
            "INSERT INTO document (id, tenant, title, is_open, written_at) VALUES ('1', 'ann', 'a1', 0, ''), ('2', 'ann', 'b1', 0, '') \
             ON CONFLICT (title) DO UPDATE SET pages = 8 RETURNING title",
            json!([["a1"]]),
            vec!["ann a1 8", "ann a2 -", "on a1", "on a2"],
        ),
        (
            "INSERT INTO document (id, tenant, title, is_open, written_at) SELECT '1', 'ann', title, 0, '' FROM document WHERE TRUE \
             ON CONFLICT (title) DO UPDATE SET pages = (SELECT COUNT(*) FROM document) WHERE excluded.title = 'a2' OR excluded.title = 'b2' RETURNING title, pages",
            json!([["a2", 2]]),
            vec!["ann a1 1", "ann a2 2", "on a1", "on a2"],
        ),
        (
            "INSERT OR IGNORE INTO note (document_id, text) SELECT id, 'on b1' FROM document RETURNING text",
            json!([]),
            vec!["ann a1 1", "ann a2 -", "on a1", "on a2"],
        ),
    ] {
        let scene = Scene::new().await;
        let answer = scene.rows_in("mutation", sql, tenant("ann")).await;
        assert_eq!(answer, told, "{sql}");
        let mut expected: Vec<_> = left.into_iter().chain(BOB).collect();
        expected.sort_unstable();
        assert_eq!(scene.all().await, expected, "{sql}");
    }
}

/// Triggers and foreign keys have the tables themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_and_foreign_keys_see_all_rows() {
    let scene = Scene::new().await;
    let insert =
        "INSERT INTO note (document_id, text) SELECT id, 'new' FROM document WHERE title = 'a1'";
    assert_eq!(scene.changed(insert).await, json!(1));
    assert_eq!(
        scene
            .observer()
            .await
            .i64("SELECT documents FROM seen")
            .await,
        5
    );
    // What Bob has written for Ann goes with her document, as the foreign key says.
    let bob = SessionSettings::new()
        .rows("note", "text LIKE '%b%'")
        .rows("document", "tenant = 'bob'");
    let written = format!(
        "INSERT INTO note (document_id, text) VALUES (x'{}', 'by bob')",
        id("a1").simple()
    );
    assert_eq!(scene.rows_in("mutation", &written, bob).await, json!([]));
    assert_eq!(
        scene
            .changed("DELETE FROM document WHERE title = 'a1'")
            .await,
        json!(1)
    );
    let notes = scene
        .observer()
        .await
        .texts("SELECT text FROM note ORDER BY 1")
        .await;
    let notes: Vec<_> = notes.into_iter().flatten().collect();
    assert_eq!(notes, ["on a2", "on b1", "on b2", "on b3"]);
}

/// As documented: new rows are not looked at, and rows in the way of a new one are not replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_rows_are_not_looked_at() {
    let scene = Scene::new().await;
    let insert = "INSERT INTO document (id, tenant, title, is_open, written_at) VALUES ('1', 'bob', 'new', 0, '') RETURNING title";
    assert_eq!(
        scene.rows_in("mutation", insert, tenant("ann")).await,
        json!([["new"]])
    );
    assert_eq!(scene.value(&tenant("ann"), "{ count }").await, json!(2));
    let given = "UPDATE document SET tenant = 'bob' WHERE title = 'a1'";
    assert_eq!(scene.changed(given).await, json!(1));
    assert_eq!(scene.value(&tenant("ann"), "{ count }").await, json!(1));
    for sql in [
        "REPLACE INTO document VALUES ('1', 'ann', 'b1', 0, '', 0)",
        "INSERT OR REPLACE INTO document VALUES ('1', 'ann', 'b1', 0, '', 0)",
        "UPDATE OR REPLACE document SET title = 'b1'",
        "WITH x AS (SELECT 1) REPLACE INTO \"document\" VALUES ('1', 'ann', 'b1', 0, '', 0)",
        "UPDATE main.document SET pages = 0",
        "DELETE FROM \"main\".'document'",
        "INSERT INTO main.document VALUES ('1', 'ann', 'c1', 0, '', 0)",
        "UPDATE document SET pages = 0 WHERE title = 'a1') OR (title = 'b1'",
        "UPDATE document SET pages = 0 \0 WHERE pages = 1",
        "DELETE FROM document; DELETE FROM main.document",
        "DELETE FROM note; DELETE FROM main.document",
    ] {
        scene.assert_refused(sql, &tenant("ann")).await;
    }
    // A column that another source of the UPDATE has, too, is ambiguous in the condition: it fails, and changes nothing.
    let before = scene.all().await;
    let ambiguous = Request::new(
        "mutation { change(sql: \"UPDATE document SET pages = 0 FROM (SELECT 'ann' AS tenant) AS x\") }",
    );
    assert_eq!(
        codes(&scene.send(ambiguous.data(tenant("ann"))).await),
        ["OTHER"]
    );
    assert_eq!(scene.all().await, before);
}

/// SeaORM's own statements: nested saves, an update and a delete by primary key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_outside_are_not_written() {
    let scene = Scene::new().await;
    let ann = tenant("ann");
    for (mutation, expected) in [
        (
            "mutation { saves(tenant: \"ann\", title: \"a3\") }",
            json!("a3"),
        ),
        (
            "mutation { renames(title: \"a1\", to: \"a9\") }",
            json!(true),
        ),
        (
            "mutation { renames(title: \"b1\", to: \"b9\") }",
            json!(false),
        ),
        ("mutation { deletes(title: \"b1\") }", json!(0)),
        ("mutation { deletes(title: \"a2\") }", json!(1)),
    ] {
        assert_eq!(scene.value(&ann, mutation).await, expected, "{mutation}");
    }
    let mut left: Vec<_> = [
        "ann a3 -", "ann a9 1", "on a1", "1 on a3", "2 on a3", "seen 6", "seen 6",
    ]
    .into_iter()
    .chain(BOB)
    .collect();
    left.sort_unstable();
    assert_eq!(scene.all().await, left);
}

/// A key's response is for who sees the same rows, even if it is another token of the same viewer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_not_answered_to_who_sees_other_rows() {
    let scene = Scene::new().await;
    let send = async |settings: &SessionSettings| {
        let request = Request::new(
            "mutation { rows(sql: \"UPDATE document SET pages = 5 RETURNING title\") }",
        )
        .data(Viewer("one".to_owned()))
        .data(IdempotencyKey::new("k").expect("is a key"));
        scene.send(request.data(settings.clone())).await
    };
    let ann = tenant("ann");
    let first = send(&ann).await;
    assert_eq!(data(&first)["rows"], json!([["a1"], ["a2"]]));
    for other in [
        tenant("bob"),
        SessionSettings::new(),
        ann.clone().rows("document", "TRUE"),
    ] {
        let refused = send(&other).await;
        assert_eq!(codes(&refused), ["IDEMPOTENCY_KEY_REUSED"], "{other:?}");
    }
    let again = send(&ann).await;
    assert_eq!(data(&again), data(&first));
    assert!(again.extensions.contains_key("idempotency"), "{again:?}");
    assert_eq!(
        scene
            .observer()
            .await
            .i64("SELECT COUNT(*) FROM document WHERE pages = 5")
            .await,
        2
    );
}
