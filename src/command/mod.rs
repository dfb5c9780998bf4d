//! The commands of `daybook`, one per file. `config` reads their arguments.
//!
//! Each command is a function from its settings to a result. Read `serve` first: it is the server.

mod check_schema;
mod files;
mod migrate;
mod print;
pub mod schema_check;
pub mod serve;
mod terminal;
mod verify;
mod whole_file;

pub use self::{
    check_schema::check_schema,
    files::{export, import},
    migrate::migrate,
    print::print,
    serve::serve,
    terminal::terminal,
    verify::verify,
};
