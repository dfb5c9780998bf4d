//! What lists of servers have in common, for the engines with a network: how a URL names several, how one is found that can be used, and
//! the look at all of them when the database is connected to.

mod at_start;
mod first;
mod urls;

#[cfg(feature = "mariadb")]
pub(super) use self::first::HEAD_START;
pub(super) use self::{
    at_start::check_all,
    first::{first, none},
    urls::each_server,
};

use crate::ConnectError;

/// Checks the names of the servers of a list. `example` is how a URL names several.
///
/// # Errors
/// [`ConnectError::Refused`] for an empty list, a server that is in it twice, and a name that is a list itself.
pub(super) fn check_names(names: &[String], example: &str) -> Result<(), ConnectError> {
    let refused = |problem| Err(ConnectError::Refused { problem });
    if names.is_empty() {
        return refused("no server is named".to_owned());
    }
    for (at, name) in names.iter().enumerate() {
        if name.contains(',') {
            return refused(format!(
                "`{name}` is not the name of a server: several are written `{example}`"
            ));
        }
        if names[..at].contains(name) {
            return refused(format!("the server {name} is in the list twice"));
        }
    }
    Ok(())
}
