//! A schema with a field of every kind, and the server that runs prepared operations on it.

use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};

use async_graphql::{
    Context, Enum, Error, ID, InputObject, Interface, Object, Request, Schema, SimpleObject,
    Subscription, Union, Variables,
    futures_util::{Stream, stream},
};
use graphql_operation::{Options, PreparedOperations};
use serde_json::Value as Json;

#[derive(SimpleObject)]
struct Dog {
    id: ID,
    name: String,
    barks: bool,
}

#[derive(SimpleObject)]
struct Cat {
    id: ID,
    name: String,
    meows: bool,
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"), field(name = "name", ty = "&String"))]
enum Pet {
    Dog(Dog),
    Cat(Cat),
}

#[derive(Union)]
enum Beast {
    Dog(Dog),
    Cat(Cat),
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

#[derive(InputObject)]
struct Line {
    amount: i32,
    #[graphql(default_with = "Side::Left")]
    side: Side,
}

fn dog() -> Dog {
    Dog {
        id: "d".into(),
        name: "Rex".to_owned(),
        barks: true,
    }
}

fn cat() -> Cat {
    Cat {
        id: "c".into(),
        name: "Tom".to_owned(),
        meows: false,
    }
}

pub(super) struct Query;

#[Object]
impl Query {
    async fn ids(&self, ids: Vec<ID>) -> usize {
        ids.len()
    }

    async fn pets(&self) -> Vec<Pet> {
        vec![dog().into(), cat().into()]
    }

    async fn beasts(&self) -> Vec<Beast> {
        vec![dog().into(), cat().into()]
    }

    async fn echo(&self, text: String) -> String {
        text
    }

    async fn ratio(&self, of: f64) -> String {
        of.to_string()
    }

    async fn number(&self, #[graphql(default = 7)] n: i32) -> i32 {
        n
    }

    async fn optional(&self, #[graphql(default = 7)] n: Option<i32>) -> Option<i32> {
        n
    }

    async fn fails(&self) -> Option<Result<i32, Error>> {
        Some(Err(Error::new("it fails")))
    }

    async fn inner(&self) -> Query {
        Query
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn add(&self, ctx: &Context<'_>, by: i32) -> Added {
        ctx.data_unchecked::<Arc<AtomicI32>>()
            .fetch_add(by, Ordering::SeqCst);
        Added { one: 1, two: 2 }
    }

    async fn post(&self, ctx: &Context<'_>, line: Line) -> i32 {
        let sign = if line.side == Side::Left { 1 } else { -1 };
        let sum = ctx.data_unchecked::<Arc<AtomicI32>>();
        sum.fetch_add(sign * line.amount, Ordering::SeqCst) + sign * line.amount
    }
}

#[derive(SimpleObject)]
struct Added {
    one: i32,
    two: i32,
}

pub(super) struct Events;

#[Subscription]
impl Events {
    async fn added(&self) -> impl Stream<Item = Added> {
        stream::iter([Added { one: 1, two: 2 }])
    }
}

pub(super) struct Server {
    pub(super) schema: Schema<Query, Mutation, Events>,
    pub(super) sum: Arc<AtomicI32>,
}

impl Server {
    pub(super) fn new() -> Self {
        let sum = Arc::new(AtomicI32::new(0));
        let schema = Schema::build(Query, Mutation, Events)
            .data(Arc::clone(&sum))
            .extension(PreparedOperations::new(Options::default()))
            .finish();
        Self { schema, sum }
    }

    pub(super) async fn run(&self, document: &str, variables: Json) -> Json {
        let request = Request::new(document).variables(Variables::from_json(variables));
        serde_json::to_value(self.schema.execute(request).await).unwrap()
    }

    /// The data as it is written.
    pub(super) async fn text(&self, document: &str) -> String {
        let response = self.schema.execute(document).await;
        assert!(response.is_ok(), "{document}: {:?}", response.errors);
        serde_json::to_string(&response.data).unwrap()
    }

    pub(super) async fn data(&self, document: &str, variables: Json) -> Json {
        let response = self.run(document, variables).await;
        assert_eq!(response.get("errors"), None, "{document}: {response}");
        response["data"].clone()
    }
}
