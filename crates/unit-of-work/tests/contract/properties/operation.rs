//! Operations as trees of fields, each with the steps of its resolver, and how to make them up.

use proptest::{collection::vec, prelude::*};

/// One GraphQL operation.
#[derive(Clone, Debug)]
pub struct Operation {
    pub kind: Kind,
    /// The root fields: one after another in a mutation, all at once in a query.
    pub fields: Vec<Field>,
    pub client: Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Query,
    Mutation,
}

/// Whether the client waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Stays,
    /// It goes when the operation has been polled this often and has not answered.
    GoesAfter(usize),
    /// It goes when the last resolver has ended, before the answer.
    GoesAtTheEnd,
}

/// A field: its resolver takes the steps in order, and then its sub-fields run all at once.
#[derive(Clone, Debug)]
pub struct Field {
    /// Unique in the operation.
    pub id: usize,
    pub nullable: bool,
    pub steps: Vec<Step>,
    pub fields: Vec<Self>,
}

/// What can be done inside a savepoint; as [`Step`], on the savepoint.
#[derive(Clone, Debug)]
pub enum Inside {
    Insert,
    Read,
    Yield,
    Effect,
    Fail,
    Panic,
    Swallow,
    Abandon,
    /// Uses the unit, which is refused there.
    Unit,
    Savepoint(Vec<Self>),
}

/// What a resolver can do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Inserts a row of its own, and reports an error.
    Insert,
    /// Counts the rows, and reports an error.
    Read,
    /// Lets the others run.
    Yield,
    /// Registers an effect.
    Effect,
    /// Lets a clone of the handle out of the operation.
    Escape,
    /// Answers with an error.
    Fail,
    /// Panics.
    Panic,
    /// Inserts what is there already, and hides the error.
    Swallow,
    /// Polls a statement once, and drops it.
    Abandon,
    /// Takes steps on a savepoint, and hides that it failed.
    Savepoint(Vec<Inside>),
    /// Takes these steps in a task, waits for it, and reports its error or panic.
    Spawn(Vec<Self>),
}

impl Operation {
    fn new(kind: Kind, mut fields: Vec<Field>, client: Client) -> Self {
        fn number(fields: &mut [Field], next: &mut usize) {
            for field in fields {
                field.id = *next;
                *next += 1;
                number(&mut field.fields, next);
            }
        }
        number(&mut fields, &mut 0);
        Self {
            kind,
            fields,
            client,
        }
    }

    /// All fields, in the order of their ids.
    pub fn all_fields(&self) -> Vec<&Field> {
        fn add<'a>(fields: &'a [Field], all: &mut Vec<&'a Field>) {
            for field in fields {
                all.push(field);
                add(&field.fields, all);
            }
        }
        let mut all = Vec::new();
        add(&self.fields, &mut all);
        all
    }

    /// The operation in GraphQL's own words.
    pub fn document(&self) -> String {
        let kind = match self.kind {
            Kind::Query => "query",
            Kind::Mutation => "mutation",
        };
        let fields: String = self.fields.iter().map(Field::document).collect();
        format!("{kind} {{{fields} }}")
    }
}

impl Field {
    fn document(&self) -> String {
        let id = self.id;
        let name = if self.nullable { "maybe" } else { "must" };
        let fields: String = self.fields.iter().map(Self::document).collect();
        format!(" f{id}: {name}(id: {id}) {{ __typename{fields} }}")
    }
}

/// Operations of every kind. What ends one is rare enough that many a tree is done before it happens.
pub fn operations() -> impl Strategy<Value = Operation> {
    let kind = prop_oneof![3 => Just(Kind::Mutation), 1 => Just(Kind::Query)];
    let client = prop_oneof![
        6 => Just(Client::Stays),
        1 => (1..20_usize).prop_map(Client::GoesAfter),
        1 => Just(Client::GoesAtTheEnd),
    ];
    // In the order in which a failure is made smaller.
    (client, kind, vec(field(), 1..4))
        .prop_map(|(client, kind, fields)| Operation::new(kind, fields, client))
}

fn field() -> impl Strategy<Value = Field> {
    let leaf = (any::<bool>(), vec(step(), 0..4)).prop_map(|(nullable, steps)| Field {
        id: 0,
        nullable,
        steps,
        fields: Vec::new(),
    });
    leaf.clone().prop_recursive(3, 8, 3, move |inner| {
        (leaf.clone(), vec(inner, 0..4)).prop_map(|(field, fields)| Field { fields, ..field })
    })
}

fn step() -> impl Strategy<Value = Step> + Clone {
    let simple = prop_oneof![
        30 => Just(Step::Insert),
        15 => Just(Step::Read),
        12 => Just(Step::Yield),
        10 => Just(Step::Effect),
        3 => Just(Step::Escape),
        2 => Just(Step::Fail),
        1 => Just(Step::Panic),
        2 => Just(Step::Swallow),
        2 => Just(Step::Abandon),
    ];
    let simple = prop_oneof![9 => simple, 1 => vec(inside(), 0..4).prop_map(Step::Savepoint)];
    simple.prop_recursive(
        2,
        6,
        3,
        |inner| prop_oneof![9 => inner.clone(), 1 => vec(inner, 0..4).prop_map(Step::Spawn)],
    )
}

fn inside() -> impl Strategy<Value = Inside> + Clone {
    let simple = prop_oneof![
        30 => Just(Inside::Insert),
        10 => Just(Inside::Read),
        6 => Just(Inside::Yield),
        8 => Just(Inside::Effect),
        4 => Just(Inside::Fail),
        1 => Just(Inside::Panic),
        3 => Just(Inside::Swallow),
        2 => Just(Inside::Abandon),
        2 => Just(Inside::Unit),
    ];
    simple.prop_recursive(
        2,
        6,
        3,
        |inner| prop_oneof![6 => inner.clone(), 1 => vec(inner, 0..4).prop_map(Inside::Savepoint)],
    )
}
