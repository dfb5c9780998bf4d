//! An event is executed once for all subscribers who asked for the same, and for nobody else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Context, EmptyMutation, Error, Object, Request, Response, Result, Schema, Subscription,
    Variables,
};
use bytes::Bytes;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use futures_util::{Stream, StreamExt, future::join_all, stream, stream::BoxStream};
use sea_orm::{ConnectionTrait, IsolationLevel, Statement};
use serde_json::{Value as Json, json};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use unit_of_work::{
    Audience, ContextExt, Database, Isolation, OperationDeadline, Report, Retrying,
    SessionSettings, SharedEvents, Streamed, UnitOfWorkExtension, redeliver_shared,
};

use crate::stage::{PATIENCE, Stage};

type TestSchema = Retrying<Schema<Query, EmptyMutation, Subscriptions>>;

struct Query;

#[Object]
impl Query {
    async fn one(&self) -> i32 {
        1
    }
}

/// What the resolvers did, and what they are to do.
#[derive(Default)]
struct Script {
    executed: AtomicUsize,
    /// How many executions, from now on, wait for ever once they have begun.
    held: AtomicUsize,
    holding: Notify,
    /// How many fail.
    failing: AtomicUsize,
}

impl Script {
    fn executed(&self) -> usize {
        self.executed.swap(0, Ordering::SeqCst)
    }
}

/// Takes one, while there are any.
fn takes_one(count: &AtomicUsize) -> bool {
    let less = |count: usize| count.checked_sub(1);
    count
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_ok()
}

struct Subscriptions {
    shared: SharedEvents<i32>,
    script: Arc<Script>,
}

#[derive(Clone)]
struct Event {
    number: i32,
    script: Arc<Script>,
}

#[Subscription]
impl Subscriptions {
    /// The numbers after this one, up to 3. The label changes nothing.
    async fn numbers(
        &self,
        ctx: &Context<'_>,
        after: i32,
        #[graphql(default)] doubled: bool,
        label: Option<String>,
    ) -> impl Stream<Item = Result<Event>> + use<> {
        drop(label);
        let script = Arc::clone(&self.script);
        let factor = if doubled { 2 } else { 1 };
        let events = stream::iter(after + 1..=3).map(move |number| {
            Ok(Event {
                number: number * factor,
                script: Arc::clone(&script),
            })
        });
        let key = |event: &Event| event.number;
        let interrupted = |event: Event, _| Error::new(format!("interrupted at {}", event.number));
        redeliver_shared(
            ctx,
            events,
            &self.shared,
            &["after", "label"],
            key,
            interrupted,
        )
    }
}

#[Object]
impl Event {
    async fn number(&self) -> i32 {
        self.number
    }

    async fn counter(&self, ctx: &Context<'_>, plus: Option<i64>) -> Result<i64> {
        self.script.executed.fetch_add(1, Ordering::SeqCst);
        let value = value(ctx).await?;
        if takes_one(&self.script.held) {
            self.script.holding.notify_one();
            std::future::pending::<()>().await;
        }
        if takes_one(&self.script.failing) {
            return Err(Error::new("it fails"));
        }
        Ok(value + plus.unwrap_or_default())
    }

    async fn partly(&self, ctx: &Context<'_>) -> Option<Result<i32>> {
        self.script.executed.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = value(ctx).await {
            return Some(Err(error));
        }
        takes_one(&self.script.failing).then(|| Err(Error::new("it fails in part")))
    }
}

async fn value(ctx: &Context<'_>) -> Result<i64> {
    let unit = ctx.unit();
    let select = Statement::from_string(unit.get_database_backend(), "SELECT value FROM counter");
    let row = unit.query_one_raw(select).await?.ok_or("no row")?;
    Ok(row.try_get_by_index(0)?)
}

fn schema(database: &Database) -> (TestSchema, Arc<Script>) {
    let script = Arc::new(Script::default());
    let subscriptions = Subscriptions {
        shared: SharedEvents::new(1024 * 1024, Duration::from_secs(60)),
        script: Arc::clone(&script),
    };
    let schema = Schema::build(Query, EmptyMutation, subscriptions)
        .extension(UnitOfWorkExtension::new(database.clone()))
        .finish();
    (Retrying::new(schema), script)
}

fn write(response: &Response) -> Bytes {
    serde_json::to_vec(response).expect("is JSON").into()
}

fn open(
    schema: &TestSchema,
    callers: &str,
    request: impl Into<Request>,
) -> BoxStream<'static, Json> {
    let responses = Audience::new(callers, write).stream(schema, request.into());
    responses
        .map(|response| {
            let text = match response {
                Streamed::Text(text) => text,
                Streamed::Response(response) => write(&response),
            };
            serde_json::from_slice(&text).expect("is JSON")
        })
        .boxed()
}

async fn all(responses: BoxStream<'static, Json>) -> Vec<Json> {
    timeout(PATIENCE, responses.collect()).await.expect("ends")
}

async fn next(responses: &mut BoxStream<'static, Json>) -> Json {
    let next = timeout(PATIENCE, responses.next()).await.expect("in time");
    next.expect("a response")
}

fn number(number: i32, counter: i64) -> Json {
    json!({ "data": { "numbers": { "number": number, "counter": counter } } })
}

const ASK: &str = "subscription { numbers(after: 0) { number counter } }";

on_every_engine! {
    /// However their documents are written, and from wherever each goes on.
    async fn it_is_executed_once_for_all_who_ask_the_same(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (schema, script) = schema(&stage.database);
        let ask = |after: i32, label: usize| {
            let ask = "subscription Named($after: Int! = 0, $plus: Int, $label: String) { numbers(label: $label, after: $after) { number ... on Event { counter(plus: $plus) } } }";
            let variables = json!({ "after": after, "plus": 5, "label": label.to_string() });
            Request::new(ask).variables(Variables::from_json(variables))
        };
        let subscribers: Vec<_> = (0..100).map(|n| open(&schema, "all", ask(0, n))).collect();
        for heard in join_all(subscribers.into_iter().map(all)).await {
            assert_eq!(heard, [number(1, 5), number(2, 5), number(3, 5)]);
        }
        assert_eq!(script.executed(), 3);
        let subscribers: Vec<_> = (0..100_u8)
            .map(|n| open(&schema, "all", ask(i32::from(n % 3), usize::from(n))))
            .collect();
        let heard = join_all(subscribers.into_iter().map(all)).await;
        // Who hears the first event first needs a later execution of the second one than who begins with that.
        let executed = script.executed();
        assert!((3..=6).contains(&executed), "{executed}");
        for (n, heard) in (0_u8..).zip(&heard) {
            let after = i32::from(n % 3);
            let expected: Vec<_> = (after + 1..=3).map(|n| number(n, 5)).collect();
            assert_eq!(*heard, expected);
        }
        let spaces = "subscription   Other { numbers  (after:0) {number counter} }";
        let twice = [open(&schema, "all", ASK), open(&schema, "all", spaces)];
        join_all(twice.into_iter().map(all)).await;
        assert_eq!(script.executed(), 3);
    }

    /// Whatever could make a difference does.
    (not on MariaDB: "it has no settings of a transaction, and no rows of an operation")
    async fn it_is_executed_again_for_who_asks_otherwise(test: TestDatabase) {
        let is_sqlite = test.engine() == Engine::Sqlite;
        let stage = Stage::new(test).await;
        let (schema, script) = schema(&stage.database);
        let variable = |plus: Json| {
            let ask = "subscription ($plus: Int) { numbers(after: 0) { number counter(plus: $plus) } }";
            Request::new(ask).variables(Variables::from_json(plus))
        };
        let deadline = || Request::new(ASK).data(OperationDeadline(Instant::now() + PATIENCE));
        let mut pairs = vec![
            ("the caller", open(&schema, "ann", ASK), open(&schema, "bob", ASK)),
            ("an alias", open(&schema, "2", ASK), open(&schema, "2", "subscription { numbers(after: 0) { number c: counter } }")),
            ("the root's alias", open(&schema, "3", ASK), open(&schema, "3", "subscription { n: numbers(after: 0) { number counter } }")),
            ("the order", open(&schema, "4", ASK), open(&schema, "4", "subscription { numbers(after: 0) { counter number } }")),
            ("an argument", open(&schema, "5", ASK), open(&schema, "5", "subscription { numbers(after: 0) { number counter(plus: 1) } }")),
            ("an argument of the root", open(&schema, "6", ASK), open(&schema, "6", "subscription { numbers(after: 0, doubled: true) { number counter } }")),
            ("a variable", open(&schema, "7", variable(json!({ "plus": 1 }))), open(&schema, "7", variable(json!({ "plus": 2 })))),
            ("a variable that is absent", open(&schema, "8", variable(json!({}))), open(&schema, "8", variable(json!({ "plus": null })))),
            ("a condition", open(&schema, "9", ASK), open(&schema, "9", "subscription { numbers(after: 0) { number @skip(if: true) counter } }")),
            ("the report", open(&schema, "10", ASK), open(&schema, "10", Request::new(ASK).data(Report::InExtensions))),
            ("the isolation", open(&schema, "11", ASK), open(&schema, "11", Request::new(ASK).data(Isolation(IsolationLevel::Serializable)))),
            ("a deadline of one's own", open(&schema, "12", deadline()), open(&schema, "12", deadline())),
        ];
        let tenant = |tenant| {
            let settings = SessionSettings::new();
            Request::new(ASK).data(match is_sqlite {
                true => settings.rows("counter", format!("value < {tenant}")),
                false => settings.set("app.tenant", tenant),
            })
        };
        pairs.push(("the tenant", open(&schema, "16", tenant("1")), open(&schema, "16", tenant("2"))));
        for (what, one, other) in pairs {
            let heard = join_all([all(one), all(other)]).await;
            assert_eq!(script.executed(), 6, "{what}: {heard:?}");
        }
        // A transport that says nothing of who asks, and a server that runs nothing again, share nothing.
        let alone = || async_graphql::Executor::execute_stream(&schema, Request::new(ASK), None).count();
        tokio::join!(alone(), alone());
        assert_eq!(script.executed(), 6);
    }

    /// Who has written something, and then subscribes, sees it, whatever others have been told.
    async fn no_response_is_older_than_its_subscription(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (schema, script) = schema(&stage.database);
        let early = open(&schema, "", ASK);
        assert_eq!(all(open(&schema, "", ASK)).await[2], number(3, 0));
        assert_eq!(script.executed(), 3);
        stage.observer().await.execute("UPDATE counter SET value = 7").await;
        assert_eq!(all(open(&schema, "", ASK)).await, [number(1, 7), number(2, 7), number(3, 7)]);
        assert_eq!(script.executed(), 3);
        // One that had subscribed before, and comes to them only now, may be told what was newest then.
        assert_eq!(all(early).await, [number(1, 7), number(2, 7), number(3, 7)]);
        assert_eq!(script.executed(), 0);
    }

    /// On one stream the database never goes back.
    async fn no_response_is_older_than_the_one_before(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (schema, script) = schema(&stage.database);
        let mut slow = open(&schema, "", ASK);
        let ahead = "subscription { numbers(after: 1) { number counter } }";
        assert_eq!(all(open(&schema, "", ahead)).await, [number(2, 0), number(3, 0)]);
        stage.observer().await.execute("UPDATE counter SET value = 7").await;
        assert_eq!(next(&mut slow).await, number(1, 7));
        assert_eq!(all(slow).await, [number(2, 7), number(3, 7)]);
        assert_eq!(script.executed(), 5);
    }

    /// The client for whom an event is executed goes away in the middle of that.
    async fn who_goes_leaves_the_execution_to_another_one(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (schema, script) = schema(&stage.database);
        script.held.store(1, Ordering::SeqCst);
        let mut first = open(&schema, "", ASK);
        let others: Vec<_> = (0..20).map(|_| open(&schema, "", ASK)).collect();
        tokio::select! {
            biased;
            response = first.next() => panic!("{response:?}"),
            () = script.holding.notified() => {}
        }
        let others = join_all(others.into_iter().map(all));
        let others = tokio::spawn(others);
        // They wait: nothing else tells it, and if they do not yet, it is the same in the end.
        tokio::task::yield_now().await;
        drop(first);
        for heard in others.await.expect("ends") {
            assert_eq!(heard, [number(1, 0), number(2, 0), number(3, 0)]);
        }
        assert_eq!(script.executed(), 1 + 3);
    }

    /// A response with errors goes to those who waited for it. It is not kept.
    async fn a_failure_is_not_shared_with_who_comes_later(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (schema, script) = schema(&stage.database);
        script.failing.store(1, Ordering::SeqCst);
        let ask = "subscription { numbers(after: 2) { number partly } }";
        let (one, two, later) = (open(&schema, "", ask), open(&schema, "", ask), open(&schema, "", ask));
        let (one, two) = tokio::join!(all(one), all(two));
        assert_eq!(one[0]["errors"].as_array().map(Vec::len), Some(1), "{one:?}");
        assert_eq!(one[0]["data"]["numbers"]["number"], 3);
        assert_eq!(one, two);
        assert_eq!(script.executed(), 1);
        assert_eq!(all(later).await, [json!({ "data": { "numbers": { "number": 3, "partly": null } } })]);
        assert_eq!(script.executed(), 1);
    }

    /// An event that cannot be delivered ends the streams of those who waited for it, and of nobody else.
    async fn what_cannot_be_delivered_ends_the_streams_that_wait(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (schema, script) = schema(&stage.database);
        script.failing.store(1, Ordering::SeqCst);
        let (one, two, later) = (open(&schema, "", ASK), open(&schema, "", ASK), open(&schema, "", ASK));
        for heard in join_all([all(one), all(two)]).await {
            assert_eq!(heard.len(), 1, "{heard:?}");
            assert_eq!(heard[0]["errors"][0]["message"], "interrupted at 1", "{heard:?}");
        }
        assert_eq!(script.executed(), 1);
        assert_eq!(all(later).await.len(), 3);
    }
}
