//! A stage on which markers prove what became of a COMMIT, behind a proxy.

use daybook_test_harness::{Engine, TestDatabase, WireProxy};
use sea_orm::DbBackend;
use unit_of_work::{DatabaseOptions, UnitOfWorkExtension, marker};

use crate::stage::Stage;

/// A stage with the table of markers, whose connections go through a proxy.
pub(super) async fn with_markers(
    options: DatabaseOptions,
    configure: impl FnOnce(UnitOfWorkExtension) -> UnitOfWorkExtension,
) -> (Stage, WireProxy) {
    with_markers_on(
        TestDatabase::create(Engine::Postgres).await,
        options,
        configure,
    )
    .await
}

pub(super) async fn with_markers_on(
    test: TestDatabase,
    options: DatabaseOptions,
    configure: impl FnOnce(UnitOfWorkExtension) -> UnitOfWorkExtension,
) -> (Stage, WireProxy) {
    let observer = test.observer().await;
    observer
        .execute(&marker::create_table(DbBackend::Postgres))
        .await;
    let proxy = test.proxy().await;
    let stage = Stage::at(test, proxy.url(), options, configure).await;
    // Statements are prepared, connections made.
    stage.assert_whole().await;
    proxy.clear_log();
    (stage, proxy)
}

pub(super) async fn unconfigured() -> (Stage, WireProxy) {
    with_markers(DatabaseOptions::default(), |extension| extension).await
}

pub(super) fn is_commit(sql: &str) -> bool {
    sql.ends_with("COMMIT")
}
