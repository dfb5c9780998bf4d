//! Collects all settings with a wrong value.

use std::fmt::{self, Display, Formatter};

use clap::{ArgMatches, parser::ValueSource};

/// One setting that has a wrong value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSetting {
    /// Where the value comes from: `--listen`, or the name of an environment variable.
    pub name: String,
    /// The value; `None` if it may be a secret.
    pub value: Option<String>,
    /// What is allowed.
    pub expected: String,
}

impl Display for WrongSetting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            value,
            expected,
        } = self;
        match value {
            Some(value) => write!(f, "{name} is {value:?}; expected {expected}"),
            None => write!(f, "{name} is wrong; expected {expected}"),
        }
    }
}

/// Every setting with a wrong value; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSettings(pub Vec<WrongSetting>);

impl Display for WrongSettings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => one.fmt(f),
            many => {
                write!(f, "{} settings are wrong", many.len())?;
                many.iter().try_for_each(|wrong| write!(f, "\n  {wrong}"))
            }
        }
    }
}

impl std::error::Error for WrongSettings {}

/// Reads values, and collects those that are wrong.
pub(super) struct Reader<'a> {
    command: &'a clap::Command,
    matches: &'a ArgMatches,
    wrong: Vec<WrongSetting>,
}

impl<'a> Reader<'a> {
    /// `command` knows the names of the arguments, `matches` where their values came from.
    pub(super) fn new(command: &'a clap::Command, matches: &'a ArgMatches) -> Self {
        Self {
            command,
            matches,
            wrong: Vec::new(),
        }
    }

    /// Reads the value of the argument `id`.
    pub(super) fn read<T>(
        &mut self,
        id: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.remember(id, Some(text), parse(text))
    }

    /// As [`Self::read`], for a value that no error may show.
    pub(super) fn read_secret<T>(
        &mut self,
        id: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.remember(id, None, parse(text))
    }

    /// Notes a setting that makes no sense together with the others.
    pub(super) fn refuse(&mut self, id: &str, expected: &str) {
        let name = self.name(id);
        self.wrong.push(WrongSetting {
            name,
            value: None,
            expected: expected.to_owned(),
        });
    }

    /// As [`Self::refuse`], for a variable without a flag.
    pub(super) fn refuse_variable(&mut self, name: &str, expected: &str) {
        self.wrong.push(WrongSetting {
            name: name.to_owned(),
            value: None,
            expected: expected.to_owned(),
        });
    }

    fn remember<T>(
        &mut self,
        id: &str,
        shown: Option<&str>,
        outcome: Result<T, String>,
    ) -> Option<T> {
        outcome
            .map_err(|expected| {
                let name = self.name(id);
                self.wrong.push(WrongSetting {
                    name,
                    value: shown.map(str::to_owned),
                    expected,
                });
            })
            .ok()
    }

    fn name(&self, id: &str) -> String {
        let argument = self.command.get_arguments().find(|arg| arg.get_id() == id);
        let variable = argument
            .and_then(clap::Arg::get_env)
            .filter(|_| self.matches.value_source(id) == Some(ValueSource::EnvVariable));
        match (variable, argument.and_then(clap::Arg::get_long)) {
            (Some(variable), _) => variable.to_string_lossy().into_owned(),
            (None, Some(flag)) => format!("--{flag}"),
            (None, None) => id.to_owned(),
        }
    }

    /// The wrong settings.
    pub(super) fn wrong(self) -> WrongSettings {
        WrongSettings(self.wrong)
    }
}
