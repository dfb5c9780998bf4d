//! The server's certificate: read from two PEM files, and read again when they change.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

/// The files of a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the server's certificate first, then the intermediate ones up to a root that clients know.
    pub chain: PathBuf,
    /// PEM: the private key (PKCS#8, SEC1 or PKCS#1), without a passphrase.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. The messages say what is expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file of the certificate does not hold one.
    #[error("a PEM file with a certificate and those that lead to its root ({0})")]
    Chain(String),
    /// The file of the key does not hold one.
    #[error("a PEM file with a private key without a passphrase, in PKCS#8, SEC1 or PKCS#1 ({0})")]
    Key(String),
    /// The key does not belong to the certificate.
    #[error(
        "the private key of the certificate: this one belongs to another, so give the two that were made together"
    )]
    Pair,
}

/// A certificate, as its files were last read. Clones share it.
#[derive(Debug, Clone)]
pub struct Certificate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: CertificateFiles,
    current: watch::Sender<Current>,
}

#[derive(Debug)]
struct Current {
    pem: Pem,
    config: Arc<ServerConfig>,
}

/// The contents of the files.
#[derive(PartialEq, Eq)]
struct Pem {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// Does not show the key.
impl fmt::Debug for Pem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pem").finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A [`CertificateError`] if they do not hold a certificate and its key.
    pub fn read(files: CertificateFiles) -> Result<Self, CertificateError> {
        let pem = Pem::read(&files)?;
        let config = pem.config()?;
        let current = watch::Sender::new(Current { pem, config });
        Ok(Self(Arc::new(Inner { files, current })))
    }

    /// Reads the files again. If they changed, new connections get the new certificate, and `true` is returned. Blocks the thread
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Certificate::read`]. The old certificate then stays.
    pub fn reload(&self) -> Result<bool, CertificateError> {
        let pem = Pem::read(&self.0.files)?;
        if self.0.current.borrow().pem == pem {
            return Ok(false);
        }
        let config = pem.config()?;
        self.0.current.send_replace(Current { pem, config });
        Ok(true)
    }

    /// The file with the private key.
    pub(super) fn key_file(&self) -> &Path {
        &self.0.files.key
    }

    /// The configuration for a new connection.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.current.borrow().config.clone()
    }
}

impl Pem {
    fn read(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let unreadable = |error: io::Error| format!("it cannot be read: {error}");
        let chain = std::fs::read(&files.chain);
        let key = std::fs::read(&files.key);
        Ok(Self {
            chain: chain.map_err(|error| CertificateError::Chain(unreadable(error)))?,
            key: key.map_err(|error| CertificateError::Key(unreadable(error)))?,
        })
    }

    fn config(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(&self.chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.and_then(|chain| match chain.len() {
            0 => Err(pem::Error::NoItemsFound),
            _ => Ok(chain),
        });
        let chain = chain.map_err(|error| CertificateError::Chain(problem(&error).to_owned()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| CertificateError::Key(problem(&error).to_owned()))?;
        // Named here, since another crate may bring another provider into the program.
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::Pair,
            rustls::Error::General(_) => CertificateError::Key(error.to_string()),
            _ => CertificateError::Chain(error.to_string()),
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A message that does not show the file's contents, which may be the key.
fn problem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::NoItemsFound => "there is none in it",
        _ => "it is damaged",
    }
}
