//! The current keys, and their renewal.
//!
//! The server gets the keys from their source when it starts, from time to time, and when a token names a key that is not known. For
//! unknown keys it asks at most once in [`AGAIN`], however many tokens name them. Tokens wait for the answer for at most [`WAIT`] from its
//! beginning; later ones are verified with the known keys. So a source that hangs costs a client at most a second, and a client that
//! invents names of keys costs the source next to nothing. If the source fails, the old keys stay.
//!
//! Why not jwks_client_rs or jwt-authorizer: each brings an HTTP client of its own (reqwest), and neither reads files. The first (0.6) asks
//! the source for every token that names an unknown key; the second (0.15) needs jsonwebtoken 9.

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

/// After a look for an unknown key, the source is not asked for another one for this long.
const AGAIN: Duration = Duration::from_secs(30);

/// How long tokens wait for a look, from its beginning.
const WAIT: Duration = Duration::from_secs(1);

/// How long a source may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The most bytes of a key set. The largest known ones, with certificates in them, have a tenth of it.
const LARGEST_SET: usize = 256 * 1024;

/// Where the keys come from.
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
    /// A file with a secret (HS256). A line end after it is not part of it.
    Secret(PathBuf),
    /// A file with a JSON Web Key Set.
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
    /// The URL cannot be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The source does not hold keys.
    #[error("it is not {0}")]
    NoKeys(&'static str),
}

impl KeyFile {
    /// Reads the file. Blocks the thread meanwhile.
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
    // Bytes that are not text are replaced by characters that no key set has.
    Keys::from_jwks(&String::from_utf8_lossy(text)).map_err(KeyError::NoKeys)
}

/// A source, with the client for it.
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
    /// Held while the source is asked, so that it is asked one question at a time.
    asking: Mutex<()>,
    /// The last look for a key that a token named.
    last: StdMutex<Option<Look>>,
}

/// A look for an unknown key.
#[derive(Clone)]
struct Look {
    began: Instant,
    /// Closed when the look is over.
    over: watch::Receiver<()>,
}

impl KeyRing {
    /// Keys that never change.
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

    /// Looks for a key that is not known, and returns whether it is known now.
    pub(super) async fn look_for(self: &Arc<Self>, id: &str) -> bool {
        if self.source.is_none() || self.now().knows(id) {
            return false;
        }
        let mut look = self.look();
        // The channel never sends: it is closed when the look is over.
        let _ = timeout_at(look.began + WAIT, look.over.changed()).await;
        self.now().knows(id)
    }

    /// The last look, or a new one if that is long ago.
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
        // A task of its own, since other clients wait for it too: it goes on if the client that began it goes away.
        tokio::spawn(async move {
            if let Err(error) = ring.reload().await {
                tracing::warn!(%error, "the keys cannot be renewed: those before stay");
            }
            drop(end);
        });
        look
    }
}
