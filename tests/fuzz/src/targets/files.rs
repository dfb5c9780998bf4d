//! Files that whoever runs the server has got from others: key sets, manifests, schemas, certificates.

use std::{cell::OnceCell, fs, path::PathBuf};

use daybook::{
    command::schema_check,
    graphql,
    http::{Certificate, CertificateFiles, KeyFile, Keys, TrustedDocuments},
};

/// The first letter says what the rest is.
pub(super) fn run(input: &[u8]) {
    let Some((kind, contents)) = input.split_first() else {
        return;
    };
    let text = std::str::from_utf8(contents);
    match (kind, text) {
        (b'j', Ok(text)) => drop(Keys::from_jwks(text)),
        (b'm', Ok(text)) => drop(TrustedDocuments::from_manifest(text)),
        (b's', Ok(text)) => {
            drop(schema_check::compare(text, &sdl()));
            drop(schema_check::compare(&sdl(), text));
        }
        (b'S', _) => drop(KeyFile::Secret(file("secret", contents)).read()),
        (b'J', _) => drop(KeyFile::Set(file("set", contents)).read()),
        (b'c', _) => {
            let file = file("certificate", contents);
            let files = CertificateFiles {
                chain: file.clone(),
                key: file,
            };
            drop(Certificate::read(files));
        }
        _ => {}
    }
}

fn sdl() -> String {
    thread_local! {
        static SDL: OnceCell<String> = const { OnceCell::new() };
    }
    SDL.with(|sdl| sdl.get_or_init(graphql::sdl).clone())
}

/// A file with these contents, which is gone when this thread ends.
fn file(name: &str, contents: &[u8]) -> PathBuf {
    thread_local! {
        static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
    }
    FOLDER.with(|folder| {
        let path = folder
            .get_or_init(|| tempfile::tempdir().unwrap())
            .path()
            .join(name);
        fs::write(&path, contents).unwrap();
        path
    })
}
