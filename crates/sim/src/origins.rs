//! Where the simulator's hosts are.
//!
//! Owns the absolute URLs that replies hand out. In process every host has a name of its own; on TCP there are two
//! listeners, one for the API and one for content, as the real service keeps them on different hosts too.

/// Base URLs without a trailing slash.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    /// With the version prefix, for example `http://graph.sim/v1.0`.
    pub(crate) graph: String,
    pub(crate) login: String,
    /// Personal sites: downloads and uploads.
    pub(crate) my: String,
    /// Team sites: downloads, uploads and monitors.
    pub(crate) sites: String,
    pub(crate) inspect: String,
}

/// Which of the simulator's hosts a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// Graph, login and inspection, told apart by path.
    Api,
    /// Downloads, upload sessions and monitors.
    Content,
}

impl Origins {
    pub(crate) fn in_process() -> Self {
        Self {
            graph: "http://graph.sim/v1.0".into(),
            login: "http://login.sim".into(),
            my: "http://my.sim".into(),
            sites: "http://sp.sim".into(),
            inspect: "http://inspect.sim/inspect".into(),
        }
    }

    pub(crate) fn on_tcp(api: std::net::SocketAddr, content: std::net::SocketAddr) -> Self {
        Self {
            graph: format!("http://{api}/v1.0"),
            login: format!("http://{api}"),
            my: format!("http://{content}"),
            sites: format!("http://{content}"),
            inspect: format!("http://{api}/inspect"),
        }
    }
}

impl Host {
    /// The host that an authority names; anything unknown is the API.
    pub(crate) fn of(authority: &str) -> Self {
        match authority.split(':').next() {
            Some("my.sim" | "sp.sim") => Self::Content,
            _ => Self::Api,
        }
    }
}
