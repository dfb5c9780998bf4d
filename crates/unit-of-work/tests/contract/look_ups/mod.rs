//! Look-ups that operations share.

mod replicas;

use std::{
    collections::{BTreeSet, HashMap},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_graphql::{
    Context, EmptySubscription, Executor, Object, Request, Response, Result, Schema,
};
use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::{future::BoxFuture, poll};
use sea_orm::{ConnectionTrait, DbErr, IsolationLevel, Statement};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
    time::timeout,
};
use unit_of_work::{
    ContextExt, DatabaseOptions, Isolation, Report, Retrying, SessionSettings, SharedLookUp,
    UnitOfWork, UnitOfWorkExtension,
};

use crate::stage::{PATIENCE, Stage, codes, data, report};

/// Where statements wait once they have read, until the test lets them go on.
#[derive(Default)]
struct Gate {
    /// The names that each statement was for.
    statements: Mutex<Vec<BTreeSet<String>>>,
    has_read: Notify,
    open: Option<Semaphore>,
}

impl Gate {
    fn closed() -> Arc<Self> {
        Arc::new(Self {
            open: Some(Semaphore::new(0)),
            ..Self::default()
        })
    }

    fn statements(&self) -> Vec<BTreeSet<String>> {
        self.statements.lock().expect("nothing panics").clone()
    }

    /// Waits until so many statements have read.
    async fn statements_are(&self, count: usize) {
        timeout(PATIENCE, async {
            while self.statements().len() < count {
                self.has_read.notified().await;
            }
        })
        .await
        .expect("statements read");
    }

    fn let_go(&self, statements: usize) {
        self.open
            .iter()
            .for_each(|open| open.add_permits(statements));
    }

    async fn pass(&self, names: BTreeSet<String>) {
        self.statements.lock().expect("nothing panics").push(names);
        self.has_read.notify_one();
        if let Some(open) = &self.open {
            open.acquire().await.expect("is not closed").forget();
        }
    }
}

/// A mark by its name.
struct Mark;

#[derive(Clone)]
struct Name(String, Arc<Gate>);

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl SharedLookUp for Mark {
    type Key = Name;
    type Value = String;

    async fn load(unit: &UnitOfWork, keys: &[Name]) -> Result<HashMap<Name, String>, DbErr> {
        let names: BTreeSet<_> = keys.iter().map(|key| key.0.clone()).collect();
        assert_eq!(names.len(), keys.len(), "keys differ");
        let list: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
        let sql = format!("SELECT name FROM mark WHERE name IN ({})", list.join(", "));
        let rows = unit
            .query_all_raw(Statement::from_string(unit.get_database_backend(), sql))
            .await?;
        let gate = &keys[0].1;
        let has = |name: &str| names.contains(name);
        let (is_broken, panics) = (has("broken"), has("panics"));
        gate.pass(names).await;
        if is_broken {
            return Err(DbErr::Custom("broken".to_owned()));
        }
        assert!(!panics, "asked to panic");
        rows.iter()
            .map(|row| {
                let name: String = row.try_get("", "name")?;
                Ok((Name(name.clone(), Arc::clone(gate)), name))
            })
            .collect()
    }
}

async fn look_up(ctx: &Context<'_>, name: String) -> Result<Option<String>, DbErr> {
    let gate = ctx.data_unchecked::<Arc<Gate>>();
    ctx.unit()
        .look_up::<Mark>(Name(name, Arc::clone(gate)))
        .await
}

async fn count(ctx: &Context<'_>) -> Result<i64, DbErr> {
    let sql = "SELECT COUNT(*) AS n FROM mark";
    let unit = ctx.unit();
    let row = unit
        .query_one_raw(Statement::from_string(unit.get_database_backend(), sql))
        .await?;
    row.map_or(Ok(0), |row| row.try_get("", "n"))
}

struct Query;

#[Object]
impl Query {
    async fn mark(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        Ok(look_up(ctx, name).await?)
    }

    async fn mark_and_count(&self, ctx: &Context<'_>, name: String) -> Result<Vec<String>> {
        let mark = look_up(ctx, name).await?;
        Ok(vec![
            mark.unwrap_or_default(),
            count(ctx).await?.to_string(),
        ])
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn mark(&self, ctx: &Context<'_>, name: String) -> Result<Option<String>> {
        Ok(look_up(ctx, name).await?)
    }
}

type Retried = Retrying<Schema<Query, Mutation, EmptySubscription>>;

/// A stage with some marks, and two statements under way that wait at a gate: as many as are under way at once.
struct Busy {
    stage: Stage,
    gate: Arc<Gate>,
    retrying: Retried,
    first: [JoinHandle<Response>; 2],
}

impl Busy {
    async fn new(test: TestDatabase) -> Self {
        // Whatever the machine does meanwhile, nobody loses patience.
        Self::with_patience(test, PATIENCE).await
    }

    async fn with_patience(test: TestDatabase, patience: Duration) -> Self {
        let mut options = DatabaseOptions::default();
        options.look_up_patience = patience;
        Self::with(test, options).await
    }

    async fn with(test: TestDatabase, options: DatabaseOptions) -> Self {
        let url = test.url().to_owned();
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        stage
            .observer()
            .await
            .execute("INSERT INTO mark VALUES ('a'), ('b'), ('c'), ('d'), ('broken'), ('panics')")
            .await;
        let gate = Gate::closed();
        let extension =
            UnitOfWorkExtension::new(stage.database.clone()).report(Report::InExtensions);
        let schema = Schema::build(Query, Mutation, EmptySubscription)
            .extension(extension)
            .data(Arc::clone(&gate))
            .finish();
        let retrying = Retrying::new(schema);
        let start = |name: &'static str| {
            let retrying = retrying.clone();
            tokio::spawn(async move { retrying.execute(mark(name).into()).await })
        };
        let first = [start("a"), start("b")];
        let busy = Self {
            stage,
            gate,
            retrying,
            first,
        };
        busy.gate.statements_are(2).await;
        busy
    }

    /// An operation that has come as far as it comes by itself.
    async fn begun(&self, request: impl Into<Request>) -> BoxFuture<'static, Response> {
        let (retrying, request) = (self.retrying.clone(), request.into());
        let mut operation: BoxFuture<'static, _> =
            Box::pin(async move { retrying.execute(request).await });
        assert!(poll!(&mut operation).is_pending(), "waits");
        operation
    }

    /// Lets the first two end, and with them whatever comes after.
    async fn ends(self) -> Stage {
        self.gate.let_go(100);
        for first in self.first {
            let response = timeout(PATIENCE, first)
                .await
                .expect("ends")
                .expect("answers");
            assert!(response.is_ok(), "{response:?}");
        }
        self.stage.assert_whole().await;
        self.stage
    }
}

fn mark(name: &str) -> String {
    format!("{{ mark(name: \"{name}\") }}")
}

async fn answer(operation: impl Future<Output = Response>) -> Response {
    timeout(PATIENCE, operation).await.expect("answers")
}

fn found(response: &Response) -> serde_json::Value {
    assert_eq!(codes(response), Vec::<String>::new(), "{response:?}");
    data(response)["mark"].clone()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

on_every_engine! {
    /// Those who come while others are under way are answered by one statement, of one more who asks for the same too, and of
    /// nobody who has gone. It reads what was committed before they came.
    async fn those_who_wait_share_a_statement(test: TestDatabase) {
        let busy = Busy::new(test).await;
        busy.stage.observer().await.execute("INSERT INTO mark VALUES ('new')").await;
        let new = busy.begun(mark("new").as_str()).await;
        let again = busy.begun(mark("new").as_str()).await;
        let missing = busy.begun(mark("missing").as_str()).await;
        drop(busy.begun(mark("d").as_str()).await);
        assert_eq!(busy.gate.statements().len(), 2);
        busy.gate.let_go(1);
        busy.gate.statements_are(3).await;
        assert_eq!(busy.gate.statements()[2], names(&["missing", "new"]));
        // The second of those before, and theirs.
        busy.gate.let_go(2);
        let new = answer(new).await;
        assert_eq!(found(&new), "new");
        assert_eq!((&report(&new)["statements"], &report(&new)["outcome"]), (&1.into(), &"READ".into()));
        assert_eq!(found(&answer(again).await), "new");
        assert_eq!(found(&answer(missing).await), serde_json::Value::Null);
        let gate = Arc::clone(&busy.gate);
        busy.ends().await;
        assert_eq!(gate.statements().len(), 3, "nothing else was sent");
    }

    /// A statement that fails, or panics, for several is made by each of them: the one at fault alone hears of it.
    async fn failure_is_told_to_nobody_else(test: TestDatabase) {
        for at_fault in ["broken", "panics"] {
            let test = TestDatabase::create(test.engine()).await;
            let busy = Busy::new(test).await;
            let sound = busy.begun(mark("c").as_str()).await;
            let faulty = busy.begun(mark(at_fault).as_str()).await;
            busy.gate.let_go(100);
            assert_eq!(found(&answer(sound).await), "c");
            assert_eq!(codes(&answer(faulty).await), ["INTERNAL"]);
            let gate = Arc::clone(&busy.gate);
            busy.ends().await;
            let after: Vec<_> = gate.statements().split_off(2);
            assert_eq!(after[0], names(&["c", at_fault]));
            assert_eq!(after[1..].iter().collect::<BTreeSet<_>>(), BTreeSet::from([&names(&["c"]), &names(&[at_fault])]));
        }
    }

    /// What was shared was the operation's one statement. With a second one it is run again, on a snapshot of its own.
    async fn second_statement_takes_a_snapshot(test: TestDatabase) {
        let busy = Busy::new(test).await;
        let two = busy.begun("{ markAndCount(name: \"c\") }").await;
        busy.gate.let_go(100);
        let two = answer(two).await;
        assert_eq!(data(&two), serde_json::json!({ "markAndCount": ["c", "6"] }), "{two:?}");
        assert_eq!((&report(&two)["attempts"], &report(&two)["statements"]), (&1.into(), &2.into()));
        // The row was read again, on the snapshot that was counted: the shared one is older.
        assert_eq!(busy.gate.statements()[2..], [names(&["c"]), names(&["c"])]);
        busy.ends().await;
    }

    /// What has terms of its own makes its own statement, at once.
    async fn own_terms_are_not_shared(test: TestDatabase) {
        let busy = Busy::new(test).await;
        let mut own = vec![
            Request::new(mark("c")).data(Report::Timeline),
            Request::new("mutation { mark(name: \"c\") }"),
        ];
        if busy.stage.database.backend() != sea_orm::DbBackend::Sqlite {
            // On SQLite every transaction is as strict as that.
            own.push(Request::new(mark("c")).data(Isolation(IsolationLevel::Serializable)));
        }
        let settings = match busy.stage.database.backend() {
            sea_orm::DbBackend::Postgres => Some(SessionSettings::new().set("app.tenant", "7")),
            sea_orm::DbBackend::Sqlite => Some(SessionSettings::new().rows("mark", "TRUE")),
            _ => None,
        };
        own.extend(settings.map(|settings| Request::new(mark("c")).data(settings)));
        for (place, request) in own.into_iter().enumerate() {
            let operation = tokio::spawn({
                let retrying = busy.retrying.clone();
                async move { retrying.execute(request).await }
            });
            busy.gate.statements_are(3 + place).await;
            assert_eq!(busy.gate.statements()[2 + place], names(&["c"]));
            // One that hangs at the gate does so with its connection, where it has a transaction.
            busy.gate.let_go(0);
            operation.abort();
            let _ = operation.await;
        }
        busy.ends().await;
    }

    /// Those under way hang: whoever waits for them looks for itself soon, and whoever comes later at once.
    async fn nobody_waits_long(test: TestDatabase) {
        let busy = Busy::with_patience(test, Duration::from_millis(50)).await;
        let patient = busy.begun(mark("c").as_str()).await;
        let patient = tokio::spawn(patient);
        busy.gate.statements_are(3).await;
        assert_eq!(busy.gate.statements()[2], names(&["c"]));
        let later = busy.begun(mark("d").as_str()).await;
        let later = tokio::spawn(later);
        busy.gate.statements_are(4).await;
        assert_eq!(busy.gate.statements()[3], names(&["d"]));
        busy.gate.let_go(100);
        for (operation, name) in [(patient, "c"), (later, "d")] {
            let answered = timeout(PATIENCE, operation).await.expect("ends").expect("answers");
            assert_eq!(found(&answered), name);
        }
        busy.ends().await;
    }
}
