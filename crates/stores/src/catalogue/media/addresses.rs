//! Which addresses a media download may connect to: the public Internet and nothing else.
//!
//! Owns the table of ranges that are private, local, reserved or a tunnel to such. It is our own because
//! `IpAddr::is_global` is not stable, and because a forgotten range is a hole (a public project once
//! shipped its list without 10/8): each row has a test. Refuses to know names and URLs.
// Source: the IANA special-purpose registries as listed in reference/media-catalogue.md, section 6, read 2026-11.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 ranges that are never connected to: network, prefix length, what it is.
const V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a carrier"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "this machine"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved or broadcast"),
];

/// IPv6 ranges that are never connected to. Those that carry an IPv4 address are judged by it as well.
const V6: &[(Ipv6Addr, u32, &str)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "this machine"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "local translation"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "discard"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4 tunnel"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "private"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

/// IPv6 ranges whose last 32 bits are an IPv4 address: mapped, compatible, translated.
const CARRIERS: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
    (Ipv6Addr::UNSPECIFIED, 96),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
];

/// Says why an address is not to be connected to; `None` for a public one.
#[must_use]
pub fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = u128::from(address.to_bits());
    V4.iter()
        .find(|(network, length, _)| within(bits, u128::from(network.to_bits()), 32, *length))
        .map(|(_, _, what)| *what)
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let own = V6.iter().find(|(network, length, _)| within(bits, network.to_bits(), 128, *length));
    if let Some((_, _, what)) = own {
        return Some(what);
    }
    let carries = CARRIERS.iter().any(|(network, length)| within(bits, network.to_bits(), 128, *length));
    let [.., a, b, c, d] = address.octets();
    if carries { refused_v4(Ipv4Addr::new(a, b, c, d)) } else { None }
}

/// True where the first `length` of `width` bits agree.
fn within(bits: u128, network: u128, width: u32, length: u32) -> bool {
    let shift = width - length;
    bits.checked_shr(shift) == network.checked_shr(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(text: &str) -> bool {
        refused(text.parse().unwrap()).is_some()
    }

    /// First and last address of every range, and the neighbours outside where those are public.
    const RANGES: &[(&str, &str, Option<&str>, Option<&str>)] = &[
        ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
        ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
        ("100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0")),
        ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0")),
        ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0")),
        ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0")),
        ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
        ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
        ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0")),
        ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0")),
        ("198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0")),
        ("203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0")),
        ("224.0.0.0", "239.255.255.255", Some("223.255.255.255"), None),
        ("240.0.0.0", "255.255.255.255", None, None),
        ("::", "::", None, None),
        ("::1", "::1", None, None),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Some("64:ff9b:0:ffff::"), Some("64:ff9b:2::")),
        ("100::", "100::ffff:ffff:ffff:ffff", Some("ff:ffff::"), Some("100:0:0:1::")),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Some("2000:ffff::"), Some("2001:200::")),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Some("2001:db7:ffff::"), Some("2001:db9::")),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("2001:ffff::"), Some("2003::")),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("fbff::"), Some("fe00::")),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("fe7f::"), None),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
    ];

    #[test]
    fn every_range_is_refused_from_its_first_address_to_its_last() {
        assert_eq!(RANGES.len(), V4.len() + V6.len(), "a row of the table has no test");
        for (first, last, before, after) in RANGES {
            assert!(is_refused(first), "{first}");
            assert!(is_refused(last), "{last}");
            for public in [before, after].into_iter().flatten() {
                assert!(!is_refused(public), "{public}");
            }
        }
    }

    #[test]
    fn every_row_refuses_what_no_other_row_does() {
        for (at, (network, length, what)) in V4.iter().enumerate() {
            let bits = u128::from(network.to_bits());
            let others = V4.iter().enumerate().filter(|(other, _)| *other != at);
            for (_, (net, len, _)) in others {
                assert!(!within(bits, u128::from(net.to_bits()), 32, *len), "{network}/{length} {what}");
            }
        }
    }

    #[test]
    fn an_address_within_an_address_is_judged_by_the_inner_one() {
        for inner in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "100.64.0.1"] {
            for outer in ["::ffff:", "::", "64:ff9b::"] {
                assert!(is_refused(&format!("{outer}{inner}")), "{outer}{inner}");
            }
        }
        for outer in ["::ffff:", "::", "64:ff9b::"] {
            assert!(!is_refused(&format!("{outer}104.244.43.131")), "{outer}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        for public in ["104.244.43.131", "8.8.8.8", "2606:1f80:f000::1", "2a00:1450::1"] {
            assert!(!is_refused(public), "{public}");
        }
    }
}
