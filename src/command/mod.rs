//! What the commands of `daybook` do, a file each. `config` says how they are called.
//!
//! Each is a function from its settings to an outcome. `serve` is the one that stays; read it first.

mod check_schema;
mod files;
mod migrate;
mod print;
pub mod schema_check;
pub mod serve;
mod verify;

pub use self::{
    check_schema::check_schema,
    files::{export, import},
    migrate::migrate,
    print::print,
    serve::serve,
    verify::verify,
};
