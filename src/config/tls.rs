//! The server's certificate.

use super::{args::TlsArgs, wrong::Reader};
use crate::http::{Certificate, CertificateError, CertificateFiles};

/// Reads the certificate; `Some(None)` if none is set.
pub(super) fn certificate(args: &TlsArgs, values: &mut Reader<'_>) -> Option<Option<Certificate>> {
    let (chain, key) = match (&args.tls_certificate, &args.tls_key) {
        (None, None) => return Some(None),
        (Some(chain), Some(key)) => (chain, key),
        (Some(_), None) => {
            values.refuse("tls_key", "the private key that --tls-certificate needs");
            return None;
        }
        (None, Some(_)) => {
            values.refuse(
                "tls_certificate",
                "the certificate that --tls-key belongs to",
            );
            return None;
        }
    };
    let read = Certificate::read(CertificateFiles {
        chain: chain.into(),
        key: key.into(),
    });
    let (id, path) = match &read {
        Err(CertificateError::Key(_) | CertificateError::Pair) => ("tls_key", key),
        _ => ("tls_certificate", chain),
    };
    values
        .read(id, path, |_| read.map_err(|error| error.to_string()))
        .map(Some)
}
