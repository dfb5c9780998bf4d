//! Whose a request is, for those who share something fairly.

use std::net::IpAddr;

tokio::task_local! {
    /// The address of the connection whose request is being answered.
    static ADDRESS: IpAddr;
}

/// Polls what answers a request from this address. It is no value of the request's, as that would be an allocation for each.
pub(crate) fn of_address<T>(address: IpAddr, poll: impl FnOnce() -> T) -> T {
    ADDRESS.sync_scope(address, poll)
}

/// The address whose request is being answered by the current task; `None` where it came over no connection, as in a program that
/// calls the service itself.
pub(crate) fn current_address() -> Option<IpAddr> {
    ADDRESS.try_with(|address| *address).ok()
}

/// One client: the caller's name, else its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Viewer(String),
    Address(IpAddr),
    Unknown,
}

impl Client {
    pub(crate) fn of(viewer: Option<&str>, address: Option<IpAddr>) -> Self {
        match (viewer, address) {
            (Some(viewer), _) => Self::Viewer(viewer.to_owned()),
            (None, Some(address)) => Self::Address(address),
            (None, None) => Self::Unknown,
        }
    }
}
