//! PostgreSQL's processes by what they do.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{
    process::{self, Process},
    servers::Servers,
};

/// What one of PostgreSQL's processes does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves a connection.
    Backend,
    /// Writes the log ahead.
    WalWriter,
    /// Sends the log to a standby.
    WalSender,
}

impl Role {
    fn is_of(self, title: &str) -> bool {
        // `postgres: postgres daybook 127.0.0.1(40000) idle`, `postgres: walwriter`
        match self {
            Self::Backend => {
                title.starts_with("postgres: ")
                    && title.contains(" 127.0.0.1(")
                    && !Self::WalSender.is_of(title)
            }
            Self::WalWriter => title.starts_with("postgres: walwriter"),
            Self::WalSender => title.starts_with("postgres: walsender"),
        }
    }
}

impl Servers {
    /// The processes of one role, of the primary and of no other server.
    ///
    /// # Errors
    /// When the server is not there.
    pub async fn processes(&self, role: Role) -> Result<Vec<Process>> {
        let postmaster = self.postmaster().await?;
        let children = process::children_of(postmaster)?.into_iter();
        let of_role = children.filter(|id| {
            let title = process::title_of(*id);
            title.is_some_and(|title| role.is_of(&title))
        });
        // One that has ended meanwhile is none.
        Ok(of_role
            .filter_map(|id| Process::child(id, postmaster).ok())
            .collect())
    }

    /// The process that all of PostgreSQL's are children of, as its own folder says.
    async fn postmaster(&self) -> Result<u32> {
        let primary = self.roles().primary;
        let data: String = self.ask(primary, "SHOW data_directory").await?;
        let file = fs::read_to_string(PathBuf::from(&data).join("postmaster.pid"))?;
        let id = file.lines().next().context("an empty file")?.parse()?;
        let title = process::title_of(id).unwrap_or_default();
        ensure!(title.contains(&data), "{id} is `{title}`");
        Ok(id)
    }
}
