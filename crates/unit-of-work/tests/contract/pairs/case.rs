//! One operation with some features.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use async_graphql::{Request, Value};
use daybook_test_harness::Engine;
use sea_orm::IsolationLevel;
use tokio::time::Instant;
use unit_of_work::{DryRun, Isolation, OperationDeadline, Report, Retrying, SessionSettings};

use crate::{persisted::named, stage::PATIENCE};

use super::{feature::*, scene::Scene, schema::*};

/// One row of the table.
pub(super) struct Case<'a> {
    pub(super) scene: &'a Scene,
    pub(super) features: BTreeSet<Feature>,
    pub(super) scenario: Scenario,
    /// The operation's name, which no other has.
    pub(super) name: String,
    pub(super) text: String,
}

impl<'a> Case<'a> {
    pub(super) fn new(scene: &'a Scene, features: &[Feature], scenario: Scenario) -> Self {
        let features: BTreeSet<_> = features.iter().copied().collect();
        let number = scene.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("Pair{number}On{:?}", scene.stage.test.engine());
        let savepoint = if features.contains(&Savepoint) {
            "tries"
        } else {
            ""
        };
        let begins = if features.contains(&Transaction) {
            "begins"
        } else {
            ""
        };
        let is_postgres = scene.stage.test.engine() == Engine::Postgres;
        let setting = if features.contains(&Settings) && is_postgres {
            "setting"
        } else {
            ""
        };
        let text = format!(
            "mutation {name} {{ effects conflicts before: mark(name: \"before\") {savepoint} {begins} {setting} {} after: mark(name: \"after\") }}",
            scenario.field()
        );
        Self {
            scene,
            features,
            scenario,
            name,
            text,
        }
    }

    pub(super) fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    pub(super) fn executor(&self) -> &Retrying<PairSchema> {
        if self.has(FieldSavepoints) {
            &self.scene.in_parts
        } else {
            &self.scene.plain
        }
    }

    pub(super) fn request(&self) -> Request {
        let mut request = if self.has(HashOnly) {
            named(&self.text)
        } else {
            Request::new(&self.text)
        };
        // The log tells of it by this.
        request.operation_name = Some(self.name.clone());
        if self.has(Dry) {
            request = request.data(DryRun);
        }
        if self.has(Key) {
            request
                .extensions
                .insert("idempotencyKey".to_owned(), Value::from(self.name.as_str()));
        }
        request = self.shared(request);
        if self.has(Isolated) {
            request = request.data(Isolation(IsolationLevel::Serializable));
        }
        request
    }

    /// What the operations of a batch have to agree on.
    pub(super) fn shared(&self, mut request: Request) -> Request {
        if self.has(Timeline) {
            request = request.data(Report::Timeline);
        }
        if self.has(Settings) {
            request = request.data(SessionSettings::new().set("app.colour", "blue"));
        }
        if self.scenario == Late {
            request = request.data(OperationDeadline(Instant::now()));
        } else if self.has(Deadline) {
            request = request.data(OperationDeadline(Instant::now() + PATIENCE));
        }
        request
    }
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} with {:?}", self.scenario, self.features)
    }
}
