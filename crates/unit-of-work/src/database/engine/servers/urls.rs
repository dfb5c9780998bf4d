//! A URL that names several servers: `postgres://USER:PASSWORD@ONE,OTHER:5433/NAME`, as libpq reads it.

use crate::{ConnectError, database::connect::invalid_url};

/// The URL of each server that a URL names. Everything but host and port is the same for all of them.
///
/// # Errors
/// [`ConnectError::InvalidUrl`] for a server without a name.
pub(in super::super) fn each_server(url: &str) -> Result<Vec<String>, ConnectError> {
    let Some((before, hosts, after)) = split(url).filter(|(_, hosts, _)| hosts.contains(','))
    else {
        return Ok(vec![url.to_owned()]);
    };
    hosts
        .split(',')
        .map(|host| {
            if host.is_empty() {
                let problem = "a server has no name: there is a `,` too many";
                return Err(invalid_url(sqlx::Error::Configuration(problem.into())));
            }
            Ok(format!("{before}{host}{after}"))
        })
        .collect()
}

/// What stands before the hosts, the hosts, and what stands after them.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let authority = url.find("://")? + "://".len();
    let end = url[authority..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |end| authority + end);
    let hosts = url[authority..end]
        .rfind('@')
        .map_or(authority, |at| authority + at + 1);
    Some((&url[..hosts], &url[hosts..end], &url[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_what_the_url_says_of_all() {
        for (url, expected) in [
            ("mariadb://ann@db/app", &["mariadb://ann@db/app"][..]),
            (
                "mariadb://ann:p,w@one,two:3307,[::1]:3308/app?sslmode=disabled",
                &[
                    "mariadb://ann:p,w@one/app?sslmode=disabled",
                    "mariadb://ann:p,w@two:3307/app?sslmode=disabled",
                    "mariadb://ann:p,w@[::1]:3308/app?sslmode=disabled",
                ],
            ),
            ("mysql://one:1,two:2", &["mysql://one:1", "mysql://two:2"]),
        ] {
            let servers = each_server(url);
            assert_eq!(
                servers.ok().as_deref(),
                Some(expected)
                    .map(|it| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
                    .as_deref(),
                "{url}"
            );
        }
    }
}
