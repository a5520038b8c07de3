//! A server and the stream on it, and where a redirect may lead.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use outflow_rtmp::session::Redirect;
use outflow_rtmp::url::{Host, RtmpUrl, Scheme, Target};

/// A server and the stream on it.
#[derive(Clone)]
pub struct Destination {
    /// The host as written, an IPv6 address in brackets.
    pub host: String,
    /// The port, the scheme's own where the URL names none.
    pub port: u16,
    /// Whether it is reached through TLS.
    pub tls: bool,
    /// App, stream name and tcUrl.
    pub target: Target,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Destination({})", self.shown())
    }
}

impl Destination {
    pub(super) fn new(url: &RtmpUrl, target: Target) -> Result<Self, (&'static str, &'static str)> {
        if url.host() == Host::Any {
            return Err(("the URL names no host to connect to", "write one, or add rtmp_listen=1 to wait for peers"));
        }
        if url.port() == Some(0) {
            return Err(("nobody listens on port 0", "write the server's port, or leave it out"));
        }
        let (host, port) = (url.host_text().to_owned(), url.port_or_default());
        Ok(Self { host, port, tls: url.scheme() == Scheme::Rtmps, target })
    }

    /// Host and port, as errors show them.
    pub fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Where a redirect leads, with the stream's name kept. The error says what is wrong with it.
    pub(super) fn redirected(&self, redirect: &Redirect) -> Result<Self, &'static str> {
        let url = RtmpUrl::parse(redirect.tc_url.expose()).map_err(|_| "to something that is no RTMP URL")?;
        self.elsewhere(&url)
    }

    /// Where a reconnect request leads: here again, or to a URL that may be relative to this one.
    pub(super) fn moved(&self, tc_url: Option<&str>) -> Result<Self, &'static str> {
        let Some(reference) = tc_url else { return Ok(self.clone()) };
        let url = RtmpUrl::parse(&self.target.tc_url).and_then(|here| here.resolve(reference));
        self.elsewhere(&url.map_err(|_| "to something that is no RTMP URL")?)
    }

    fn elsewhere(&self, url: &RtmpUrl) -> Result<Self, &'static str> {
        let target = url.target(Some(&self.target.name), None, None);
        let there = Self::new(url, target).map_err(|_| "to no host")?;
        if self.tls && !there.tls {
            // The key would travel in the clear.
            return Err("from rtmps:// to rtmp://");
        }
        Ok(there)
    }
}

/// The addresses that a redirect may lead to: never into this machine or a local network, unless the destination itself is
/// in one of that sort. Else a server could make us talk to whatever only we can reach; and one on this machine may be a
/// tunnel to a server far away.
pub(super) fn allowed(home: &[SocketAddr], there: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let sorts: Vec<_> = home.iter().filter_map(|address| local(address.ip())).collect();
    there.into_iter().filter(|address| local(address.ip()).is_none_or(|sort| sorts.contains(&sort))).collect()
}

/// Networks that the world can't reach.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Local {
    Machine,
    Link,
    Private,
    /// No host has such an address.
    Nowhere,
}

fn local(address: IpAddr) -> Option<Local> {
    match address.to_canonical() {
        IpAddr::V4(v4) => local_v4(v4),
        IpAddr::V6(v6) => match v6.segments() {
            _ if v6.is_loopback() || v6.is_unspecified() => Some(Local::Machine),
            _ if v6.is_unicast_link_local() => Some(Local::Link),
            // Unique local addresses, and the site-local ones of before.
            [first, ..] if v6.is_unique_local() || first & 0xFFC0 == 0xFEC0 => Some(Local::Private),
            _ if v6.is_multicast() => Some(Local::Nowhere),
            // An IPv4 address behind a translator (RFC 6052) or a tunnel (RFC 3056), or in the form of before.
            [0x64, 0xFF9B, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] | [0, 0, 0, 0, 0, 0, high, low] => {
                local_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
            }
            _ => None,
        },
    }
}

fn local_v4(address: Ipv4Addr) -> Option<Local> {
    match address.octets() {
        _ if address.is_loopback() => Some(Local::Machine),
        // Linux takes 0.0.0.0 for itself.
        [0, ..] => Some(Local::Machine),
        _ if address.is_link_local() => Some(Local::Link),
        // The last are shared by the customers of a provider (RFC 6598).
        [first, second, ..] if address.is_private() || (first == 100 && second & 0xC0 == 64) => Some(Local::Private),
        _ if address.is_multicast() || address.is_broadcast() => Some(Local::Nowhere),
        _ => None,
    }
}
