//! How instants are kept.

use super::book::{Book, violated};
use super::rules::{an_entry, insert};
use daybook_entity::entry;
use daybook_test_harness::{Engine, TestDatabase};
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use uuid::Uuid;

/// Keyset pages sort by the text, so there must be one spelling of an instant, and it must sort as the instants do.
#[tokio::test]
async fn sqlite_keeps_instants_in_one_spelling_that_sorts() {
    let book = Book::new(TestDatabase::create(Engine::Sqlite).await).await;
    let mut instants = vec![
        "0001-01-01T00:00:00Z",
        "2026-11-23T11:59:59.999999Z",
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00.000001Z",
        "2026-11-23T12:00:00.001Z",
        "2026-11-23T12:00:00.001001Z",
        "2026-11-23T12:00:00.010Z",
        "2026-11-23T12:00:00.100Z",
        "2026-11-23T12:00:00.100001Z",
        "2026-11-23T12:00:01Z",
        "9999-12-31T23:59:59.999999Z",
    ];
    instants.reverse();
    for (index, instant) in (0..).zip(&instants) {
        let id = Uuid::from_u128(index << 12);
        insert(
            &book,
            entry::Model {
                id,
                effective_at: instant.parse().unwrap(),
                ..an_entry()
            },
        )
        .await
        .unwrap();
    }
    let sorted = entry::Entity::find()
        .order_by_asc(entry::Column::EffectiveAt)
        .all(&book.db)
        .await
        .unwrap();
    let ids: Vec<u128> = sorted.iter().map(|row| row.id.as_u128() >> 12).collect();
    assert_eq!(ids, (0..instants.len() as u128).rev().collect::<Vec<_>>());
    for (row, instant) in sorted.iter().rev().zip(&instants) {
        assert_eq!(
            row.effective_at,
            instant.parse::<chrono::DateTime<chrono::Utc>>().unwrap()
        );
    }

    for spelling in [
        "2026-11-23 12:00:00+00:00",
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00",
        "2026-11-23T14:00:00+02:00",
        "2026-11-23T12:00:00.5+00:00",
        "2026-11-23T12:00:00.000+00:00",
        "2026-11-23T12:00:00.500000+00:00",
        "2026-11-23T12:00:00.000000001+00:00",
        "2026-13-23T12:00:00+00:00",
        "1795435200",
        "now",
    ] {
        let sql = format!(
            "INSERT INTO entry (id, kind, effective_at, recorded_at, metadata)
             VALUES (x'000000000000000000000000ffff0000', 'POST', '{spelling}', '2026-11-23T12:00:00+00:00', '{{}}')"
        );
        let error = book.db.execute_unprepared(&sql).await.expect_err(spelling);
        assert_eq!(violated(&error), "entry_effective_at_form", "{spelling}");
    }
}
