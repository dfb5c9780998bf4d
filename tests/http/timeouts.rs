//! A client that will not wait as long as the server would.

use serde_json::{Value as Json, json};

use super::{Answer, GRAPHQL_RESPONSE, JSON, Server, binary::Running, sockets::Socket};

#[tokio::test]
async fn a_client_can_ask_for_a_shorter_time() {
    let server = Running::start(&["--listen", "127.0.0.1:0"]);
    let ask = async |header: Option<&str>, extension: Json| {
        let body = json!({ "query": "{ __typename }", "extensions": { "timeout": extension } });
        let mut request = reqwest::Client::new()
            .post(format!("{}/graphql", server.base()))
            .json(&body);
        if let Some(value) = header {
            request = request.header("x-timeout", value);
        }
        Answer::of(request).await.json()
    };
    let exceeded = async |header, extension| {
        let json = ask(header, extension).await;
        assert_eq!(json["data"], Json::Null, "{json}");
        json["errors"][0]["extensions"]["code"] == "DEADLINE_EXCEEDED"
    };
    // No time at all is over before anything runs.
    assert!(exceeded(Some("0s"), Json::Null).await);
    assert!(exceeded(None, json!("0ms")).await);
    // What an operation says of itself counts more than what its request says.
    assert!(exceeded(Some("1h"), json!("0s")).await);
    for (header, extension) in [
        (None, Json::Null),
        (Some("1h"), Json::Null),
        (Some("0s"), json!("20s")),
    ] {
        let json = ask(header, extension).await;
        assert_eq!(json, json!({ "data": { "__typename": "Query" } }));
    }
}

#[tokio::test]
async fn a_time_that_cannot_be_read_is_refused() {
    let server = Server::start().await;
    let add = "mutation { add(by: 1) }";
    for value in ["", "5", "soon", "-1s", "2days"] {
        let request = server.post(JSON, &json!({ "query": add }));
        let answer = Answer::of(request.header("x-timeout", value)).await;
        answer.assert_refused(400, "BAD_REQUEST");
        let message = "`x-timeout` is a time of at most a day, such as \"500ms\" or \"2s\"";
        assert_eq!(answer.json()["errors"][0]["message"], message);
    }
    for value in [json!("5"), json!(5), json!({})] {
        let body = json!({ "query": add, "extensions": { "timeout": value } });
        Answer::of(server.post(GRAPHQL_RESPONSE, &body))
            .await
            .assert_refused(400, "BAD_REQUEST");
        let mut socket = Socket::open(&server).await;
        socket.subscribe_with("1", &body).await;
        assert_eq!(socket.next().await["type"], "error");
    }
    assert_eq!(server.toy.sum(), 0);
}
