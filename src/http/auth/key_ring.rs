//! The keys as they are now, and where newer ones come from.
//!
//! Keys are got when the server starts, then again from time to time, and when a token names a key that is not known: then
//! at most once in [`AGAIN`], however many tokens name however many keys. Tokens wait for that look for at most [`WAIT`] from its
//! beginning; later ones are answered by the keys that are known. So a source that hangs costs a client at most a second, and
//! whoever invents names of keys costs the source next to nothing. Where the source fails, the keys that were there stay.
//!
//! Why not jwks_client_rs or jwt-authorizer: each brings an HTTP client of its own (reqwest), and they know no files. The first (0.6) asks the
//! source for every token that names an unknown key; the second (0.15) stands on jsonwebtoken 9.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use axum::http::Uri;
use tokio::{
    sync::{Mutex, watch},
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

use super::{keys::Keys, verifier};
use crate::{
    http::secret_file,
    http_client::{Client, FetchError},
};

/// How long after a look for the key of one token others are not looked for.
const AGAIN: Duration = Duration::from_secs(30);

/// How long after the beginning of a look tokens wait for what comes of it.
const WAIT: Duration = Duration::from_secs(1);

/// How long a source may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The most bytes of a key set. The largest that are known, with certificates in them, have a tenth of it.
const LARGEST_SET: usize = 256 * 1024;

/// Where keys are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeySource {
    /// In a file.
    File(KeyFile),
    /// At a URL that answers with a JSON Web Key Set.
    Url(Uri),
}

/// A file with keys.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyFile {
    /// It has a secret (HS256); a line's end after it is not part of it.
    Secret(PathBuf),
    /// It has a JSON Web Key Set.
    Set(PathBuf),
}

impl fmt::Display for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(KeyFile::Secret(path) | KeyFile::Set(path)) => path.display().fmt(formatter),
            Self::Url(url) => url.fmt(formatter),
        }
    }
}

/// Why a source has no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The URL has no good answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What is there is something else.
    #[error("it is not {0}")]
    NoKeys(&'static str),
}

impl KeyFile {
    /// Reads it. Blocks the thread for as long as that takes.
    ///
    /// # Errors
    /// [`KeyError::Read`] and [`KeyError::NoKeys`].
    pub fn read(&self) -> Result<Keys, KeyError> {
        match self {
            Self::Secret(path) => {
                Keys::from_secret(std::fs::read(path)?.trim_ascii_end()).map_err(KeyError::NoKeys)
            }
            Self::Set(path) => key_set(&std::fs::read(path)?),
        }
    }
}

fn key_set(text: &[u8]) -> Result<Keys, KeyError> {
    // What is not text has a replacement in it somewhere, and is no set.
    Keys::from_jwks(&String::from_utf8_lossy(text)).map_err(KeyError::NoKeys)
}

/// A source, with what it takes to ask it.
enum Source {
    File(KeyFile),
    Url(Box<Client>, Uri),
}

impl Source {
    async fn get(&self) -> Result<Keys, KeyError> {
        match self {
            Self::File(file) => {
                let file = file.clone();
                spawn_blocking(move || file.read())
                    .await
                    .map_err(io::Error::from)?
            }
            Self::Url(client, url) => key_set(&client.get(url, LARGEST_SET, ANSWER).await?),
        }
    }
}

pub(super) struct KeyRing {
    keys: watch::Sender<Arc<Keys>>,
    source: Option<Source>,
    /// Locked for as long as the source is being asked: one question at a time.
    asking: Mutex<()>,
    /// The last look for a key that a token named.
    last: StdMutex<Option<Look>>,
}

/// A look for a key that was not known.
#[derive(Clone)]
struct Look {
    began: Instant,
    /// Closed when the look is over.
    over: watch::Receiver<()>,
}

impl KeyRing {
    /// Keys that stay.
    pub(super) fn fixed(keys: Keys) -> Self {
        Self::new(keys, None)
    }

    pub(super) async fn of(source: KeySource) -> Result<Self, KeyError> {
        let source = match source {
            KeySource::File(file) => {
                if let KeyFile::Secret(path) = &file {
                    secret_file::warn_if_exposed(path);
                }
                Source::File(file)
            }
            KeySource::Url(url) => Source::Url(Box::new(Client::to(&url)?), url),
        };
        Ok(Self::new(source.get().await?, Some(source)))
    }

    fn new(keys: Keys, source: Option<Source>) -> Self {
        verifier::install();
        Self {
            keys: watch::Sender::new(Arc::new(keys)),
            source,
            asking: Mutex::default(),
            last: StdMutex::default(),
        }
    }

    pub(super) fn now(&self) -> Arc<Keys> {
        self.keys.borrow().clone()
    }

    pub(super) async fn reload(&self) -> Result<(), KeyError> {
        if let Some(source) = &self.source {
            let _asking = self.asking.lock().await;
            self.keys.send_replace(Arc::new(source.get().await?));
        }
        Ok(())
    }

    /// Looks for the key that a token names, and says whether it is known now that was not.
    pub(super) async fn look_for(self: &Arc<Self>, id: &str) -> bool {
        if self.source.is_none() || self.now().knows(id) {
            return false;
        }
        let mut look = self.look();
        // It never changes: only its end is waited for.
        let _ = timeout_at(look.began + WAIT, look.over.changed()).await;
        self.now().knows(id)
    }

    /// The last look, or a new one where that is long ago.
    fn look(self: &Arc<Self>) -> Look {
        // Nothing can panic while the lock is held.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(look) = &*last
            && look.began.elapsed() < AGAIN
        {
            return look.clone();
        }
        let (end, over) = watch::channel(());
        let look = Look {
            began: Instant::now(),
            over,
        };
        *last = Some(look.clone());
        let ring = self.clone();
        // A task of its own: it goes on when the client that began it goes, and others wait for it.
        tokio::spawn(async move {
            if let Err(error) = ring.reload().await {
                tracing::warn!(%error, "the keys cannot be renewed: those before stay");
            }
            drop(end);
        });
        look
    }
}
