//! One binary for all integration tests: a build and a link less per file.

mod http;
