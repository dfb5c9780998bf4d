//! The command `daybook verify`.

use std::process::{Command, Output};

use daybook_test_harness::{TestDatabase, on_every_engine};

use serde_json::json;

use super::server::Ledger;

pub(super) fn verify(database: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    command
        .args(["verify", "--log", "off", "--database", database])
        .output()
        .unwrap()
}

on_every_engine! {
    async fn the_command_lists_every_difference_and_fails(test: TestDatabase) {
        let url = test.url().to_owned();
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 5).await;
        let sound = verify(&url);
        assert_eq!(sound.status.code(), Some(0), "{sound:?}");
        assert_eq!(String::from_utf8_lossy(&sound.stdout), "checked 2 accounts, 1 entries and 1 lines\n");

        ledger.observer().await.execute("UPDATE account SET credits_posted = 6 WHERE code = 'alice'").await;
        let unsound = verify(&url);
        assert_eq!(unsound.status.code(), Some(1));
        assert_eq!(
            String::from_utf8_lossy(&unsound.stdout),
            "the posted credits of the account `alice` are 6, and its lines make 5\nchecked 2 accounts, 1 entries and 1 lines\n"
        );
        let said = String::from_utf8_lossy(&unsound.stderr).into_owned();
        assert_eq!(said, "daybook: the ledger is not sound; what differs is listed above (1)\n");
    }

    /// Two fields of one query run at once: the second is refused while the first verifies.
    async fn a_second_verification_is_refused_while_one_is_under_way(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let both = "{ a: verifyLedger { ok } b: verifyLedger { ok } }";
        let answer = ledger.run(both, json!({})).await;
        assert_eq!(answer["data"], json!(null), "{answer}");
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "OVERLOADED", "{answer}");
        assert_eq!(extensions["limit"], "verifications");
        assert_eq!(extensions["retryable"], true);
        // The slot is free again, even though the first one was cut off.
        let answer = ledger.data("{ verifyLedger { ok } }", json!({})).await;
        assert_eq!(answer["verifyLedger"]["ok"], true);
    }
}
