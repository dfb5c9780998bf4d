//! What a unit tells: its span, its metrics, its report.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::{
    logs::Logs,
    stage::{Stage, lock, report},
};

/// The fields of the `graphql.operation` spans of this process, by the operation's name. There is one subscriber for all
/// tests: tracing caches per process which spans are wanted, and a scoped subscriber races with tests that have none.
#[derive(Clone, Default)]
pub struct Spans {
    spans: Arc<Mutex<BTreeMap<String, Span>>>,
    /// The lines, of the same subscriber.
    pub logs: Logs,
}

type Span = BTreeMap<String, String>;

impl Spans {
    pub fn of_this_process() -> Self {
        static SPANS: OnceLock<Spans> = OnceLock::new();
        let install = || {
            let spans = Self::default();
            let subscriber = tracing_subscriber::registry()
                .with(spans.clone())
                .with(spans.logs.clone());
            tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
            spans
        };
        SPANS.get_or_init(install).clone()
    }
}

pub struct Fields<'a>(pub &'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        self.0.insert(field.name().to_owned(), text);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() == "graphql.operation" {
            let mut span = Span::new();
            attributes.record(&mut Fields(&mut span));
            context
                .span(id)
                .expect("is new")
                .extensions_mut()
                .insert(span);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(fields) = context
            .span(id)
            .expect("lives")
            .extensions_mut()
            .get_mut::<Span>()
        {
            values.record(&mut Fields(fields));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context
            .span(&id)
            .expect("lives")
            .extensions_mut()
            .remove::<Span>()
            && let Some(name) = span.get("graphql.operation.name")
        {
            lock(&self.spans).insert(name.clone(), span);
        }
    }
}

/// Runs one operation with a name of its own, on a thread with a recorder of its own, and answers the fields of its span
/// and the metrics by name.
async fn observed(
    engine: Engine,
    name: &'static str,
    query: &'static str,
) -> (Span, BTreeMap<String, u64>) {
    let test = TestDatabase::create(engine).await;
    let spans = Spans::of_this_process();
    tokio::task::spawn_blocking(move || {
        let name = format!("{name}{engine:?}");
        let query = query.replace("NAME", &name);
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let stage = Stage::new(test).await;
                stage.run(&query).await;
                // What a read leaves to the background is done when its connection is back.
                stage.database.close().await;
            });
        });
        drop(runtime);
        let span = lock(&spans.spans).remove(&name).expect("a span");
        let metrics = snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .map(|(key, _, _, value)| {
                let labels: Vec<_> = key
                    .key()
                    .labels()
                    .map(|label| format!("{}={}", label.key(), label.value()))
                    .collect();
                let name = format!("{}{{{}}}", key.key().name(), labels.join(","));
                match value {
                    DebugValue::Counter(count) => (name, count),
                    DebugValue::Histogram(values) => (name, values.len() as u64),
                    DebugValue::Gauge(_) => panic!("no gauges here"),
                }
            });
        (span, metrics.collect())
    })
    .await
    .expect("no panic")
}

fn counts(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

async fn span_and_metrics(engine: Engine) {
    let (span, metrics) = observed(
        engine,
        "Committed",
        "mutation NAME { a: mark(name: \"a\") b: mark(name: \"b\") }",
    )
    .await;
    assert_eq!(span["graphql.operation.type"], "mutation");
    assert_eq!(
        span["graphql.operation.name"],
        format!("Committed{engine:?}")
    );
    assert_eq!(span["unit.outcome"], "COMMITTED");
    assert_eq!(span["unit.statements"], "2");
    assert!(span.contains_key("unit.microseconds"));
    assert_eq!(
        metrics,
        counts(&[
            ("unit_of_work_begun_total{access=read_write}", 1),
            ("unit_of_work_committed_total{}", 1),
            ("unit_of_work_statements_total{}", 2),
            ("unit_of_work_wait_seconds{}", 1),
            ("unit_of_work_held_seconds{}", 1),
        ])
    );

    let (span, metrics) = observed(
        engine,
        "RolledBack",
        "mutation NAME { mark(name: \"a\") refuse }",
    )
    .await;
    assert_eq!(
        (span["unit.outcome"].as_str(), span["unit.reason"].as_str()),
        ("ROLLED_BACK", "ERROR")
    );
    assert_eq!(metrics["unit_of_work_rolled_back_total{reason=ERROR}"], 1);
    assert!(!metrics.contains_key("unit_of_work_committed_total{}"));

    let (span, metrics) = observed(engine, "Read", "query NAME { marks }").await;
    assert_eq!(
        (
            span["graphql.operation.type"].as_str(),
            span["unit.outcome"].as_str()
        ),
        ("query", "READ")
    );
    assert_eq!(
        metrics,
        counts(&[
            ("unit_of_work_begun_total{access=read_only}", 1),
            ("unit_of_work_read_total{}", 1),
            ("unit_of_work_statements_total{}", 1),
            ("unit_of_work_wait_seconds{}", 1),
            ("unit_of_work_held_seconds{}", 1),
        ])
    );

    let (span, metrics) = observed(engine, "Untouched", "query NAME { ping }").await;
    assert_eq!(span["unit.outcome"], "UNTOUCHED");
    assert_eq!(metrics, BTreeMap::new());
}

#[tokio::test]
async fn span_and_metrics_on_sqlite() {
    span_and_metrics(Engine::Sqlite).await;
}

#[tokio::test]
async fn span_and_metrics_on_postgres() {
    span_and_metrics(Engine::Postgres).await;
}

on_every_engine! {
    /// Off unless the server or the request says otherwise.
    async fn report_is_off_by_default(test: TestDatabase) {
        let url = test.url().to_owned();
        let stage = Stage::at(test, &url, unit_of_work::DatabaseOptions::default(), |extension| {
            extension.report(unit_of_work::Report::Off)
        }).await;
        assert!(stage.run("{ marks }").await.extensions.is_empty());
        let asked = async_graphql::Request::new("{ marks }").data(unit_of_work::Report::InExtensions);
        let told = stage.schema.execute(asked).await;
        assert_eq!(report(&told)["outcome"], "READ");
        assert_eq!(report(&told)["statements"], 1);
        let isolation = if stage.test.engine() == Engine::Sqlite { "SERIALIZABLE" } else { "REPEATABLE READ" };
        assert_eq!(report(&told)["isolation"], isolation);
        assert!(report(&told)["milliseconds"].as_f64().is_some_and(|time| time > 0.0));
    }
}
