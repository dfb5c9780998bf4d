//! Days on which something goes wrong under the real server: its files, its disk, its limits. On each of them clients hear a code
//! that says so, `/readyz` knows, and nothing that was acknowledged is missing afterwards.
//!
//! Some need the means of an administrator: `unshare`, `nsenter` and `mount`, as root, and loop devices. Where these are missing, the
//! test fails and says so; those of `postgres_disk` pass, and say that they were skipped.

mod clock;
mod damage;
mod descriptors;
mod disk;
mod files;
mod limits;
mod log;
mod memory;
mod postgres_disk;
mod server;
mod start;
