//! Which URLs may be downloaded: https, a host on the allow list, port 443, and nothing else in it.
//!
//! Every URL is hostile input: from the user's database, from a resolver, from a redirect. Owns the
//! verdict on the parsed URL (never on its text) and the overrides that lead a host to a simulator on
//! this machine. Refuses to know names' addresses: a look-up before the request proves nothing, so
//! addresses are judged where the connection is made ([`super::network`]). Design: `docs/media.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use landfall_core::{Code, ErrorKind, StoreError};
use url::{Host, Url};

use crate::wire::shown_url;

/// The hosts that X serves media from.
pub const MEDIA_HOSTS: &[&str] = &["pbs.twimg.com", "video.twimg.com"];

/// Stands for every host in a list of hosts; the rules about addresses still hold.
const ANY: &str = "*";

/// Longest URL that is looked at, in bytes.
const LONGEST: usize = 4096;

/// What a policy is made of.
#[derive(Clone, Debug)]
pub struct PolicyConfig {
    /// Hosts that may be asked, exactly as they are written; `*` allows every name.
    pub hosts: Vec<String>,
    /// Host and the URL on this machine that stands in for it, for tests and demonstrations.
    pub overrides: Vec<(String, String)>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { hosts: MEDIA_HOSTS.iter().map(|host| (*host).to_owned()).collect(), overrides: Vec::new() }
    }
}

/// Judges URLs. It has no state, so one serves everybody.
#[derive(Clone, Debug)]
pub struct UrlPolicy {
    hosts: BTreeSet<String>,
    any: bool,
    overrides: BTreeMap<String, SocketAddr>,
}

/// A URL that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    url: Url,
    host: String,
    instead: Option<SocketAddr>,
}

/// Why a URL is not asked for. The text shows no query and no user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown}: {why}")]
pub struct UrlRefused {
    shown: String,
    why: String,
}

impl UrlPolicy {
    /// Reads the allow list and the overrides.
    ///
    /// # Errors
    /// `InsecureEndpoint` where an override leads anywhere but to an address of this machine; `Rejected` without a
    /// code where a host is no name.
    pub fn new(config: &PolicyConfig) -> Result<Self, StoreError> {
        let mut policy = Self { hosts: BTreeSet::new(), any: false, overrides: BTreeMap::new() };
        for host in &config.hosts {
            if host == ANY {
                policy.any = true;
            } else {
                policy.hosts.insert(name_of(host)?);
            }
        }
        for (host, url) in &config.overrides {
            policy.overrides.insert(name_of(host)?, loopback_of(url)?);
        }
        Ok(policy)
    }

    /// Judges the text of a URL.
    ///
    /// # Errors
    /// [`UrlRefused`] says which rule it breaks.
    pub fn check(&self, text: &str) -> Result<Allowed, UrlRefused> {
        let refuse = |why: &str| UrlRefused { shown: shown(text), why: why.to_owned() };
        if text.len() > LONGEST {
            return Err(refuse("longer than any URL of a media file"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(refuse("white space or a control character in it"));
        }
        let url = Url::parse(text).map_err(|_| refuse("no URL"))?;
        self.judge(url).map_err(|why| refuse(&why))
    }

    /// Judges where a redirect leads; `location` may be relative.
    ///
    /// # Errors
    /// As [`UrlPolicy::check`].
    pub fn follow(&self, from: &Allowed, location: &str) -> Result<Allowed, UrlRefused> {
        let refuse = |why: String| UrlRefused { shown: shown(location), why };
        let url = from.url.join(location).map_err(|_| refuse("a redirect to no URL".into()))?;
        if url.as_str().len() > LONGEST {
            return Err(refuse("a redirect to a URL longer than any media file's".into()));
        }
        self.judge(url).map_err(|why| refuse(format!("a redirect that is not followed: {why}")))
    }

    /// The addresses on this machine that overrides lead to.
    pub(super) fn loopbacks(&self) -> BTreeSet<SocketAddr> {
        self.overrides.values().copied().collect()
    }

    fn judge(&self, url: Url) -> Result<Allowed, String> {
        if url.scheme() != "https" {
            return Err(format!("its scheme is {} and not https", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user name in it".into());
        }
        if url.fragment().is_some() {
            return Err("a fragment in it".into());
        }
        if url.port_or_known_default() != Some(443) {
            return Err("another port than 443".into());
        }
        let host = match url.host() {
            Some(Host::Domain(host)) => host.to_owned(),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => return Err("an address in place of a name".into()),
            None => return Err("no host".into()),
        };
        if !self.any && !self.hosts.contains(&host) {
            return Err("its host is not on the list of media hosts".into());
        }
        let instead = self.overrides.get(&host).copied();
        Ok(Allowed { url, host, instead })
    }
}

impl Allowed {
    /// The URL as the world knows it, whatever stands in for its host.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The URL to send the request to: the same, or the one on this machine that stands in.
    #[must_use]
    pub fn target(&self) -> String {
        let Some(address) = self.instead else { return self.url.to_string() };
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("http://{address}{}{query}", self.url.path())
    }

    /// The `Host` header, where it is not the host of [`Allowed::target`].
    #[must_use]
    pub fn host_header(&self) -> Option<&str> {
        self.instead.map(|_| self.host.as_str())
    }

    /// The same URL with another query; none where `query` is `None`.
    #[must_use]
    pub(super) fn with_query(&self, query: Option<&str>) -> Self {
        let mut other = self.clone();
        other.url.set_query(query);
        other
    }

    /// The same URL with another path and query.
    #[must_use]
    pub(super) fn at(&self, path: &str, query: &str) -> Self {
        let mut other = self.with_query(Some(query));
        other.url.set_path(path);
        other
    }
}

/// Scheme, host and path, without control characters and not longer than a line.
fn shown(text: &str) -> String {
    shown_url(text).chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The host as a parsed URL would have it.
fn name_of(host: &str) -> Result<String, StoreError> {
    let bad = |why: &str| Err(StoreError::new(ErrorKind::Rejected, "read", format!("host {host}"), why));
    match Host::parse(host) {
        Ok(Host::Domain(name)) if !name.is_empty() => Ok(name),
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) => bad("an address; a name is needed"),
        _ => bad("no name of a host"),
    }
}

/// The address on this machine that an override names.
fn loopback_of(text: &str) -> Result<SocketAddr, StoreError> {
    let refuse = |why: &str| {
        StoreError::new(ErrorKind::Rejected, "override", shown(text), why).with_code(Code::InsecureEndpoint)
    };
    let url = Url::parse(text).map_err(|_| refuse("no URL"))?;
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain("localhost")) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => return Err(refuse("leads away from this machine")),
    };
    let plain = url.scheme() == "http"
        && url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    if !address.is_loopback() {
        return Err(refuse("leads away from this machine"));
    }
    match (plain, url.port()) {
        (true, Some(port)) => Ok(SocketAddr::new(address, port)),
        _ => Err(refuse("not of the form http://127.0.0.1:PORT")),
    }
}

#[cfg(test)]
mod tests;
