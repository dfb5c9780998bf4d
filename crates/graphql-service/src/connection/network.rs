//! By which address the connections of a client are counted.

use std::net::{IpAddr, Ipv6Addr};

/// The address by which a client's connections are counted: with IPv6 its network of 64 bits, since a client usually has all of it.
///
/// ```
/// use graphql_service::network;
///
/// let (one, another) = ("2001:db8::1", "2001:db8::2");
/// assert_eq!(network(one.parse()?), network(another.parse()?));
/// // IPv4 in IPv6 is IPv4.
/// assert_eq!(network("::ffff:192.0.2.1".parse()?).to_string(), "192.0.2.1");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_of_64_bits_is_one_client() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }
}
