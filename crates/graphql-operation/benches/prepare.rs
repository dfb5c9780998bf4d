//! What preparing a document costs, beside the engine's own reading of it: `cargo bench -p graphql-operation`.
//!
//! `unknown` is a document that nobody has sent before, `known` one that was. The engine keeps no documents.

use std::cell::Cell;

use async_graphql::{
    EmptyMutation, EmptySubscription, ID, InputObject, Object, Request, Schema, SimpleObject,
    parser::parse_query,
};
use divan::Bencher;
use graphql_operation::{Options, PreparedOperations, Preparer};

#[derive(SimpleObject, Clone)]
struct Money {
    amount: i32,
    decimal: String,
}

struct Account;

#[Object]
impl Account {
    async fn id(&self) -> ID {
        "a".into()
    }
    async fn code(&self) -> &str {
        "cash"
    }
    async fn balance(&self) -> Money {
        Money {
            amount: 1,
            decimal: "0.01".to_owned(),
        }
    }
}

#[derive(InputObject)]
struct By {
    id: Option<ID>,
    code: Option<String>,
}

struct Query;

#[Object]
impl Query {
    async fn account(&self, by: By) -> Option<Account> {
        (by.id.is_some() || by.code.is_some()).then_some(Account)
    }
    async fn accounts(&self, first: Option<i32>) -> Vec<Account> {
        (0..first.unwrap_or(1)).map(|_| Account).collect()
    }
}

/// By their names.
const DOCUMENTS: [&str; 3] = ["nothing", "account", "fragments"];

fn document(name: &str) -> &'static str {
    match name {
        "nothing" => NOTHING,
        "account" => ACCOUNT,
        _ => FRAGMENTS,
    }
}

const NOTHING: &str = "{ __typename }";
const ACCOUNT: &str = "query ($code: String!) { account(by: { code: $code }) { id code balance { amount decimal } } }";
const FRAGMENTS: &str = "query Page($code: String!, $first: Int, $more: Boolean = false) { account(by: { code: $code }) { ...A } accounts(first: $first) { ...A ...B @include(if: $more) } } fragment A on Account { id code ...B } fragment B on Account { balance { amount decimal } }";

type App = Schema<Query, EmptyMutation, EmptySubscription>;

fn engine() -> App {
    Schema::new(Query, EmptyMutation, EmptySubscription)
}

fn preparer() -> Preparer {
    let schema = graphql_operation::Schema::parse(&engine().sdl());
    match schema {
        Ok(schema) => Preparer::new(schema, Options::default()),
        Err(error) => panic!("{error}"),
    }
}

fn prepared() -> App {
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .extension(PreparedOperations::of(preparer()))
        .finish()
}

fn request(document: &str) -> Request {
    let variables = serde_json::json!({ "code": "cash", "first": 1 });
    Request::new(document).variables(async_graphql::Variables::from_json(variables))
}

/// The same document, as nobody has sent it.
fn unknown(document: &str, serial: &Cell<u64>) -> Request {
    serial.set(serial.get() + 1);
    request(&format!("{document} # {}", serial.get()))
}

#[divan::bench(args = DOCUMENTS)]
fn parse_by_engine(bencher: Bencher<'_, '_>, name: &str) {
    bencher.bench(|| parse_query(document(name)).is_ok());
}

#[divan::bench(args = DOCUMENTS)]
fn prepare_unknown(bencher: Bencher<'_, '_>, name: &str) {
    let document = document(name);
    let (preparer, serial) = (preparer(), Cell::new(0));
    bencher
        .with_inputs(|| unknown(document, &serial))
        .bench_local_values(|mut request| preparer.prepare(&mut request).is_ok());
}

#[divan::bench(args = DOCUMENTS)]
fn prepare_known(bencher: Bencher<'_, '_>, name: &str) {
    let document = document(name);
    let preparer = preparer();
    bencher
        .with_inputs(|| request(document))
        .bench_local_values(|mut request| {
            let prepared = preparer.prepare(&mut request);
            prepared
                .map(|prepared| prepared.document(&request.variables))
                .is_ok()
        });
}

#[divan::bench(args = DOCUMENTS)]
fn execute_by_engine(bencher: Bencher<'_, '_>, name: &str) {
    let document = document(name);
    execute(bencher, document, &engine());
}

#[divan::bench(args = DOCUMENTS)]
fn execute_unknown(bencher: Bencher<'_, '_>, name: &str) {
    let document = document(name);
    let (schema, serial, runtime) = (prepared(), Cell::new(0), runtime());
    bencher
        .with_inputs(|| unknown(document, &serial))
        .bench_local_values(|request| runtime.block_on(schema.execute(request)).is_ok());
}

#[divan::bench(args = DOCUMENTS)]
fn execute_known(bencher: Bencher<'_, '_>, name: &str) {
    let document = document(name);
    execute(bencher, document, &prepared());
}

fn execute(bencher: Bencher<'_, '_>, document: &str, schema: &App) {
    let runtime = runtime();
    bencher
        .with_inputs(|| request(document))
        .bench_local_values(|request| runtime.block_on(schema.execute(request)).is_ok());
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    match runtime {
        Ok(runtime) => runtime,
        Err(error) => panic!("{error}"),
    }
}

fn main() {
    divan::main();
}
