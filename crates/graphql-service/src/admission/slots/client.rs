//! The client that sent a request, for everything that clients share.

use std::net::IpAddr;

tokio::task_local! {
    /// The address of the connection whose request is being answered.
    static ADDRESS: IpAddr;
}

/// Polls the future that answers a request from this address. The address is not in the request's extensions, since that would
/// allocate for each request.
pub(crate) fn of_address<T>(address: IpAddr, poll: impl FnOnce() -> T) -> T {
    ADDRESS.sync_scope(address, poll)
}

/// The address whose request the current task answers; `None` if the request came without a connection, as from a program that calls
/// the service itself.
pub(crate) fn current_address() -> Option<IpAddr> {
    ADDRESS.try_with(|address| *address).ok()
}

/// One client: a caller's name or, without one, an address.
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
