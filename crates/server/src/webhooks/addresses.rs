//! Which addresses a webhook may be sent to: public ones, and networks that the operator allows.
//!
//! IPv4 is public but for what is not (the registry of RFC 6890 and its successors); IPv6 is not public but for what is, so that
//! whatever is given out next for some purpose of its own stays refused.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits)
}

/// Not public.
const RESERVED_V4: [Ipv4Net; 16] = [
    // "This" network, with the unspecified address.
    v4(0, 0, 0, 0, 8),
    // Private.
    v4(10, 0, 0, 0, 8),
    // Behind carriers' NAT.
    v4(100, 64, 0, 0, 10),
    // Loopback.
    v4(127, 0, 0, 0, 8),
    // Link-local, with the metadata services of clouds.
    v4(169, 254, 0, 0, 16),
    // Private.
    v4(172, 16, 0, 0, 12),
    // Protocol assignments.
    v4(192, 0, 0, 0, 24),
    // Documentation.
    v4(192, 0, 2, 0, 24),
    // Relays of 6to4.
    v4(192, 88, 99, 0, 24),
    // Private.
    v4(192, 168, 0, 0, 16),
    // Benchmarks.
    v4(198, 18, 0, 0, 15),
    // Documentation.
    v4(198, 51, 100, 0, 24),
    // Documentation.
    v4(203, 0, 113, 0, 24),
    // Multicast.
    v4(224, 0, 0, 0, 4),
    // For later, with broadcast.
    v4(240, 0, 0, 0, 4),
    // Wireless metadata of one cloud, which routes it inside.
    v4(168, 63, 129, 16, 32),
];
/// Global unicast. Everything else (loopback, unique local, link-local, site-local, multicast, IPv4-compatible, discard, local NAT64)
/// is not public.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);
/// Not public within it.
const RESERVED_V6: [Ipv6Net; 4] = [
    // Protocol assignments, with Teredo, benchmarks and identifiers of hosts.
    v6(0x2001, 0, 23),
    // Documentation.
    v6(0x2001, 0xdb8, 32),
    // 6to4.
    v6(0x2002, 0, 16),
    // Documentation.
    v6(0x3fff, 0, 20),
];
/// NAT64 (RFC 6052, section 2.1): an IPv4 address in the last 32 bits.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

/// Whether it is public.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V6(address) => GLOBAL_V6.contains(&address) && !RESERVED_V6.iter().any(|network| network.contains(&address)),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !RESERVED_V4.iter().any(|network| network.contains(&address))
}

/// Whether it is in one of these networks.
pub(super) fn is_in(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reddens when a network is left out, or its prefix is too long by one bit on either end.
    #[test]
    fn only_public_addresses_are_public() {
        let publics = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 \
            172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 \
            198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 2000:: 2001:200:: 2001:db7:ffff:: 2001:db9:: 2001:ffff:: \
            2003:: 2606:4700::1111 3ffe:: 3fff:1000:: ::ffff:1.1.1.1 64:ff9b::1.1.1.1";
        for public in publics.split(' ') {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        let privates = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 169.254.0.0 169.254.169.254 \
            169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.255 192.0.2.0 192.0.2.255 192.88.99.1 192.168.0.0 192.168.255.255 \
            198.18.0.0 198.19.255.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255 224.0.0.0 239.255.255.255 240.0.0.0 \
            255.255.255.255 168.63.129.16 :: ::1 ::7f00:1 ::ffff:0:127.0.0.1 ::127.0.0.1 ::10.0.0.1 ::1.1.1.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 \
            ::ffff:169.254.169.254 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::1.1.1.1 64:ff9b:0:0:0:1:101:101 100::1 1fff:ffff:: 2001:: \
            2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:1ff:: 2001:db8::1 2002:7f00:1:: 2002:101:101:: 3fff::1 3fff:fff::1 \
            4000:: 5f00::1 fc00::1 fd00::1 fdff:: fe80::1 fec0::1 ff02::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        for private in privates.split(' ') {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn an_allowed_network_is_meant_however_its_address_is_written() {
        let networks = ["10.1.0.0/16".parse().unwrap(), "fd00:1::/32".parse().unwrap()];
        for inside in ["10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3", "fd00:1::1"] {
            assert!(is_in(inside.parse().unwrap(), &networks), "{inside}");
        }
        for outside in ["10.0.255.255", "10.2.0.0", "::10.1.2.3", "64:ff9b::10.1.2.3", "fd00:2::1"] {
            assert!(!is_in(outside.parse().unwrap(), &networks), "{outside}");
        }
    }
}
