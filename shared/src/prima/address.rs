//! Which addresses plain HTTP may go to: checked after name resolution, on every connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether `address` is reachable through the open internet: neither this machine, a private
/// network, a carrier's shared range nor a link's own. An address that stands for "any" counts as
/// public, since nobody should be sending there.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let carrier_shared = first == 100 && (64..128).contains(&second);
    !(address.is_loopback() || address.is_private() || address.is_link_local() || carrier_shared)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local())
}

/// A name service that refuses a name as a whole as soon as one of its addresses is public.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrivateOnly;

/// A name that plain HTTP must not go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "plain HTTP to a public address is refused: {0}; use https or a private address, or set allow_plain_http_to_public"
)]
pub(crate) struct PublicAddress(pub(crate) IpAddr);

/// `addresses`, unless one is public.
pub(crate) fn require_private(
    addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, PublicAddress> {
    match addresses.iter().find(|address| is_public(address.ip())) {
        Some(address) => Err(PublicAddress(address.ip())),
        None => Ok(addresses),
    }
}

impl Resolve for PrivateOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            // The system's own resolver blocks. Port 0 is replaced by the one of the address.
            let found = tokio::task::spawn_blocking(move || (host, 0).to_socket_addrs()).await??;
            let addresses = require_private(found.collect())?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_told_from_the_open_internet() {
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(private.parse().is_ok_and(|address| !is_public(address)), "{private}");
        }
        assert!(
            !is_public("::ffff:10.0.0.1".parse().unwrap_or(IpAddr::V4(Ipv4Addr::BROADCAST))),
            "10.0.0.1 in other clothes"
        );
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "0.0.0.0",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "::",
        ] {
            assert!(public.parse().is_ok_and(is_public), "{public}");
        }
    }

    #[test]
    fn one_public_address_spoils_the_name() {
        let private = SocketAddr::from(([10, 0, 0, 1], 0));
        let public = SocketAddr::from(([8, 8, 8, 8], 0));
        assert_eq!(require_private(vec![private]), Ok(vec![private]));
        assert_eq!(require_private(vec![private, public]), Err(PublicAddress(public.ip())));
    }
}
