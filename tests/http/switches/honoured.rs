//! Switches that are understood.

use serde_json::json;

use super::{ADD, post};
use crate::http::{JSON, Server};

/// What is understood reaches the unit of work, however it is written.
#[tokio::test]
async fn a_switch_is_honoured() {
    let server = Server::start().await;
    let query = json!({ "query": "{ isDryRun told }" });
    let dry = |extension: Option<bool>| {
        let mut query = query.clone();
        if let Some(dry_run) = extension {
            query["extensions"] = json!({ "dryRun": dry_run });
        }
        query
    };
    for (extension, header, expected) in [
        (None, None, false),
        (None, Some("true"), true),
        (None, Some("TRUE"), true),
        (None, Some(" true "), true),
        (None, Some("false"), false),
        (Some(true), None, true),
        (Some(false), None, false),
        // Either of them is enough.
        (Some(false), Some("true"), true),
        (Some(true), Some("false"), true),
    ] {
        let header = header.map(|value| ("x-dry-run", value.as_bytes()));
        let answer = post(&server, JSON, &dry(extension), header.as_slice()).await;
        assert_eq!(
            answer.json()["data"]["isDryRun"],
            expected,
            "{extension:?} {header:?}"
        );
    }
    for (value, told) in [("off", "Off"), ("REPORT", "InExtensions")] {
        let answer = post(
            &server,
            JSON,
            &query,
            &[("x-unit-of-work", value.as_bytes())],
        )
        .await;
        assert_eq!(answer.json()["data"]["told"], told);
    }
    let batch = json!([{ "query": ADD }, { "query": ADD }]);
    assert_eq!(
        post(&server, JSON, &batch, &[("x-batch", b"each")])
            .await
            .status,
        200
    );
    assert_eq!(server.toy.sum(), 2);
}
