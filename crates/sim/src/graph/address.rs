//! What a Graph path addresses.
//!
//! Owns the grammar of paths, with every spelling that clients were seen to use (`graph-clients.md`): doubled slashes,
//! closing colons or none, `items/root`, function-call forms of delta. Refuses to look anything up.

use http::Method;

use crate::route;
use crate::url::decode;

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Batch,
    User(String),
    UserDrives(String),
    Site(SiteRef),
    SiteDrives(SiteRef),
    SiteBin(SiteRef),
    Drive(DriveRef),
    List(DriveRef),
    Item { drive: DriveRef, addr: Addr, action: Action },
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SiteRef {
    Root,
    Id(String),
    Path { host: String, path: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DriveRef {
    Id(String),
    OfUser(String),
    OfSite(SiteRef),
}

/// An item: where to start, and names to follow from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addr {
    /// Item id; the root where absent.
    pub(crate) id: Option<String>,
    pub(crate) path: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Itself,
    Children,
    Content,
    CreateSession,
    Delta(Option<String>),
    Copy,
    Checkin,
    Versions,
    Permissions,
    Version(String),
    PermanentDelete,
}

/// Takes the version prefix off a path: `/v1.0`, `/v2.0` or `/_api/v2.0`.
pub(crate) fn without_version(path: &str) -> Option<&str> {
    let path = path.trim_start_matches('/');
    ["v1.0", "v2.0", "_api/v2.0", "beta"]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Reads a path without its version prefix, still encoded.
pub(crate) fn parse(raw: &str) -> Resource {
    let mut path = decode(raw);
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    let path = path.trim_start_matches('/');
    let (head, rest) = path.split_once('/').unwrap_or((path, ""));
    match head {
        "$batch" => Resource::Batch,
        "users" => users(rest),
        "sites" => sites(rest),
        "drives" => {
            let (id, rest) = rest.split_once('/').unwrap_or((rest, ""));
            within_drive(DriveRef::Id(id.to_owned()), rest)
        }
        _ => Resource::Unknown,
    }
}

fn users(path: &str) -> Resource {
    let (user, rest) = path.split_once('/').unwrap_or((path, ""));
    let user = user.to_owned();
    match rest.split_once('/').unwrap_or((rest, "")) {
        ("", _) => Resource::User(user),
        ("drives", "") => Resource::UserDrives(user),
        ("drive", rest) => within_drive(DriveRef::OfUser(user), rest),
        _ => Resource::Unknown,
    }
}

fn sites(path: &str) -> Resource {
    let first_end = path.find('/').unwrap_or(path.len());
    let (site, rest) = match path.find(":/").filter(|colon| *colon < first_end) {
        Some(colon) => {
            let (host, tail) = path.split_at(colon);
            let tail = tail.get(2..).unwrap_or_default();
            let (path, rest) = tail.split_once(':').unwrap_or((tail, ""));
            (SiteRef::Path { host: host.to_owned(), path: path.to_owned() }, rest.trim_start_matches('/'))
        }
        None => {
            let (id, rest) = path.split_once('/').unwrap_or((path, ""));
            let id = id.trim_end_matches(':');
            let host_only = id.contains('.') && !id.contains(',');
            let site = match id {
                "root" => SiteRef::Root,
                _ if host_only => SiteRef::Path { host: id.to_owned(), path: String::new() },
                _ => SiteRef::Id(id.to_owned()),
            };
            (site, rest)
        }
    };
    match rest.split_once('/').unwrap_or((rest, "")) {
        ("", _) => Resource::Site(site),
        ("drives", "") => Resource::SiteDrives(site),
        ("recycleBin", "items") => Resource::SiteBin(site),
        ("drives", rest) => {
            let (id, rest) = rest.split_once('/').unwrap_or((rest, ""));
            within_drive(DriveRef::Id(id.to_owned()), rest)
        }
        ("drive", rest) => within_drive(DriveRef::OfSite(site), rest),
        _ => Resource::Unknown,
    }
}

fn within_drive(drive: DriveRef, rest: &str) -> Resource {
    if rest.is_empty() {
        return Resource::Drive(drive);
    }
    if rest == "list" {
        return Resource::List(drive);
    }
    let (id, tail) = if let Some(tail) = rest.strip_prefix("root") {
        (None, tail)
    } else if let Some(tail) = rest.strip_prefix("items/") {
        let end = tail.find(['/', ':']).unwrap_or(tail.len());
        let (id, tail) = tail.split_at(end);
        ((id != "root").then(|| id.to_owned()), tail)
    } else {
        return Resource::Unknown;
    };
    let (path, action) = match tail.strip_prefix(':') {
        Some(body) => by_path(body),
        None => (Vec::new(), action(tail.trim_matches('/'))),
    };
    match action {
        Some(action) => Resource::Item { drive, addr: Addr { id, path }, action },
        None => Resource::Unknown,
    }
}

/// `/a/b`, `/a/b:` or `/a/b:/action`. A colon elsewhere belongs to an (illegal) name.
fn by_path(body: &str) -> (Vec<String>, Option<Action>) {
    let (path, act) = match body.rsplit_once(':') {
        Some((path, "")) => (path, Some(Action::Itself)),
        Some((path, tail)) if tail.starts_with('/') => match action(tail.trim_matches('/')) {
            Some(found) => (path, Some(found)),
            None => (body, Some(Action::Itself)),
        },
        _ => (body, Some(Action::Itself)),
    };
    (path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect(), act)
}

fn action(text: &str) -> Option<Action> {
    let plain = text.strip_prefix("microsoft.graph.").unwrap_or(text);
    Some(match plain {
        "" => Action::Itself,
        "children" => Action::Children,
        "content" => Action::Content,
        "createUploadSession" | "createuploadsession" => Action::CreateSession,
        "delta" | "delta()" => Action::Delta(None),
        "copy" => Action::Copy,
        "checkin" => Action::Checkin,
        "versions" => Action::Versions,
        "permissions" => Action::Permissions,
        "permanentDelete" => Action::PermanentDelete,
        _ => {
            if let Some(token) = plain.strip_prefix("delta(token='").and_then(|rest| rest.strip_suffix("')"))
            {
                Action::Delta(Some(token.to_owned()))
            } else if let Some(version) = plain.strip_prefix("versions/") {
                Action::Version(version.to_owned())
            } else {
                return None;
            }
        }
    })
}

/// The route of a request for a resource.
pub(crate) fn route_of(method: &Method, resource: &Resource) -> &'static str {
    match (method.as_str(), resource) {
        ("POST", Resource::Batch) => route::BATCH,
        ("GET", Resource::User(_)) => route::GET_USER,
        ("GET", Resource::UserDrives(_)) => route::USER_DRIVES,
        ("GET", Resource::Site(_)) => route::GET_SITE,
        ("GET", Resource::SiteDrives(_)) => route::SITE_DRIVES,
        ("GET", Resource::SiteBin(_)) => route::SITE_BIN,
        ("GET", Resource::Drive(_)) => route::GET_DRIVE,
        ("GET", Resource::List(_)) => route::GET_LIST,
        (method, Resource::Item { action, .. }) => item_route(method, action),
        _ => route::UNKNOWN,
    }
}

fn item_route(method: &str, action: &Action) -> &'static str {
    match (method, action) {
        ("GET", Action::Itself) => route::GET_ITEM,
        ("GET", Action::Children) => route::CHILDREN,
        ("GET", Action::Delta(_)) => route::DELTA,
        ("GET", Action::Content) => route::GET_CONTENT,
        ("GET", Action::Versions) => route::VERSIONS,
        ("GET", Action::Permissions) => route::PERMISSIONS,
        ("DELETE", Action::Version(_)) => route::DELETE_VERSION,
        ("PUT", Action::Content) => route::PUT_CONTENT,
        ("POST", Action::CreateSession) => route::CREATE_SESSION,
        ("POST", Action::Children) => route::CREATE_CHILD,
        ("PATCH", Action::Itself) => route::PATCH_ITEM,
        ("DELETE", Action::Itself) => route::DELETE_ITEM,
        ("POST", Action::PermanentDelete) => route::PERMANENT_DELETE,
        ("POST", Action::Copy) => route::COPY,
        ("POST", Action::Checkin) => route::CHECKIN,
        _ => route::UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(path: &str) -> (Option<String>, Vec<String>, Action) {
        match parse(path) {
            Resource::Item { addr, action, .. } => (addr.id, addr.path, action),
            other => panic!("{path}: {other:?}"),
        }
    }

    fn names(path: &[&str]) -> Vec<String> {
        path.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_spelling_of_clients_is_understood() {
        assert_eq!(item("/drives/b%21x/root"), (None, vec![], Action::Itself));
        assert_eq!(item("//drives//b!x/items/root/children"), (None, vec![], Action::Children));
        assert_eq!(
            item("/drives/b!x/items/01A:/会議 録音.wav:"),
            (Some("01A".into()), names(&["会議 録音.wav"]), Action::Itself)
        );
        assert_eq!(item("/drives/b!x/items/01A:/a"), (Some("01A".into()), names(&["a"]), Action::Itself));
        assert_eq!(
            item("/drives/b!x/root:/a/b%20c:/createUploadSession"),
            (None, names(&["a", "b c"]), Action::CreateSession)
        );
        assert_eq!(item("/drives/b!x/root:/a/b+c").1, names(&["a", "b+c"]));
        assert_eq!(
            item("/drives/b!x/root/microsoft.graph.delta(token='MQ')").2,
            Action::Delta(Some("MQ".into()))
        );
        assert_eq!(item("/drives/b!x/root/delta(token='MQ')").2, Action::Delta(Some("MQ".into())));
        assert_eq!(item("/drives/b!x/items/01A/versions/2.0").2, Action::Version("2.0".into()));
        assert_eq!(item("/drives/b!x/items/01A:/a:b:/content").1, names(&["a:b"]));
    }

    #[test]
    fn sites_are_found_by_path_id_and_host() {
        let archive = SiteRef::Path { host: "contoso.sharepoint.com".into(), path: "sites/Archive".into() };
        assert_eq!(parse("/sites/contoso.sharepoint.com:/sites/Archive"), Resource::Site(archive.clone()));
        assert_eq!(
            parse("/sites/contoso.sharepoint.com:/sites/Archive:/drives"),
            Resource::SiteDrives(archive.clone())
        );
        assert_eq!(
            parse("/sites/contoso.sharepoint.com:/sites/Archive:/drive"),
            Resource::Drive(DriveRef::OfSite(archive))
        );
        assert_eq!(parse("/sites/h,g,w/recycleBin/items"), Resource::SiteBin(SiteRef::Id("h,g,w".into())));
        assert_eq!(parse("/sites/root"), Resource::Site(SiteRef::Root));
        assert_eq!(parse("/sites/h,g,w/drives"), Resource::SiteDrives(SiteRef::Id("h,g,w".into())));
        assert_eq!(
            parse("/users/ada@contoso.com/drive"),
            Resource::Drive(DriveRef::OfUser("ada@contoso.com".into()))
        );
    }

    #[test]
    fn versions_come_off() {
        assert_eq!(without_version("/v1.0//drives/x"), Some("//drives/x"));
        assert_eq!(without_version("/_api/v2.0/drives/x"), Some("/drives/x"));
        assert_eq!(without_version("/v2.0/drives/x"), Some("/drives/x"));
        assert_eq!(without_version("/nothing"), None);
    }
}
