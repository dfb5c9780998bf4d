//! Prepared GraphQL operations, for any async-graphql schema: a document does what the specification says.
//!
//! A request's document is parsed, validated by every rule, measured against limits, and normalised. Its variables are coerced to their
//! types. The results are cached by the document's text, so a known document costs one look-up.
//!
//! # Layout
//!
//! Read [`prepare`](Preparer) first: it calls the other modules in order.
//!
//! | step | module |
//! |---|---|
//! | a text that is too long or too deep is refused before it is read | `limits`, `tokens` |
//! | a document is read | `lexer`, `text`, `parser`, `ast` |
//! | it is validated against the schema | `schema`, `validate`, `scalars` |
//! | its operations are measured | `measure` |
//! | the one that runs is normalised | `normalise`, `literal`, `typed_literal` |
//! | and cached | `known` |
//! | its variables are coerced to their types | `coerce`, `built_in` |
//! | a schema executes it; an error nulls what the specification says, and the answer has a bound | `extension`, `preparing`, `answering`, `json_size` |
//! | lists that are longer than usual are counted too | `answer_count` |
//!
//! # Why a parser and validation rules of our own
//!
//! `README.md` says which libraries were tried, and why none of them is used.

mod answer_count;
mod answering;
mod ast;
mod built_in;
mod cache;
mod coerce;
mod error;
mod extension;
mod json_size;
mod known;
mod lexer;
mod limits;
mod literal;
mod measure;
mod normalise;
mod parser;
mod prepare;
mod preparing;
mod print;
mod scalars;
mod schema;
mod setters;
mod suggest;
mod text;
mod tokens;
mod typed_literal;
mod validate;

pub use answer_count::AnswerCount;
pub use answering::{ANSWER_TOO_LARGE, AnswerPart, Answering, Resolved};
pub use error::{Refused, Stage};
pub use extension::PreparedOperations;
pub use limits::Limits;
pub use measure::{Measure, Size, Sizes};
pub use prepare::{Options, PreparedOperation, Preparer};
pub use preparing::Preparing;
pub use scalars::Scalars;
pub use schema::{Schema, SchemaError};
pub use tokens::NESTING;
pub use validate::MOST_LEVELS;
