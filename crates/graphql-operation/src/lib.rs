//! Prepared GraphQL operations, for any async-graphql schema: what runs is what the specification says that the document means.
//!
//! A request's document is parsed, validated by every rule, measured against limits, and normalised; its variables become values of
//! their types. All that is known of the document is kept by its text, so a document that was sent before costs one look-up.
//!
//! # Layout
//!
//! Read [`prepare`](Preparer) first: it is the way of a request through the others.
//!
//! | step | module |
//! |---|---|
//! | a text that is too long or too deep is refused before it is read | `limits`, `tokens` |
//! | a document is read | `lexer`, `text`, `parser`, `ast` |
//! | it is held against the schema | `schema`, `validate`, `scalars` |
//! | its operations are measured | `measure` |
//! | the one that runs is normalised | `normalise`, `literal`, `typed_literal` |
//! | and kept | `known` |
//! | variables become values of their types | `coerce`, `built_in` |
//! | a schema executes it; errors end where they belong, and the answer has a bound | `extension`, `preparing`, `answering`, `written` |
//! | lists that are longer than they usually are count as well | `answer` |
//!
//! # Why a reader and rules of our own
//!
//! `README.md` has the libraries that were looked at, and why none of them is here.

mod answer;
mod answering;
mod ast;
mod built_in;
mod coerce;
mod error;
mod extension;
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
mod written;

pub use answer::AnswerCount;
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
