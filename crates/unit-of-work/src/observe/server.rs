//! Which server an operation has used, for whoever watches it.

use std::fmt;

/// One of several servers of a database, by its host and port. The URL has more, such as a password, and none of that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedServer {
    pub(crate) role: ServerRole,
    name: String,
}

/// What a server is, as it said when the connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerRole {
    Primary,
    Replica,
}

impl NamedServer {
    #[cfg(any(feature = "mariadb", feature = "postgres"))]
    pub(crate) fn new(name: String, is_standby: bool) -> Self {
        let role = if is_standby {
            ServerRole::Replica
        } else {
            ServerRole::Primary
        };
        Self { role, name }
    }
}

impl ServerRole {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Replica => "REPLICA",
        }
    }
}

/// As on a timeline: `replica db2:5432`.
impl fmt::Display for NamedServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            ServerRole::Primary => "primary",
            ServerRole::Replica => "replica",
        };
        write!(formatter, "{role} {}", self.name)
    }
}
