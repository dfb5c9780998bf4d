//! Which ledger a command is about: that of a server, or that of a database.

use std::{
    env::{self, VarError},
    path::PathBuf,
};

use axum::http::{HeaderValue, Uri, uri::PathAndQuery};
use clap::{ArgMatches, parser::ValueSource};

use super::settings::{Place, Secret, ServerPlace};
use crate::config::{args::PlaceArgs, database_url::DatabaseUrl, value, wrong::Reader};

/// The variable that holds a token. There is no flag for it, since everyone on a machine can read the arguments of its processes.
const TOKEN: &str = "DAYBOOK_TOKEN";

/// Where servers have their API.
const PATH: &str = "/graphql";

/// Reads which ledger is meant. A flag wins over a variable. If both a server and a database are named in the same way, neither is taken:
/// the wrong one of two ledgers could be written to.
pub(super) fn place(
    args: &PlaceArgs,
    matches: &ArgMatches,
    values: &mut Reader<'_>,
) -> Option<Place> {
    let source = |id| matches.value_source(id);
    let server = args.server.as_deref().filter(|url| !url.is_empty());
    let Some(server) = server else {
        let (id, url) = ("database", &args.database.database);
        return values
            .read_secret(id, url, DatabaseUrl::parse)
            .map(Place::Database);
    };
    match (source("server"), source("database")) {
        (Some(by), Some(other)) if by == other => {
            values.refuse("server", "to stand alone, without a database");
            None
        }
        (_, Some(ValueSource::CommandLine)) => {
            let (id, url) = ("database", &args.database.database);
            values
                .read_secret(id, url, DatabaseUrl::parse)
                .map(Place::Database)
        }
        _ => server_place(args, server, matches, values).map(Place::Server),
    }
}

fn server_place(
    args: &PlaceArgs,
    server: &str,
    matches: &ArgMatches,
    values: &mut Reader<'_>,
) -> Option<ServerPlace> {
    let url = values.read_secret("server", server, api);
    let authorization = token(args, matches, values);
    let (url, authorization) = (url?, authorization?);
    let is_private = url.scheme_str() == Some("https")
        || value::is_loopback_host(url.host().unwrap_or_default());
    if authorization.is_some() && !is_private && !args.plain_http {
        values.refuse(
            "server",
            "a URL that begins with https://, since a token is shown to it: everyone on the way could read the token \
             (--plain-http allows that)",
        );
        return None;
    }
    let token_file = authorization.as_ref().and(args.token_file.as_ref());
    Some(ServerPlace {
        url,
        token_file: token_file
            .filter(|file| !file.is_empty())
            .map(PathBuf::from),
        authorization,
    })
}

/// The URL of a server's API.
fn api(text: &str) -> Result<Uri, String> {
    let expected = || {
        "a URL that begins with https:// or http:// and names no user, such as https://ledger.example"
            .to_owned()
    };
    let url = value::http_url(text).map_err(|_| expected())?;
    if url.query().is_some() || text.contains('#') {
        return Err(expected());
    }
    if url.path() != "/" {
        return Ok(url);
    }
    let mut parts = url.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(PATH));
    Uri::from_parts(parts).map_err(|_| expected())
}

/// The header that shows the token; `Some(None)` without one.
fn token(
    args: &PlaceArgs,
    matches: &ArgMatches,
    values: &mut Reader<'_>,
) -> Option<Option<Secret>> {
    let variable = match env::var(TOKEN) {
        Ok(token) => Some(token).filter(|token| !token.is_empty()),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => Some("\0".to_owned()),
    };
    let file = args.token_file.as_deref().filter(|file| !file.is_empty());
    let by_flag = matches.value_source("token_file") == Some(ValueSource::CommandLine);
    match (file, variable) {
        (None, None) => Some(None),
        (None, Some(token)) => {
            let header = header(&token);
            if header.is_none() {
                values.refuse_variable(TOKEN, EXPECTED);
            }
            header.map(Some)
        }
        (Some(_), Some(_)) if !by_flag => {
            values.refuse_variable(TOKEN, "to stand alone, without DAYBOOK_TOKEN_FILE");
            None
        }
        (Some(file), _) => values
            .read("token_file", file, |file| {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("a file that can be read ({error})"))?;
                header(text.trim()).ok_or_else(|| format!("the name of a file with {EXPECTED}"))
            })
            .map(Some),
    }
}

const EXPECTED: &str = "a token: visible ASCII characters without spaces, such as a JSON Web Token";

fn header(token: &str) -> Option<Secret> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(Secret(header))
}

#[cfg(test)]
mod tests {
    use super::api;

    #[test]
    fn a_server_s_url_leads_to_its_api() {
        for (text, url) in [
            ("https://ledger.example", "https://ledger.example/graphql"),
            ("https://ledger.example/", "https://ledger.example/graphql"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/graphql"),
            ("http://[::1]:8000/graphql", "http://[::1]:8000/graphql"),
            (
                "https://example/books/graphql",
                "https://example/books/graphql",
            ),
        ] {
            assert_eq!(api(text).unwrap().to_string(), url);
        }
        for wrong in [
            "",
            "ledger.example",
            "localhost:8000",
            "ftp://ledger.example",
            "https://ann:hunter2@ledger.example",
            "https://ledger.example?x=1",
            "https://",
            "postgres://ledger.example/x",
        ] {
            let problem = api(wrong).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
