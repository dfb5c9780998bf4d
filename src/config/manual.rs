//! Man pages and shell completions, for packages. Both are made from the definition of the command line, so they name every setting.

use clap::{CommandFactory, error::ErrorKind};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;

/// The script with which a shell completes commands and flags.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "daybook", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The man page of `daybook`, or of one of its commands, as roff.
///
/// # Errors
/// If there is no such command.
pub(super) fn page(of: Option<&str>) -> Result<String, clap::Error> {
    // The page of `help` would be empty.
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let command = match of {
        None => root,
        Some(name) => match root.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                let problem = format!("there is no command '{name}', so it has no page");
                return Err(root.error(ErrorKind::InvalidValue, problem));
            }
        },
    };
    let mut page = Vec::new();
    Man::new(command)
        .source(concat!("daybook ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
