//! A database file in a folder of its own, and what it has in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use daybook_test_harness::{Engine, Observer};

/// A database in a folder of its own.
pub(in crate::baddays) struct Place {
    _folder: tempfile::TempDir,
    pub(in crate::baddays) path: PathBuf,
}

impl Place {
    pub(in crate::baddays) fn new() -> Self {
        let folder = tempfile::TempDir::with_prefix("daybook-bad-day.").unwrap();
        // A folder in it, that can be moved, and mounted on.
        let inner = folder.path().join("data");
        fs::create_dir(&inner).unwrap();
        Self {
            path: inner.join("x.db"),
            _folder: folder,
        }
    }

    pub(in crate::baddays) fn folder(&self) -> &Path {
        self.path.parent().unwrap()
    }

    pub(in crate::baddays) fn url(&self) -> String {
        url(&self.path)
    }

    pub(in crate::baddays) fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(ending);
        path.into()
    }
}

pub(in crate::baddays) fn url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

/// How many entries a file has, as somebody else finds it.
pub(in crate::baddays) async fn entries(path: &Path) -> i64 {
    let url = format!("sqlite://{}", path.display());
    let observer = Observer::connect(Engine::Sqlite, &url).await;
    assert_eq!(observer.text("PRAGMA integrity_check").await, "ok");
    observer.i64("SELECT count(*) FROM entry").await
}
