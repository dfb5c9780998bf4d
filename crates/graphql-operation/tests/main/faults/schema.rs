//! The schema of the examples.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
};

use async_graphql::{
    Context, ContextDirective, CustomDirective, CustomDirectiveFactory, Enum, Error, ID,
    InputObject, InputValueError, InputValueResult, Interface, Object, OneofObject, Result, Scalar,
    ScalarType, ServerResult, SimpleObject, Subscription, Union, Value,
    futures_util::{Stream, stream},
    indexmap::IndexMap,
    parser::types::Directive,
    registry::{__DirectiveLocation, MetaDirective, Registry},
};

/// The names of the fields that were executed, in order.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Vec<&'static str>>>);

impl Calls {
    fn add(ctx: &Context<'_>, field: &'static str) {
        ctx.data_unchecked::<Self>().0.lock().unwrap().push(field);
    }

    pub(super) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// In the data of a request whose fields are to fail.
pub(super) struct Fails;

fn failure<T>(ctx: &Context<'_>, value: T) -> Result<T> {
    if ctx.data_opt::<Fails>().is_some() {
        return Err(Error::new("it fails"));
    }
    Ok(value)
}

pub(super) struct Dog;

#[Object]
impl Dog {
    async fn id(&self) -> ID {
        "d".into()
    }

    async fn name(&self, ctx: &Context<'_>) -> Result<String> {
        failure(ctx, "Rex".to_owned())
    }
}

pub(super) struct Cat;

#[Object]
impl Cat {
    async fn id(&self) -> ID {
        "c".into()
    }

    async fn name(&self, ctx: &Context<'_>) -> Result<String> {
        failure(ctx, "Tom".to_owned())
    }
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"), field(name = "name", ty = "String"))]
pub(super) enum Pet {
    Dog(Dog),
    Cat(Cat),
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub(super) enum Node {
    Dog(Dog),
    Cat(Cat),
}

#[derive(Union)]
pub(super) enum Beast {
    Dog(Dog),
    Cat(Cat),
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

#[derive(InputObject)]
pub(super) struct Line {
    amount: i32,
}

#[derive(OneofObject)]
pub(super) enum Ref {
    Id(ID),
    Code(String),
}

/// A whole number of cents, as a text.
#[derive(Clone, Copy)]
pub(super) struct Money(i32);

#[Scalar]
impl ScalarType for Money {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(text.parse()?)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

pub(super) struct Query;

#[Object]
impl Query {
    async fn number(&self, ctx: &Context<'_>, #[graphql(default = 7)] n: i32) -> i32 {
        Calls::add(ctx, "number");
        n
    }

    async fn echo(&self, text: String) -> String {
        text
    }

    async fn ratio(&self, of: f64) -> String {
        of.to_string()
    }

    async fn pets(&self) -> Vec<Pet> {
        vec![Dog.into(), Cat.into()]
    }

    async fn nodes(&self) -> Vec<Node> {
        vec![Dog.into()]
    }

    async fn beasts(&self) -> Vec<Beast> {
        vec![Dog.into(), Cat.into()]
    }

    async fn ids(&self, ids: Vec<ID>) -> usize {
        ids.len()
    }

    async fn holes(&self, ids: Vec<Option<ID>>) -> usize {
        ids.len()
    }

    async fn list(&self, ids: Option<Vec<ID>>) -> usize {
        ids.map_or(0, |ids| ids.len())
    }

    async fn by(&self, r#ref: Ref) -> usize {
        match r#ref {
            Ref::Id(id) => id.len(),
            Ref::Code(code) => code.len(),
        }
    }

    async fn side(&self, side: Side) -> i32 {
        if side == Side::Left { -1 } else { 1 }
    }

    async fn pay(&self, money: Money) -> i32 {
        money.0
    }

    async fn maybe(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        failure(ctx, None)
    }

    async fn dogs(&self) -> Vec<Dog> {
        vec![Dog, Dog]
    }

    async fn pet(&self) -> Pet {
        Dog.into()
    }

    async fn many(&self) -> Vec<Dog> {
        (0..100_000).map(|_| Dog).collect()
    }

    async fn inner(&self) -> Query {
        Query
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn add(&self, ctx: &Context<'_>, by: i32) -> Added {
        Calls::add(ctx, "add");
        Added { one: by, two: by }
    }

    async fn post(&self, ctx: &Context<'_>, line: Line) -> i32 {
        Calls::add(ctx, "post");
        line.amount
    }

    async fn maybe(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Calls::add(ctx, "maybe");
        failure(ctx, None)
    }
}

#[derive(SimpleObject)]
pub(super) struct Added {
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

/// Says what the derived code has no word for: that `Pet` implements `Node`, and that variables may be `@marked`.
pub(super) struct Implements;

impl CustomDirective for Implements {}

impl CustomDirectiveFactory for Implements {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("implements")
    }

    fn register(&self, registry: &mut Registry) {
        registry.add_implements("Pet", "Node");
        registry.add_directive(MetaDirective {
            name: "marked".to_owned(),
            description: None,
            locations: vec![__DirectiveLocation::VARIABLE_DEFINITION],
            args: IndexMap::new(),
            is_repeatable: false,
            visible: None,
            composable: None,
        });
    }

    fn create(
        &self,
        _: &ContextDirective<'_>,
        _: &Directive,
    ) -> ServerResult<Box<dyn CustomDirective>> {
        Ok(Box::new(Self))
    }
}
