#![doc = include_str!("../README.md")]
//!
//! # Layout
//!
//! For those who change the crate: read `prepare` first, which calls the other modules in order.
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
//! | a document that was sent by its hash is found | `persisted` |
//! | the prepared operation travels with its request | `prepared_operation` |
//! | a schema executes it; an error nulls what the specification says, and the answer has a bound | `extension`, `preparing`, `answering`, `json_size` |
//! | lists that are longer than usual are counted too | `answer_count` |

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
mod options;
mod parser;
mod persisted;
mod prepare;
mod prepared_operation;
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
pub use options::Options;
pub use prepare::Preparer;
pub use prepared_operation::PreparedOperation;
pub use preparing::Preparing;
pub use scalars::Scalars;
pub use schema::{Schema, SchemaError};
pub use tokens::NESTING;
pub use validate::MOST_LEVELS;
