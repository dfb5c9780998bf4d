//! Switches where none is read: beside `query`, in a query string, or for a batch that is none.

use serde_json::json;

use super::{ADD, post};
use crate::http::{Answer, JSON, Server};

#[tokio::test]
async fn a_switch_where_none_is_read_is_refused() {
    let server = Server::start().await;
    // A client that asks for a batch has not sent one.
    for value in ["all-or-nothing", "each"] {
        for accept in [JSON, "text/event-stream"] {
            let answer = post(
                &server,
                accept,
                &json!({ "query": ADD }),
                &[("x-batch", value.as_bytes())],
            )
            .await;
            answer.assert_refused(400, "BAD_REQUEST");
        }
        let get = server.client.get(server.url("/graphql?query={sum}"));
        Answer::of(get.header("x-batch", value))
            .await
            .assert_refused(400, "BAD_REQUEST");
    }
    // A member beside `query`, and the query string of a POST.
    for name in [
        "dryRun",
        "dry_run",
        "x-dry-run",
        "idempotencyKey",
        "timeout",
        "x-batch",
        "Extensions",
        "operation_name",
        "dryRuns",
        "idempotentKey",
        "extension",
        "extentions",
        "variable",
    ] {
        for body in [
            json!({ "query": ADD, name: true }),
            json!([{ "query": ADD }, { "query": ADD, name: true }]),
        ] {
            post(&server, JSON, &body, &[])
                .await
                .assert_refused(400, "BAD_REQUEST");
        }
        // The others are members of a request, which the query string of a POST may have: nobody reads them there.
        let members = [
            "Extensions",
            "operation_name",
            "extension",
            "extentions",
            "variable",
        ];
        if !members.contains(&name) {
            let request = server
                .client
                .post(server.url(&format!("/graphql?a=b&{name}=true")));
            Answer::of(request.json(&json!({ "query": ADD })))
                .await
                .assert_refused(400, "BAD_REQUEST");
        }
    }
    assert_eq!(server.toy.sum(), 0);
}
