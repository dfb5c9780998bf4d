//! The targets.

mod config;
mod document;
mod exchange;
mod files;
mod http;
mod operation;
mod socket;
mod token;
mod values;
mod variables;
mod wire;

/// Something that reads bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Gives it the bytes. Panics where it does what it must not.
    pub run: fn(&[u8]),
    /// Whether it only computes, so that how long it takes is its own doing.
    pub is_pure: bool,
}

const fn pure(name: &'static str, run: fn(&[u8])) -> Target {
    Target {
        name,
        run,
        is_pure: true,
    }
}

const fn stateful(name: &'static str, run: fn(&[u8])) -> Target {
    Target {
        name,
        run,
        is_pure: false,
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    pure("document", document::run),
    pure("survey", exchange::survey_only),
    pure("files", files::run),
    pure("values", values::run),
    pure("config", config::run),
    stateful("operation", operation::run),
    stateful("variables", variables::on_sqlite),
    stateful("variables-postgres", variables::on_postgres),
    stateful("http", http::run),
    stateful("token", token::run),
    stateful("socket", socket::run),
    stateful("wire", wire::run),
    stateful("journal", exchange::journal),
    stateful("csv", exchange::csv),
];
