//! Runs a case, and compares the response, the database and the effects with what is expected.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use async_graphql::Response;
use daybook_test_harness::Engine;
use serde_json::json;

use crate::stage::{codes, data, report};

use super::{case::Case, feature::*};

impl Case<'_> {
    pub(super) async fn check(&self) {
        let scene = self.scene;
        let expected = Expected::of(&self.features, self.scenario, scene.stage.test.engine());
        let response = self.run().await;
        self.check_response(&response, &expected);
        self.check_database(&expected).await;
        self.check_effects(&response, &expected);
        let has_key = scene.keys().await == 1;
        assert_eq!(
            has_key,
            self.has(Key) && expected.is_committed,
            "{self}: the key"
        );
        if self.has(Key) {
            self.check_second(&response, &expected).await;
        }
        scene.clear().await;
    }

    fn check_response(&self, response: &Response, expected: &Expected) {
        let code: Vec<_> = expected.code.into_iter().map(str::to_owned).collect();
        // One failure may be told by several fields.
        let mut found = codes(response);
        found.dedup();
        if expected.code == Some("INTERNAL") {
            // With field savepoints, the fields after it run too, and are told.
            found.retain(|code| code != "UNIT_DOOMED");
        }
        assert_eq!(found, code, "{self}: {response:?}");
        let data = data(response);
        if !expected.is_shown {
            assert_eq!(data, json!(null), "{self}");
        } else {
            let failed = self.scenario == NullableFails;
            assert_eq!(data["before"], "before", "{self}: {response:?}");
            assert_eq!(data["after"], "after", "{self}: {response:?}");
            assert_eq!(data.get("fails"), failed.then_some(&json!(null)), "{self}");
            if self.has(Settings) {
                assert_eq!(data["setting"], "blue", "{self}");
            }
        }
        let is_dry = self.has(Dry) && expected.is_shown;
        assert_eq!(
            response.extensions.contains_key("dryRun"),
            is_dry,
            "{self}: {response:?}"
        );
        let is_told = expected.code != Some("BATCH_REFUSED");
        if !is_told {
            return;
        }
        let report = report(response);
        let told = report["outcome"].as_str();
        assert_eq!(
            told == Some("COMMITTED"),
            expected.is_committed,
            "{self}: {report}"
        );
        assert_eq!(
            report.get("timeline").is_some(),
            self.has(Timeline),
            "{self}: {report}"
        );
        if self.has(Isolated) && expected.is_committed {
            assert_eq!(report["isolation"], "SERIALIZABLE", "{self}");
        }
        if expected.has_run && expected.code != Some("INTERNAL") {
            let is_run_again = report["attempts"].as_u64() > Some(1);
            // SQLite's file may be busy for other reasons: it is waited for as shortly as can be.
            let may_be = self.has(Conflict) || self.scene.stage.test.engine() == Engine::Sqlite;
            assert!(is_run_again || !self.has(Conflict), "{self}: {report}");
            assert!(!is_run_again || may_be, "{self}: {report}");
        }
    }

    async fn check_database(&self, expected: &Expected) {
        let mut marks = BTreeSet::new();
        if self.has_neighbour() {
            marks.insert("neighbour");
        }
        if expected.is_committed {
            marks.extend(["before", "after"]);
            if self.scenario == Fine {
                marks.insert("fine");
            }
            if self.has(Savepoint) {
                marks.insert("instead");
            }
            if self.has(Transaction) {
                marks.insert("begun");
            }
            if self.has(Batch) {
                marks.insert("batched");
            }
        }
        let found = self.scene.stage.marks().await;
        let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
        assert_eq!(found, marks, "{self}");
        assert_eq!(self.scene.children().await, 0, "{self}");
    }

    fn check_effects(&self, response: &Response, expected: &Expected) {
        let effects = self.scene.stage.cue.effects();
        let count = |what: &str| effects.iter().filter(|effect| *effect == what).count();
        assert_eq!(
            count("committed"),
            usize::from(expected.is_committed),
            "{self}: {effects:?}"
        );
        let is_replay = response.extensions.contains_key("idempotency");
        assert!(!is_replay, "{self}");
        if !expected.has_run {
            assert_eq!(count("rolled back"), 0, "{self}: {effects:?}");
        } else if !expected.is_committed {
            assert!(count("rolled back") > 0, "{self}: {effects:?}");
        } else if report(response)["attempts"] == 1 {
            assert_eq!(count("rolled back"), 0, "{self}: {effects:?}");
        }
    }

    /// With a key, what was committed is answered again, and not done again; what was not, runs again.
    async fn check_second(&self, first: &Response, expected: &Expected) {
        let met = self.scene.conflicts.met.load(Ordering::SeqCst);
        let effects = self.scene.stage.cue.effects().len();
        let second = self.send().await;
        if expected.is_committed {
            assert_eq!(report(&second)["outcome"], "REPLAYED", "{self}: {second:?}");
            assert_eq!(data(&second), data(first), "{self}");
            assert_eq!(
                self.scene.conflicts.met.load(Ordering::SeqCst),
                met,
                "{self}: nothing runs"
            );
            assert_eq!(self.scene.stage.cue.effects().len(), effects, "{self}");
        } else {
            let is_replay = second.extensions.contains_key("idempotency");
            assert!(!is_replay, "{self}: {second:?}");
            assert_eq!(codes(&second), codes(first), "{self}");
        }
        self.check_database(expected).await;
    }
}
