//! Scalars, enums and input objects.

use async_graphql::{
    Enum, ID, InputObject, InputValueError, InputValueResult, Json, MaybeUndefined, OneofObject,
    Scalar, ScalarType, Value,
};
use serde::Serialize;

/// Any JSON value, under a name of its own.
pub type Any = Json<serde_json::Value>;

/// From here on, JavaScript does not tell one integer from the next.
const MOST: f64 = 9_007_199_254_740_992.0;

/// An even number.
#[derive(Clone, Copy, Serialize)]
#[serde(transparent)]
pub struct Even(pub i64);

/// An even integer.
#[Scalar(specified_by_url = "https://example.com/even")]
impl ScalarType for Even {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            // JSON does not tell `2.0` from `2`.
            Value::Number(number) => match number.as_f64() {
                Some(number) if number % 2.0 == 0.0 && number.abs() < MOST => {
                    Ok(Self(number as i64))
                }
                _ => Err(InputValueError::custom("not an even number")),
            },
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        self.0.into()
    }
}

/// How it looks.
#[derive(Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Style {
    /// As it is.
    Plain,
    /// Loud.
    Bold,
    /// Out of use.
    #[graphql(deprecation = "too much")]
    Fancy,
}

/// Where.
#[derive(Clone, InputObject, Serialize)]
pub struct Point {
    /// Across.
    #[graphql(default = 0)]
    pub x: i32,
    /// Down.
    #[graphql(default_with = "Some(7)")]
    pub y: Option<i32>,
    /// In words.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub label: MaybeUndefined<String>,
    /// No longer used.
    #[graphql(deprecation = "use label")]
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub old: MaybeUndefined<i32>,
}

impl Point {
    /// What is written as a default in the schema.
    pub fn at(x: i32) -> Self {
        Self {
            x,
            y: Some(2),
            label: MaybeUndefined::Null,
            old: MaybeUndefined::Null,
        }
    }
}

/// One way to say where.
#[derive(Clone, OneofObject, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Spot {
    /// By its id.
    Id(ID),
    /// By two numbers.
    Pair(Vec<i32>),
    /// By a point.
    At(Point),
    /// By its look.
    Style(Style),
    /// By another.
    #[graphql(name = "spot")]
    #[serde(rename = "spot")]
    Another(Box<Spot>),
}

/// Everything that an input object can have.
#[derive(Clone, InputObject, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// A list.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub words: MaybeUndefined<Vec<String>>,
    /// A list of lists, with a default.
    #[graphql(default_with = "vec![vec![1], vec![2, 3]]")]
    pub grid: Vec<Vec<i32>>,
    /// An input object with a default.
    #[graphql(default_with = "Some(Point::at(1))")]
    pub point: Option<Point>,
    /// An enum with a default.
    #[graphql(default_with = "Style::Plain")]
    pub style: Style,
    /// Enums that can be null.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub styles: MaybeUndefined<Vec<Option<Style>>>,
    /// A custom scalar.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub even: MaybeUndefined<Even>,
    /// A custom scalar that takes everything.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub any: MaybeUndefined<Any>,
    /// One of.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub spots: MaybeUndefined<Vec<Spot>>,
    /// Itself.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub nested: MaybeUndefined<Box<Filter>>,
    /// A number with a fraction.
    #[graphql(default_with = "Some(0.5)")]
    pub min: Option<f64>,
    /// Required.
    pub flag: bool,
    /// An id.
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    pub id: MaybeUndefined<ID>,
}
