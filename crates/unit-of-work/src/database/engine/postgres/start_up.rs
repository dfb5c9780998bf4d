//! The start-up options that an application has given, compared with those of a session.

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::session::PostgresSession;
use crate::{Access, ConnectError};

/// Refuses options that contradict what the sessions must be. The session's own come last and would win, without a word.
///
/// # Errors
/// [`ConnectError::Refused`], and [`ConnectError::TlsMissing`].
pub(super) fn refuse_contradictions(
    options: &PgConnectOptions,
    sessions: &[&PostgresSession],
) -> Result<(), ConnectError> {
    refuse_without_tls(options.get_ssl_mode(), sqlx_core::net::tls::available())?;
    for (name, value) in settings(options.get_options().unwrap_or_default()) {
        for session in sessions {
            if let Some(asked) = contradicted(session, &name, &value) {
                let instead = instead_of(&name);
                return Err(ConnectError::Refused {
                    problem: format!(
                        "the start-up option `{name}={value}` cannot be had, because a unit of work needs `{asked}`; {instead}"
                    ),
                });
            }
        }
    }
    Ok(())
}

fn refuse_without_tls(mode: PgSslMode, is_built: bool) -> Result<(), ConnectError> {
    match mode {
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull if !is_built => {
            Err(ConnectError::TlsMissing)
        }
        _ => Ok(()),
    }
}

/// The value that a session needs instead.
fn contradicted(session: &PostgresSession, name: &str, value: &str) -> Option<String> {
    if name == "synchronous_commit" {
        let is_durable = matches!(value.to_ascii_lowercase().as_str(), "on" | "remote_apply");
        return (session.access == Access::ReadWrite && !is_durable).then(|| "on".to_owned());
    }
    session
        .expected()
        .into_iter()
        .find(|(expected, ..)| expected.eq_ignore_ascii_case(name))
        .filter(|(_, asked, _)| !asked.eq_ignore_ascii_case(value))
        .map(|(_, asked, _)| asked)
}

fn instead_of(name: &str) -> &'static str {
    match name {
        "statement_timeout" => "`DatabaseOptions::statement_timeout` sets it",
        "idle_in_transaction_session_timeout" => {
            "`DatabaseOptions::idle_in_transaction_timeout` sets it"
        }
        "default_transaction_isolation" => "`DatabaseOptions::writer_isolation` sets it",
        "default_transaction_read_only" => "`DatabaseOptions::read_only` is for that",
        _ => "leave it out",
    }
}

/// The settings in PostgreSQL's command-line form: `-c name=value`, `-cname=value` and `--name=value`, with a backslash before a space
/// that is meant.
fn settings(options: &str) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") => words.next().unwrap_or_default(),
            Some(setting) => setting.to_owned(),
            None => continue,
        };
        if let Some((name, value)) = setting.split_once('=') {
            // As PostgreSQL reads names.
            let name = name.replace('-', "_").to_ascii_lowercase();
            settings.push((name, value.to_owned()));
        }
    }
    settings
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let is_space = character.is_ascii_whitespace();
        let Some(word) = words.last_mut() else { break };
        match character {
            '\\' => word.extend(characters.next()),
            _ if is_space && word.is_empty() => {}
            _ if is_space => words.push(String::new()),
            other => word.push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_postgres_reads_them() {
        let read = settings(
            r"-c geqo=off  -cStatement-Timeout=5min --search_path=a,b -c x=a\ b\\c -d 5 -c",
        );
        let expected = [
            ("geqo", "off"),
            ("statement_timeout", "5min"),
            ("search_path", "a,b"),
            ("x", r"a b\c"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, expected);
        // As the driver writes them.
        let options = PgConnectOptions::new_without_pgpass().options([("x", r"a b\c")]);
        let written = settings(options.get_options().expect("options"));
        assert!(written.contains(&expected[3]), "{written:?}");
    }

    #[test]
    fn tls_that_was_not_built_is_refused() {
        for (mode, asks) in [
            (PgSslMode::Disable, false),
            (PgSslMode::Allow, false),
            (PgSslMode::Prefer, false),
            (PgSslMode::Require, true),
            (PgSslMode::VerifyCa, true),
            (PgSslMode::VerifyFull, true),
        ] {
            assert_eq!(refuse_without_tls(mode, false).is_err(), asks, "{mode:?}");
            assert!(refuse_without_tls(mode, true).is_ok());
        }
    }
}
