//! A schema that has everything, and how a document fares on it.

use std::sync::LazyLock;

use async_graphql::{Request, Value, Variables};
use graphql_operation::{Limits, Options, PreparedOperation, Preparer, Refused, Scalars, Schema};

pub(super) const SDL: &str = r#"
scalar Even
scalar Any
directive @field(a: Int) on FIELD
directive @many(a: Int) repeatable on FIELD | QUERY
directive @operation on QUERY | MUTATION | SUBSCRIPTION
directive @fragment on FRAGMENT_DEFINITION | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @variable(a: Int! = 3) on VARIABLE_DEFINITION
directive @needs(a: Int!) on FIELD

enum Command { SIT, HEEL, DOWN }

interface Node { id: ID! }
interface Being implements Node { id: ID! name(surname: Boolean): String }
interface Pet implements Being & Node { id: ID! name(surname: Boolean): String owner: Human }

type Dog implements Pet & Being & Node {
  id: ID! name(surname: Boolean): String owner: Human nickname: String
  barks: Boolean volume: Int! knows(command: Command): Boolean friend(first: Int): Dog
}
type Cat implements Pet & Being & Node {
  id: ID! name(surname: Boolean): String owner: Human nickname: String
  meows: Boolean volume: Int furColor: String friend(first: Int): Cat
}
type Human implements Being & Node { id: ID! name(surname: Boolean): String pets: [Pet] relatives: [Human]! iq: Int }
type Stone { weight: Float tags: [String!]! }
union CatOrDog = Cat | Dog
union Thing = Dog | Human | Stone

input Point { x: Int! y: Int! = 5 z: Int label: String = "p" }
input Deep { point: Point! points: [Point!] grid: [[Int]] next: Deep even: Even any: Any command: Command = SIT }
input Choice @oneOf { id: ID number: Int point: Point }

type Arguments {
  int(a: Int): String nonNullInt(a: Int!): String defaultInt(a: Int! = 7): String nullableDefault(a: Int = 7): String
  float(a: Float): String string(a: String): String boolean(a: Boolean): String id(a: ID): String
  command(a: Command): String even(a: Even): String any(a: Any): String
  ints(a: [Int]): String nonNullInts(a: [Int!]!): String grid(a: [[Int!]]): String ids(a: [ID!]!): String
  point(a: Point): String deep(a: Deep): String choice(a: Choice!): String choices(a: [Choice!]): String
  two(a: Int!, b: Int!): String twoDefaults(a: Int! = 1, b: Int! = 2): String
}
type Connection { edges: [Edge!]! nodes: [Node] pageInfo: String totalCount: Int }
type Edge { node: Human! cursor: String }

type Query {
  dog: Dog cat: Cat pet: Pet being: Being node(id: ID): Node human(id: ID): Human catOrDog: CatOrDog thing: Thing stone: Stone
  arguments: Arguments! humans(first: Int, last: Int, after: String): Connection!
  page(first: Int = 30): Connection nodes(ids: [ID!]!): [Node] matrix: [[Int]] beings: [Being!]!
}
type Mutation { post(point: Point!): Human remove(id: ID!): Boolean }
type Subscription { posted(id: ID): Human removed: Boolean }
"#;

pub(super) fn options() -> Options {
    let scalars = Scalars::new().check("Even", |value| match value {
        Value::Number(number) if number.as_i64().is_some_and(|number| number % 2 == 0) => Ok(()),
        other => Err(format!("{other} is not even")),
    });
    Options::default().scalars(scalars)
}

pub(super) fn preparer(options: Options) -> Preparer {
    Preparer::new(Schema::parse(SDL).unwrap(), options)
}

pub(super) static PREPARER: LazyLock<Preparer> =
    LazyLock::new(|| preparer(options().limits(Limits::none())));

pub(super) fn prepare(
    document: &str,
    variables: serde_json::Value,
) -> Result<(PreparedOperation, Variables), Refused> {
    let mut request = Request::new(document).variables(Variables::from_json(variables));
    let prepared = PREPARER.prepare(&mut request)?;
    Ok((prepared, request.variables))
}

/// The messages of what is wrong; empty where nothing is.
pub(super) fn wrong(document: &str) -> Vec<String> {
    match prepare(document, serde_json::json!({})) {
        Ok(_) => Vec::new(),
        Err(refused) if refused.stage().code() == "OPERATION_RESOLUTION_FAILURE" => Vec::new(),
        Err(refused) => refused
            .errors()
            .iter()
            .filter(|error| {
                !error.message.contains("was not provided.")
                    || !error.message.starts_with("Variable")
            })
            .map(|error| error.message.clone())
            .collect(),
    }
}
