//! From where a key may be exchanged: networks of IPv4 and IPv6 (CIDR, RFC 4632 and RFC 4291 section 2.3).

use crate::{Error, Refusal};
use ipnet::{IpNet, Ipv4Net};
use keywright_store::keys::CredentialRow;
use std::net::IpAddr;

/// Most networks of one key.
pub const MAX_NETWORKS: usize = 64;
const FIELD: &str = "allowedAddresses";

/// Networks in order, none of them twice. An empty list allows every address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressList(Vec<IpNet>);

impl AddressList {
    /// Reads what somebody wants to set. A single address stands for itself alone.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first one that is no network.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, Error> {
        if texts.len() > MAX_NETWORKS {
            return Err(Error::Invalid { field: FIELD, reason: format!("has {} networks; {MAX_NETWORKS} are the most", texts.len()) });
        }
        let mut networks = texts.iter().map(|text| network(text.as_ref())).collect::<Result<Vec<_>, _>>()?;
        networks.sort_unstable();
        networks.dedup();
        Ok(Self(networks))
    }

    /// Reads what is stored.
    ///
    /// # Errors
    /// [`Error::Internal`] if that cannot be read: a list that nobody understands must not count as none.
    pub(crate) fn load(stored: &str) -> Result<Self, Error> {
        let networks = stored.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        Ok(Self(networks.map_err(|_| Error::Internal("a key's allowed addresses cannot be read"))?))
    }

    /// As it is stored.
    pub(crate) fn to_stored(&self) -> String {
        self.to_texts().join(" ")
    }

    /// As it is shown.
    #[must_use]
    pub fn to_texts(&self) -> Vec<String> {
        self.0.iter().map(IpNet::to_string).collect()
    }

    /// Whether every address that this allows is allowed by `other` too.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        // Networks put together as far as they go: one that is covered at all is then covered by a single one.
        let wider = IpNet::aggregate(&other.networks());
        self.networks().iter().all(|network| wider.iter().any(|wide| wide.contains(network)))
    }

    /// What both allow; `None` if that is no address at all. Two networks are one within the other, or have nothing in common.
    pub(crate) fn common(&self, other: &Self) -> Option<Self> {
        if self.0.is_empty() || other.0.is_empty() {
            return Some(if self.0.is_empty() { other.clone() } else { self.clone() });
        }
        let within = |some: &Self, wide: &Self| some.0.iter().filter(|network| wide.0.iter().any(|wide| wide.contains(*network))).copied().collect::<Vec<_>>();
        let mut networks = [within(self, other), within(other, self)].concat();
        networks.sort_unstable();
        networks.dedup();
        (!networks.is_empty()).then_some(Self(networks))
    }

    /// Whether a key is taken from an address. An address that nobody knows is on no list; one of IPv4 that comes mapped into IPv6
    /// (RFC 4291, section 2.5.5.2) is taken for what it is.
    ///
    /// # Errors
    /// [`Refusal::AddressNotAllowed`].
    pub fn check(&self, client: Option<IpAddr>) -> Result<(), Refusal> {
        let client = client.map(|address| address.to_canonical());
        let allowed = self.0.is_empty() || client.is_some_and(|address| self.0.iter().any(|network| network.contains(&address)));
        if allowed { Ok(()) } else { Err(Refusal::AddressNotAllowed(client)) }
    }

    fn networks(&self) -> Vec<IpNet> {
        if self.0.is_empty() { vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())] } else { self.0.clone() }
    }
}

/// Everything that decides from where a key is exchanged: its own list, and those of the policies of its organization, of the root
/// and of the organization asked for. An address must be on each of them.
#[derive(Debug, Clone, Default)]
pub struct Addresses([AddressList; 4]);

impl Addresses {
    /// Reads what is stored with a credential.
    ///
    /// # Errors
    /// [`Error::Internal`] if a list cannot be read.
    pub(crate) fn of(row: &CredentialRow) -> Result<Self, Error> {
        let [organization, root, target] = &row.policy_addresses;
        let load = |text: &str| AddressList::load(text);
        Ok(Self([load(&row.allowed_addresses)?, load(organization)?, load(root)?, load(target)?]))
    }

    /// Whether a key is taken from an address.
    ///
    /// # Errors
    /// [`Refusal::AddressNotAllowed`].
    pub fn check(&self, client: Option<IpAddr>) -> Result<(), Refusal> {
        self.0.iter().try_for_each(|list| list.check(client))
    }
}

fn network(text: &str) -> Result<IpNet, Error> {
    let refuse = |why: String| Error::Invalid { field: FIELD, reason: format!("`{text}` {why}") };
    let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let network = parsed.ok_or_else(|| refuse("is no network; write one as 203.0.113.0/24, 2001:db8::/32 or a single address".to_owned()))?;
    if network.trunc() != network {
        return Err(refuse(format!("has bits beyond its prefix; write {} for the network, or the address without a prefix", network.trunc())));
    }
    Ok(unmapped(network))
}

/// A network of mapped addresses is the IPv4 one that they stand for.
fn unmapped(network: IpNet) -> IpNet {
    const MAPPED_PREFIX: u8 = 96;
    let IpNet::V6(six) = network else { return network };
    let inner = six.prefix_len().checked_sub(MAPPED_PREFIX).zip(six.addr().to_ipv4_mapped());
    inner.and_then(|(length, address)| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> AddressList {
        AddressList::parse(texts).unwrap()
    }

    #[test]
    fn what_is_no_network_is_named() {
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "example.com", "10.0.0.1/8", "2001:db8::1/32", "10.0.0.0/8,192.0.2.0/24", "::/129"] {
            let refused = AddressList::parse(&["192.0.2.0/24", bad]).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("allowedAddresses: `{bad}`")), "{refused}");
        }
        assert!(AddressList::parse(&vec!["192.0.2.1"; MAX_NETWORKS + 1]).is_err());
        let mixed = list(&["2001:db8::/32", "192.0.2.7", "10.0.0.0/8", "::ffff:198.51.100.0/120", "10.0.0.0/8"]);
        assert_eq!(mixed.to_texts(), ["10.0.0.0/8", "192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32"]);
        assert_eq!(AddressList::load(&mixed.to_stored()).unwrap(), mixed);
        assert!(AddressList::load("10.0.0.0/8 nonsense").is_err(), "it must not count as an empty list");
    }

    #[test]
    fn what_two_lists_have_in_common() {
        let common = |one: &[&str], other: &[&str]| list(one).common(&list(other)).map(|both| both.to_texts().join(" "));
        assert_eq!(common(&[], &["10.0.0.0/8"]).as_deref(), Some("10.0.0.0/8"), "none allows all");
        assert_eq!(
            common(&["10.0.0.0/8", "2001:db8::/32"], &["10.1.0.0/16", "10.2.0.1", "2001:db8::/32", "192.0.2.0/24"]).as_deref(),
            Some("10.1.0.0/16 10.2.0.1/32 2001:db8::/32")
        );
        assert_eq!(common(&["10.0.0.0/8"], &["192.0.2.0/24", "::/0"]), None);
    }

    #[test]
    fn an_address_is_on_the_list_or_not() {
        let allowed = list(&["10.0.0.0/8", "2001:db8::/32"]);
        for (address, expected) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:11.0.0.1", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(allowed.check(Some(address.parse().unwrap())).is_ok(), expected, "{address}");
        }
        assert!(allowed.check(None).is_err());
        assert!(list(&[]).check(None).is_ok());
    }

    /// Reddens when one of the lists is left out, or when any instead of all of them must hold the address.
    #[test]
    fn an_address_must_be_on_every_list() {
        let (wide, narrow) = (list(&["10.0.0.0/8"]), list(&["10.1.0.0/16"]));
        for place in 0..4 {
            let mut lists = [(); 4].map(|()| wide.clone());
            lists[place] = narrow.clone();
            let addresses = Addresses(lists);
            assert!(addresses.check(Some("10.1.0.1".parse().unwrap())).is_ok());
            assert!(addresses.check(Some("10.2.0.1".parse().unwrap())).is_err(), "{place}");
        }
    }

    #[test]
    fn narrower_is_by_addresses_not_by_texts() {
        for (narrow, wide, expected) in [
            (&["10.1.0.0/16"][..], &["10.0.0.0/8"][..], true),
            (&["10.0.0.0/8"], &["10.1.0.0/16"], false),
            (&["10.0.0.0/8"], &["10.0.0.0/9", "10.128.0.0/9"], true),
            (&["10.0.0.0/8"], &["10.0.0.0/9", "10.192.0.0/10"], false),
            (&["10.0.0.0/8"], &[], true),
            (&[], &["0.0.0.0/0"], false),
            (&[], &["0.0.0.0/0", "::/0"], true),
            (&["2001:db8::/48"], &["2001:db8::/32"], true),
            (&["2001:db8::/48"], &["0.0.0.0/0"], false),
        ] {
            assert_eq!(list(narrow).is_within(&list(wide)), expected, "{narrow:?} within {wide:?}");
        }
    }
}
