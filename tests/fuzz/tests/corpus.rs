//! Every file of the corpus is given to its target: good inputs, and all that a fuzzer has ever found.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "these are tests: a failure is to panic, and to say with which file"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use daybook_fuzz::{TARGETS, Target};

/// Longer than any text of [`LONG`] bytes takes in an unoptimised build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// About the longest text that a client may send.
const LONG: usize = 512 * 1024;

fn files(target: &Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn each_file(kind: impl Fn(&Target) -> bool) {
    for target in TARGETS.iter().filter(|target| kind(target)) {
        for file in files(target) {
            // Shown where the test fails.
            println!("{}", file.display());
            (target.run)(&fs::read(file).unwrap());
        }
    }
}

#[test]
fn what_only_computes_withstands_its_corpus() {
    each_file(|target| target.is_pure);
}

#[test]
fn what_has_a_database_withstands_its_corpus() {
    each_file(|target| !target.is_pure);
}

/// A text that is made of the same over and over takes no more than a time that is in proportion.
#[test]
fn no_long_text_takes_long() {
    for target in TARGETS.iter().filter(|target| target.is_pure) {
        for file in files(target) {
            let piece = fs::read(&file).unwrap();
            let long = piece.repeat(LONG / piece.len().max(1));
            let started = Instant::now();
            (target.run)(&long);
            let elapsed = started.elapsed();
            assert!(elapsed < PATIENCE, "{}: {elapsed:?}", file.display());
        }
    }
}
