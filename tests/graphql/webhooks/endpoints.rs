//! Endpoints: who may have them, what is refused, and what the database itself refuses.

use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::{CREATE, STATE, UPDATE};
use crate::graphql::server::Ledger;
use crate::http::{access::sign, jwt::claims};

const DELETE: &str =
    "mutation ($input: DeleteWebhookInput!) { deleteWebhook(input: $input) { deletedId url } }";
const ROTATE: &str = "mutation ($input: RotateWebhookSecretInput!) { rotateWebhookSecret(input: $input) { webhook { id } } }";
const REDELIVER: &str = "mutation ($input: RedeliverWebhookEventsInput!) { redeliverWebhookEvents(input: $input) { webhook { id } } }";

fn input(url: &str) -> Value {
    json!({ "input": { "url": url, "events": ["ENTRY_POSTED"] } })
}

async fn created(ledger: &Ledger) -> String {
    let data = ledger.data(CREATE, input("https://app.example/hook")).await;
    let id = &data["createWebhook"]["webhook"]["id"];
    id.as_str().unwrap().to_owned()
}

on_every_engine! {
    async fn a_webhook_is_created_changed_and_deleted(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let id = created(&ledger).await;
        let state = ledger.data(STATE, json!({})).await["webhooks"].take();
        assert_eq!(state.as_array().unwrap().len(), 1);
        let is = |name: &str| state[0][name].clone();
        assert_eq!((is("url"), is("events"), is("accounts")), (json!("https://app.example/hook"), json!(["ENTRY_POSTED"]), json!([])));
        assert_eq!((is("whenExhausted"), is("status"), is("failedAttempts"), is("createdBy")), (json!("SKIP"), json!("ACTIVE"), json!(0), Value::Null));
        let change = json!({ "webhook": id, "url": "https://b.example/", "whenExhausted": "STOP", "accounts": [{ "code": "cash" }] });
        ledger.data(UPDATE, json!({ "input": change })).await;
        let node = "query ($id: ID!) { node(id: $id) { id ... on Webhook { url whenExhausted accounts { code } } } }";
        let expected = json!({ "id": id, "url": "https://b.example/", "whenExhausted": "STOP", "accounts": [{ "code": "cash" }] });
        assert_eq!(ledger.data(node, json!({ "id": id })).await["node"], expected);
        let deleted = ledger.data(DELETE, json!({ "input": { "webhook": id } })).await;
        assert_eq!(deleted["deleteWebhook"], json!({ "deletedId": id, "url": "https://b.example/" }));
        assert_eq!(ledger.data(node, json!({ "id": id })).await["node"], Value::Null);
        assert_eq!((ledger.count("webhook").await, ledger.count("webhook_account").await), (0, 0));
        let named = |more: Value| {
            let mut input = json!({ "webhook": id });
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "input": input })
        };
        for (query, variables) in [(UPDATE, named(json!({}))), (DELETE, named(json!({}))), (ROTATE, named(json!({}))), (REDELIVER, named(json!({ "cursors": ["1"] })))] {
            let error = ledger.error(query, variables).await;
            assert_eq!((&error["extensions"]["code"], &error["extensions"]["webhookId"]), (&json!("WEBHOOK_NOT_FOUND"), &json!(id)), "{error}");
        }
    }

    /// With its operation, or not at all.
    async fn what_fails_or_is_only_tried_leaves_none(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let query = "mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) { secret }
            openAccount(input: { code: \"alice\", name: \"n\", currency: \"EUR\", normalSide: DEBIT }) { account { id } } }";
        assert_eq!(ledger.error(query, input("https://app.example/")).await["extensions"]["code"], "ACCOUNT_CODE_TAKEN");
        let tried = ledger.dry_run(CREATE, input("https://app.example/")).await;
        assert!(tried["data"]["createWebhook"]["secret"].is_string(), "{tried}");
        assert_eq!(ledger.count("webhook").await, 0);
    }

    async fn what_cannot_be_a_webhook_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let id = created(&ledger).await;
        let many: Vec<_> = (0..101).map(|number| json!({ "code": format!("{number}") })).collect();
        for (field, wrong) in [
            ("url", json!({ "url": "" })), ("url", json!({ "url": "http://app.example/" })), ("url", json!({ "url": "https://localhost/" })),
            ("url", json!({ "url": "https://169.254.169.254/latest" })), ("url", json!({ "url": "https://a:b@app.example/" })),
            ("url", json!({ "url": format!("https://app.example/{}", "x".repeat(2000)) })),
            ("events", json!({ "events": [] })), ("accounts", json!({ "accounts": many })),
        ] {
            for (query, mut whole) in [(CREATE, input("https://app.example/")), (UPDATE, json!({ "input": { "webhook": id } }))] {
                whole["input"].as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
                let error = ledger.error(query, whole).await;
                assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("BAD_USER_INPUT"), &json!(field)), "{error}");
            }
        }
        for (after, field) in [("9", "after"), ("-1", "after"), ("x", "after")] {
            let mut whole = input("https://app.example/");
            whole["input"]["after"] = json!(after);
            let error = ledger.error(CREATE, whole).await;
            assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("BAD_USER_INPUT"), &json!(field)), "{error}");
        }
        let mut whole = input("https://app.example/");
        whole["input"]["accounts"] = json!([{ "code": "cash" }, { "code": "nobody" }]);
        let error = ledger.error(CREATE, whole).await;
        assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("ACCOUNT_NOT_FOUND"), &json!("accounts[1]")), "{error}");
        for hours in [-1, 721] {
            let error = ledger.error(ROTATE, json!({ "input": { "webhook": id, "keepPreviousHours": hours } })).await;
            assert_eq!(error["extensions"]["field"], "keepPreviousHours", "{error}");
        }
        assert_eq!(ledger.count("webhook").await, 1);
    }

    /// Everything about webhooks needs their scope, beside that of reading or writing.
    async fn webhooks_have_a_scope_of_their_own(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        let sent = async |scopes: &str, query: &str, variables: Value| -> Value {
            let body = json!({ "query": query, "variables": variables });
            ledger.request(&body).bearer_auth(sign(&claims(scopes))).send().await.unwrap().json().await.unwrap()
        };
        let (all, few) = ("ledger:read ledger:write ledger:webhooks", "ledger:read ledger:write");
        let answer = sent(all, CREATE, input("https://app.example/")).await;
        let id = answer["data"]["createWebhook"]["webhook"]["id"].as_str().unwrap().to_owned();
        let named = json!({ "input": { "webhook": id } });
        let letters = json!({ "input": { "webhook": id, "cursors": ["1"] } });
        let node = "query ($id: ID!) { node(id: $id) { id } }";
        let cases = [
            (CREATE, input("https://app.example/")), (UPDATE, named.clone()), (DELETE, named.clone()), (ROTATE, named), (REDELIVER, letters),
            (STATE, json!({})), (node, json!({ "id": id })),
        ];
        for (query, variables) in cases {
            let answer = sent(few, query, variables).await;
            let told = &answer["errors"][0]["extensions"];
            assert_eq!((&told["code"], &told["scope"]), (&json!("FORBIDDEN"), &json!("ledger:webhooks")), "{query}: {answer}");
        }
        let answer = sent(all, node, json!({ "id": id })).await;
        assert_eq!(answer["data"]["node"]["id"], json!(id), "{answer}");
        assert_eq!(sent("ledger:read ledger:webhooks", CREATE, input("https://app.example/")).await["errors"][0]["extensions"]["code"], "FORBIDDEN");
        assert_eq!(ledger.count("webhook").await, 1);
    }

    /// Whoever writes past this server cannot have an event skipped, or an endpoint taken from the server that has it.
    async fn the_database_keeps_the_position(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        created(&ledger).await;
        ledger.post("cash", "alice", 1).await;
        ledger.numbered().await;
        let observer = ledger.observer().await;
        let held = "lease = lease + 1, lease_ms = 1000";
        for (change, rule) in [
            ("position = position + 1", "webhook_position_moves"),
            (&format!("position = position + 1, {held}"), "webhook_position_moves"),
            ("lease = lease - 1", "webhook_lease_rises"), ("lease_ms = 1", "webhook_lease_rises"),
            ("created_by = 'eve'", "webhook_fixed"), ("secret = 'x'", "webhook_secret_form"), ("events = ''", "webhook_events_known"),
            ("previous_secret = secret", "webhook_previous_secret_ends"), ("status = 'ON'", "webhook_status_known"),
            ("when_exhausted = 'NEVER'", "webhook_when_exhausted_known"),
        ] {
            let refused = observer.try_execute(&format!("UPDATE webhook SET {change}")).await.unwrap_err();
            assert!(refused.to_string().contains(rule), "{change}: {refused}");
        }
        observer.execute(&format!("UPDATE webhook SET {held}")).await;
        for (change, rule) in [("position = position + 1", "webhook_position_moves"), ("position = position - 1, lease = lease + 1", "webhook_position_moves")] {
            let refused = observer.try_execute(&format!("UPDATE webhook SET {change}")).await.unwrap_err();
            assert!(refused.to_string().contains(rule), "{change}: {refused}");
        }
        let move_on = "UPDATE webhook SET position = position + 1, lease = lease + 1";
        observer.execute(move_on).await;
        // There is no further event.
        let refused = observer.try_execute(move_on).await.unwrap_err();
        assert!(refused.to_string().contains("webhook_position_moves"), "{refused}");
    }

    async fn there_are_a_hundred_at_most(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let one = "createWebhook(input: { url: \"https://app.example/\", events: [ENTRY_POSTED] }) { webhook { id } }";
        for _ in 0..10 {
            let ten: String = (0..10).map(|number| format!("w{number}: {one} ")).collect();
            ledger.data(&format!("mutation {{ {ten} }}"), json!({})).await;
        }
        let error = ledger.error(CREATE, input("https://app.example/")).await;
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
        assert_eq!(ledger.data("{ webhooks { id } }", json!({})).await["webhooks"].as_array().unwrap().len(), 100);
        let columns = "url, events, choice, when_exhausted, status, secret, position, failed_attempts, lease, created_at";
        let random = match ledger.engine() {
            Engine::Sqlite => "randomblob(16)",
            Engine::Postgres => "gen_random_uuid()",
            Engine::MariaDb => "random_bytes(16)",
        };
        let more = format!("INSERT INTO webhook (id, {columns}) SELECT {random}, {columns} FROM webhook LIMIT 1");
        let refused = ledger.observer().await.try_execute(&more).await.unwrap_err();
        assert!(refused.to_string().contains("webhook_most"), "{refused}");
    }
}
