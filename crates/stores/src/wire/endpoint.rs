//! Which hosts a cloud has, and which hosts may be spoken to at all.
//!
//! Owns the table of national clouds and the rule that nothing goes out in the clear except to this
//! machine. Refuses to know what is said there.
// Source: learn.microsoft.com/graph/deployments, read 2026-11.

use landfall_core::{Code, ErrorKind, StoreError};

use super::redact::shown_url;

/// A national cloud. Tokens of one are worth nothing in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cloud {
    /// The worldwide cloud, GCC included.
    #[default]
    Global,
    /// US Government L4 (GCC High).
    UsGov,
    /// US Government L5 (DoD).
    UsDod,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// Reads the word of a configuration: `global`, `us`, `dod`, `china`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "global" => Some(Self::Global),
            "us" => Some(Self::UsGov),
            "dod" => Some(Self::UsDod),
            "china" => Some(Self::China),
            _ => None,
        }
    }

    fn hosts(self) -> (&'static str, &'static str) {
        match self {
            Self::Global => ("login.microsoftonline.com", "graph.microsoft.com"),
            Self::UsGov => ("login.microsoftonline.us", "graph.microsoft.us"),
            Self::UsDod => ("login.microsoftonline.us", "dod-graph.microsoft.us"),
            Self::China => ("login.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn"),
        }
    }
}

/// Where one cloud is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Root of the login service, without a slash at its end.
    pub login: String,
    /// Root of Graph with its version, without a slash at its end.
    pub graph: String,
    /// The scope that a token is asked for.
    pub scope: String,
    /// The cloud, where its dialect matters.
    pub cloud: Cloud,
}

impl Endpoints {
    /// The public hosts of a cloud.
    #[must_use]
    pub fn of(cloud: Cloud) -> Self {
        let (login, graph) = cloud.hosts();
        Self {
            login: format!("https://{login}"),
            graph: format!("https://{graph}/v1.0"),
            scope: format!("https://{graph}/.default"),
            cloud,
        }
    }

    /// The hosts of a cloud with one or both replaced, as a simulator needs it.
    ///
    /// # Errors
    /// `InsecureEndpoint` where a replacement is neither https nor on this machine.
    pub fn replaced(cloud: Cloud, login: Option<&str>, graph: Option<&str>) -> Result<Self, StoreError> {
        let mut endpoints = Self::of(cloud);
        if let Some(login) = login {
            require_secure(login)?;
            login.trim_end_matches('/').clone_into(&mut endpoints.login);
        }
        if let Some(graph) = graph {
            require_secure(graph)?;
            graph.trim_end_matches('/').clone_into(&mut endpoints.graph);
        }
        Ok(endpoints)
    }
}

/// Refuses what would go over a network in the clear.
///
/// # Errors
/// Kind `Rejected` with code `InsecureEndpoint`.
pub(crate) fn require_secure(url: &str) -> Result<(), StoreError> {
    if is_secure(url) {
        return Ok(());
    }
    Err(StoreError::new(ErrorKind::Rejected, "connect to", shown_url(url), "neither https nor this machine")
        .with_code(Code::InsecureEndpoint))
}

fn is_secure(url: &str) -> bool {
    // A simulator within the process has no network under it; the network transport refuses its hosts.
    url.starts_with("https://") && host(url).is_some() || is_loopback(url) || is_simulated(url)
}

/// True for plain http to this very machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    url.starts_with("http://")
        && host(url).is_some_and(|host| {
            host == "localhost"
                || host
                    .trim_matches(['[', ']'])
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        })
}

fn is_simulated(url: &str) -> bool {
    url.starts_with("http://") && host(url).is_some_and(|host| host.ends_with(".sim"))
}

/// The host of a URL without port and userinfo.
fn host(url: &str) -> Option<&str> {
    let authority = authority(url)?;
    let host = match authority.find(']') {
        Some(end) => authority.get(..=end)?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    authority.rsplit('@').next()
}

/// True where two URLs have the same scheme, host and port: only then may a token meant for one go to the other.
pub(crate) fn same_origin(a: &str, b: &str) -> bool {
    let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let userinfo = |url: &str| {
        url.split_once("://").and_then(|(_, r)| r.split('/').next()).is_some_and(|a| a.contains('@'))
    };
    match (authority(a), authority(b)) {
        (Some(x), Some(y)) => {
            !userinfo(a) && !userinfo(b) && scheme(a) == scheme(b) && x.eq_ignore_ascii_case(y)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_reached_in_the_clear() {
        for good in [
            "https://graph.microsoft.com/v1.0",
            "http://127.0.0.1:8080/v1.0",
            "http://[::1]:1/",
            "http://localhost",
            "http://graph.sim/v1.0",
        ] {
            assert!(require_secure(good).is_ok(), "{good}");
        }
        for bad in [
            "http://graph.microsoft.com/v1.0",
            "http://10.0.0.1/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://localhost.example.com",
            "ftp://127.0.0.1/",
            "https://",
            "graph.microsoft.com",
            "http://example.com/.sim",
        ] {
            let error = require_secure(bad).expect_err(bad);
            assert_eq!(error.code, Some(Code::InsecureEndpoint));
        }
    }

    #[test]
    fn a_token_stays_with_its_origin() {
        let graph = "https://graph.microsoft.com/v1.0";
        assert!(same_origin(graph, "https://graph.microsoft.com/v1.0/drives/x?token=1"));
        assert!(!same_origin(graph, "https://graph.microsoft.com.evil.example/v1.0"));
        assert!(!same_origin(graph, "https://graph.microsoft.com@evil.example/v1.0"));
        assert!(!same_origin(graph, "http://graph.microsoft.com/v1.0"));
        assert!(!same_origin(graph, "https://graph.microsoft.com:444/v1.0"));
        assert!(!same_origin(graph, "/v1.0"));
    }

    #[test]
    fn clouds_differ_in_all_three_places() {
        let dod = Endpoints::of(Cloud::UsDod);
        assert_eq!(dod.scope, "https://dod-graph.microsoft.us/.default");
        assert_eq!(dod.login, "https://login.microsoftonline.us");
        let sim =
            Endpoints::replaced(Cloud::Global, Some("http://login.sim/"), Some("http://graph.sim/v1.0/"))
                .unwrap();
        assert_eq!((sim.login.as_str(), sim.graph.as_str()), ("http://login.sim", "http://graph.sim/v1.0"));
        assert_eq!(sim.scope, Endpoints::of(Cloud::Global).scope);
    }
}
