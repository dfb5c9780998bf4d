//! Which URLs and addresses webhooks may send to.
//!
//! A URL is checked when it is given and before each request, and what its name resolves to is checked when a connection is made: a
//! name can resolve to another address later, and to a private one on purpose.
//!
//! What is public is what IANA's registries of special-purpose addresses leave: whatever embeds another address (mapped, translated,
//! tunnelled) is judged by that one, or refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;

/// Where webhooks may send. By default: over HTTPS, to addresses of the public Internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Addresses {
    /// Also to addresses that are not public: those of this machine, of its networks, and of special use.
    pub private: bool,
    /// Also over plain HTTP, by which everyone on the way reads and can change what is sent.
    pub plain: bool,
}

impl Addresses {
    /// Addresses as the operator allows them.
    #[must_use]
    pub const fn new(private: bool, plain: bool) -> Self {
        Self { private, plain }
    }

    /// The URL of a webhook, if it may be sent to as far as the URL itself shows.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the name of the field.
    pub fn url(self, text: &str) -> Result<Uri, String> {
        let url: Uri = text
            .parse()
            .map_err(|_| "is not a URL, such as https://app.example/hook".to_owned())?;
        let host = url.host().unwrap_or_default();
        match url.scheme_str() {
            Some("https") => {}
            Some("http") if self.plain => {}
            Some("http") => {
                return Err("must begin with https://: this server sends nothing in the clear (--webhook-allow-http)".to_owned());
            }
            _ => return Err("must begin with https://".to_owned()),
        }
        let authority = url
            .authority()
            .map_or("", axum::http::uri::Authority::as_str);
        // What is behind # is not sent. A user and a password would be shown to everyone who sees the URL.
        if host.is_empty() || text.contains('#') || authority.contains('@') {
            return Err("must be a URL without a user, a password or a fragment, such as https://app.example/hook".to_owned());
        }
        match url.port_u16() {
            // A port that is none, such as `host:` or `host:99999`.
            None if authority.len() > host.len() => {
                return Err("has a port that is no number from 1 to 65535".to_owned());
            }
            Some(port) if !self.allows_port(port) => {
                return Err("has a port that belongs to another protocol: this server sends to 80, 443, and those from 1024 on".to_owned());
            }
            _ => {}
        }
        if !self.private && !may_be_public(host) {
            return Err(PRIVATE.to_owned());
        }
        Ok(url)
    }

    /// Whether a connection to this port may be made. Behind other ports below 1024 are servers of other protocols, some of which would
    /// take the lines of a request for commands.
    fn allows_port(self, port: u16) -> bool {
        port != 0 && (self.private || matches!(port, 80 | 443 | 1024..))
    }

    /// Whether a connection to this address may be made.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        self.private || is_public(address)
    }
}

/// Why a private address is refused.
pub(super) const PRIVATE: &str = "is at an address that is not public, and this server sends to public ones only (--webhook-allow-private)";

/// Whether a host can be public, by its name. What it resolves to is asked for when a connection is made.
fn may_be_public(host: &str) -> bool {
    let brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match brackets.unwrap_or(host).parse() {
        Ok(address) => return is_public(address),
        // One with a zone, say, which is an address of this machine's own network.
        Err(_) if brackets.is_some() => return false,
        Err(_) => {}
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    // Names of special use (RFC 6761, RFC 6762, RFC 8375), and the one that ICANN keeps for private networks.
    let is_local = ["localhost", "local", "internal", "home.arpa"]
        .iter()
        .any(|suffix| {
            name.strip_suffix(suffix)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
    !is_local
}

/// Whether an address is one of the public Internet. Those that are not known to be are not.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

/// See IANA's registry of special-purpose addresses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    // Where machines in Azure find their host's services.
    const HOST_IN_AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    let [a, b, c, _] = address.octets();
    let is_special = matches!(
        (a, b, c),
        // This network; private; shared by carriers; loopback; link-local, with the metadata of clouds.
        (0 | 10 | 127, _, _) | (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _)
            // Protocols; documentation; 6to4 relays; private; benchmarks.
            | (192, 0, 0 | 2) | (192, 88, 99) | (192, 168, _) | (198, 18 | 19, _)
            // Documentation; multicast, reserved, broadcast.
            | (198, 51, 100) | (203, 0, 113) | (224.., _, _)
    );
    !is_special && address != HOST_IN_AZURE
}

/// Global unicast addresses are 2000::/3. Of these, some embed an IPv4 address, and some are special.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global = a & 0xe000 == 0x2000;
    // Protocols and Teredo (2001::/23), documentation (2001:db8::/32, 3fff::/20), 6to4 (2002::/16).
    let is_special =
        a == 0x2001 && (b < 0x0200 || b == 0x0db8) || a == 0x2002 || a == 0x3fff && b < 0x1000;
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn a_url_is_public_and_encrypted_unless_it_is_allowed() {
        let strict = Addresses::default();
        for good in [
            "https://app.example/hook",
            "https://app.example:8443/a?b=c",
            "https://1.1.1.1/",
            "https://[2606:4700::1111]/x",
            "https://localhost.example/",
            "https://app.example/ann@app.example?to=ann@app.example",
            "https://app.example:443/",
            "https://app.example:1024/",
        ] {
            assert!(strict.url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "app.example",
            "/hook",
            "ftp://app.example",
            "file:///etc/passwd",
            "http://app.example/hook",
            "https://",
            "https://ann@app.example/",
            "https://ann:secret@app.example/",
            "https://app.example/#a",
            "https://app.example:0/",
            "https://app.example:99999/",
            "https://app.example:/",
            "https://app.example:22/",
            "https://app.example:1023/",
            "https://ann@127.0.0.1/",
            "https://[fe80::1%25eth0]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::a00:1]/",
            "https://0.0.0.0/",
            "https://a b/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://api.localhost/",
            "https://db.internal/",
            "https://printer.local/",
            "https://127.0.0.1/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00::1]:1/",
        ] {
            assert!(strict.url(bad).is_err(), "{bad}");
        }
        let private = Addresses::new(true, false);
        assert!(private.url("https://127.0.0.1:1/").is_ok());
        assert!(private.url("https://127.0.0.1:0/").is_err());
        assert!(private.url("http://127.0.0.1:1/").is_err());
        let plain = Addresses::new(false, true);
        assert!(plain.url("http://app.example/").is_ok());
        assert!(plain.url("http://127.0.0.1/").is_err());
    }
}
