//! Which addresses may be called: those of the public internet, and what the configuration allows.
//!
//! Whoever can say where a webhook goes could otherwise reach what only this machine can.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::WebhookError;

/// Networks that may be called although they are not public.
#[derive(Debug, Clone, Default)]
pub(super) struct Networks(Vec<Network>);

/// Addresses that begin alike, in `bits` bits.
#[derive(Debug, Clone, Copy)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Networks {
    /// Reads addresses and networks.
    pub(super) fn read(written: &[String]) -> Result<Self, WebhookError> {
        let read = |text: &String| Network::read(text.trim()).ok_or_else(|| WebhookError::Network(text.clone()));
        Ok(Self(written.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Whether this address may be called.
    pub(super) fn allow(&self, address: IpAddr) -> bool {
        // ::ffff:127.0.0.1 is 127.0.0.1.
        let address = address.to_canonical();
        is_public(address) || self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(bits.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let all = if IpAddr::is_ipv4(&address) { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        (bits <= all).then_some(Self { address, bits })
    }

    fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By the IANA's registry of special-purpose addresses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network; shared by carriers; IETF protocols; benchmarks; reserved, and broadcast.
        [0 | 240..=255, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18 | 19, ..] => true,
        _ => false,
    };
    !(special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = address.segments();
    let v4 = |high: u16, low: u16| is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match first {
        // 64:ff9b::/96, by which an IPv4 address is reached.
        0x64 if [second, third, fourth, fifth, sixth] == [0xff9b, 0, 0, 0, 0] => v4(seventh, eighth),
        // 2002::/16, which holds one, too.
        0x2002 => v4(second, third),
        // 2001::/23 are protocols, among them Teredo; 2001:db8::/32 is documentation.
        0x2001 => second >= 0x200 && second != 0xdb8,
        // 3fff::/20 is documentation as well.
        0x3fff => second > 0xfff,
        // All that is given out lies in 2000::/3. So unique local, link-local and multicast are none of it.
        _ => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(networks: &[&str], address: &str) -> bool {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        Networks::read(&networks).unwrap().allow(address.parse().unwrap())
    }

    #[test]
    fn only_the_public_internet_may_be_called() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(allows(&[], public), "{public}");
        }
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "4000::1",
        ] {
            assert!(!allows(&[], other), "{other}");
        }
    }

    #[test]
    fn what_is_allowed_may_be_called_and_nothing_beside_it() {
        let networks = ["10.1.0.0/16", "127.0.0.1", "fd00::/8", "::1"];
        for allowed in ["10.1.0.1", "10.1.255.255", "127.0.0.1", "::ffff:127.0.0.1", "fd12::1", "::1"] {
            assert!(allows(&networks, allowed), "{allowed}");
        }
        for other in ["10.2.0.1", "127.0.0.2", "fc00::1", "::2", "192.168.0.1"] {
            assert!(!allows(&networks, other), "{other}");
        }
        assert!(allows(&["0.0.0.0/0"], "10.0.0.1") && !allows(&["0.0.0.0/0"], "::1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1"] {
            let error = Networks::read(&[wrong.to_owned()]).err().unwrap().to_string();
            assert!(error.contains(&format!("`{wrong}` is neither an address nor a network")), "{error}");
        }
    }
}
