//! Writes the public face of a crate as text, an item a line: `daybook-public-api TARGET/doc/NAME.json`. `.ci/public-api` makes the JSON,
//! and compares the text with `crates/NAME/public-api.txt`.
//!
//! Traits that the compiler or a blanket implementation gives are left out: they are not what a change is looked at for.

use std::{env, error::Error, io::Write, process::ExitCode};

fn main() -> ExitCode {
    match write(env::args().nth(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(json: Option<String>) -> Result<(), Box<dyn Error>> {
    let json = json.ok_or("which file of rustdoc's JSON?")?;
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    let mut out = std::io::stdout().lock();
    for item in api.items() {
        writeln!(out, "{item}")?;
    }
    Ok(())
}
