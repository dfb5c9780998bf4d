//! What clients meet.

pub mod playground;
