//! Where the operations run: a database, and two schemas on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    EmptySubscription, Schema,
    extensions::apollo_persisted_queries::{ApolloPersistedQueries, LruCacheStorage},
};
use daybook_test_harness::TestDatabase;
use unit_of_work::{
    DatabaseOptions, IdempotencySettings, Report, Retrying, UnitOfWorkExtension,
    idempotency::create_table,
};

use crate::{
    logs::Logs,
    stage::{Query, Stage, lock},
};

use super::schema::*;

pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) conflicts: Arc<Conflicts>,
    pub(super) neighbour_has_met: Arc<HasMet>,
    pub(super) logs: Logs,
    pub(super) plain: Retrying<PairSchema>,
    pub(super) in_parts: Retrying<PairSchema>,
    pub(super) count: AtomicU32,
}

impl Scene {
    pub(super) async fn new(test: TestDatabase) -> Self {
        let url = test.url().to_owned();
        let mut options = DatabaseOptions::default();
        options.busy_timeout = Duration::from_millis(20);
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        stage
            .observer()
            .await
            .execute(&create_table(stage.database.backend()))
            .await;
        let conflicts = Arc::<Conflicts>::default();
        let neighbour_has_met = Arc::<HasMet>::default();
        let schema = |in_parts| {
            let units = UnitOfWorkExtension::new(stage.database.clone())
                .report(Report::InExtensions)
                .field_savepoints(in_parts)
                .idempotency(IdempotencySettings::default());
            let schema = Schema::build(Query, Mutation, EmptySubscription)
                .extension(units)
                .extension(ApolloPersistedQueries::new(LruCacheStorage::new(10_000)))
                .data(Arc::clone(&stage.cue))
                .data(Arc::clone(&conflicts))
                .data(Arc::clone(&neighbour_has_met))
                .finish();
            let mut policy = unit_of_work::RetryPolicy::default();
            policy.attempts = 1000;
            Retrying::new(schema).policy(policy)
        };
        Self {
            conflicts: Arc::clone(&conflicts),
            neighbour_has_met: Arc::clone(&neighbour_has_met),
            logs: Logs::of_this_process(),
            plain: schema(false),
            in_parts: schema(true),
            stage,
            count: AtomicU32::new(0),
        }
    }

    /// Everything is as it was before.
    pub(super) async fn clear(&self) {
        let observer = self.stage.observer().await;
        for table in ["mark", "child", "parent", "unit_of_work_idempotency"] {
            observer.execute(&format!("DELETE FROM {table}")).await;
        }
        lock(&self.stage.cue.effects).clear();
        self.conflicts.left.store(0, Ordering::SeqCst);
        self.conflicts.met.store(0, Ordering::SeqCst);
        self.neighbour_has_met.0.store(false, Ordering::SeqCst);
    }

    pub(super) async fn keys(&self) -> i64 {
        self.stage
            .observer()
            .await
            .i64("SELECT COUNT(*) FROM unit_of_work_idempotency")
            .await
    }

    pub(super) async fn children(&self) -> i64 {
        self.stage
            .observer()
            .await
            .i64("SELECT COUNT(*) FROM child")
            .await
    }
}
