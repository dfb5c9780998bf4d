//! Instants with a time zone, as parameters on MariaDB.

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, Statement, prelude::DateTimeUtc};

use super::test;
use crate::stage::Stage;

/// Before 1970, at midnight, after January 2038: all are stored as they are, found by a comparison, and read again.
#[tokio::test]
async fn instants_are_those_that_were_given() {
    let stage = Stage::new(test().await).await;
    let observer = stage.observer().await;
    observer
        .execute("CREATE TABLE instants (at datetime(6) NOT NULL PRIMARY KEY)")
        .await;
    let instants: Vec<DateTimeUtc> = [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.5Z",
        "2026-01-01T00:00:00Z",
        "2038-01-20T00:00:00.000001Z",
        "9999-12-31T23:59:59.999999Z",
    ]
    .map(|text| text.parse().expect("an instant"))
    .to_vec();
    let statement = |sql: &str, instant: DateTimeUtc| {
        Statement::from_sql_and_values(DbBackend::MySql, sql, [instant.into()])
    };
    let written = stage.database.write(async |unit| {
        for instant in &instants {
            unit.execute_raw(statement("INSERT INTO instants VALUES (?)", *instant))
                .await?;
        }
        Ok::<_, DbErr>(())
    });
    written.await.expect("is written");
    for (at, instant) in instants.iter().enumerate() {
        let read = stage.database.read(async |unit| {
            let sql = "SELECT at FROM instants WHERE at <= ? ORDER BY at";
            let rows = unit.query_all_raw(statement(sql, *instant)).await?;
            let read = rows.iter().map(|row| row.try_get_by_index(0));
            read.collect::<Result<Vec<DateTimeUtc>, _>>()
        });
        assert_eq!(read.await.expect("is read"), instants[..=at]);
    }
    stage.assert_whole().await;
}
