//! Names of routes, as counts, faults and tests use them.
//!
//! Owns the list and what kind of request each is. Refuses to know paths; the parser of addresses does.

pub(crate) const TOKEN: &str = "POST token";
pub(crate) const OPENID: &str = "GET openid-configuration";
pub(crate) const BATCH: &str = "POST $batch";
pub(crate) const GET_USER: &str = "GET user";
pub(crate) const USER_DRIVES: &str = "GET user drives";
pub(crate) const GET_SITE: &str = "GET site";
pub(crate) const SITE_DRIVES: &str = "GET site drives";
pub(crate) const SITE_BIN: &str = "GET recycleBin items";
pub(crate) const GET_DRIVE: &str = "GET drive";
pub(crate) const GET_LIST: &str = "GET list";
pub(crate) const GET_ITEM: &str = "GET item";
pub(crate) const CHILDREN: &str = "GET children";
pub(crate) const DELTA: &str = "GET delta";
pub(crate) const GET_CONTENT: &str = "GET content";
pub(crate) const VERSIONS: &str = "GET versions";
pub(crate) const PERMISSIONS: &str = "GET permissions";
pub(crate) const DELETE_VERSION: &str = "DELETE version";
pub(crate) const PUT_CONTENT: &str = "PUT content";
pub(crate) const CREATE_SESSION: &str = "POST createUploadSession";
pub(crate) const CREATE_CHILD: &str = "POST children";
pub(crate) const PATCH_ITEM: &str = "PATCH item";
pub(crate) const DELETE_ITEM: &str = "DELETE item";
pub(crate) const PERMANENT_DELETE: &str = "POST permanentDelete";
pub(crate) const COPY: &str = "POST copy";
pub(crate) const CHECKIN: &str = "POST checkin";
pub(crate) const UNKNOWN: &str = "unknown";
pub(crate) const DOWNLOAD: &str = "GET download";
pub(crate) const PUT_FRAGMENT: &str = "PUT fragment";
pub(crate) const SESSION_STATUS: &str = "GET session";
pub(crate) const CANCEL_SESSION: &str = "DELETE session";
pub(crate) const COMMIT_SESSION: &str = "POST session";
pub(crate) const MONITOR: &str = "GET monitor";

/// Whether the request asks for a change of a drive.
pub(crate) fn is_write(route: &str) -> bool {
    matches!(
        route,
        PUT_CONTENT
            | CREATE_SESSION
            | CREATE_CHILD
            | PATCH_ITEM
            | DELETE_ITEM
            | DELETE_VERSION
            | PERMANENT_DELETE
            | COPY
            | CHECKIN
            | PUT_FRAGMENT
            | CANCEL_SESSION
            | COMMIT_SESSION
    )
}

/// Whether the request goes to Graph and carries a bearer token.
pub(crate) fn is_graph(route: &str) -> bool {
    !matches!(
        route,
        TOKEN | OPENID | DOWNLOAD | PUT_FRAGMENT | SESSION_STATUS | CANCEL_SESSION | COMMIT_SESSION | MONITOR
    )
}

/// Documented resource units of a Graph request. Source: `graph.md`, section 11.
pub(crate) fn resource_units(route: &str, with_token: bool, permissions: bool) -> u64 {
    match route {
        _ if permissions => 5,
        PERMISSIONS => 5,
        BATCH => 0,
        DELTA if with_token => 1,
        GET_ITEM | GET_CONTENT | GET_DRIVE | GET_SITE | GET_USER | UNKNOWN => 1,
        _ => 2,
    }
}
