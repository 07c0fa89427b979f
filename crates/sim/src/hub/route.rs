//! Which request is for what.
//!
//! Owns the reading of paths (`hub.md`, its head and sections 2 to 10), the names of routes and the class whose
//! quota pays. Refuses to know what a request does.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::url::decode;

/// The kinds of request that counts and fault rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HubRoute {
    /// Whatever it is; only in rules.
    Any,
    /// Who the token is.
    Whoami,
    /// Making, deleting or setting up a repository.
    Create,
    /// Information on a repository at a revision.
    Info,
    /// Branches.
    Refs,
    /// History.
    Commits,
    /// A page of a listing.
    Tree,
    /// A set of paths.
    PathsInfo,
    /// The question how files are to be uploaded.
    Preupload,
    /// The question where LFS objects are to be put.
    LfsBatch,
    /// The check of one uploaded object.
    LfsVerify,
    /// The end of an upload in parts.
    LfsComplete,
    /// The stored objects of a repository, and their removal for good.
    LfsFiles,
    /// A commit.
    Commit,
    /// A file by its path, or the redirect to it.
    Resolve,
    /// The git blob of a file.
    Raw,
    /// A token for xet, which this Hub does not have.
    XetToken,
    /// Anything else on the Hub's host.
    Page,
    /// Bytes to the storage.
    StoragePut,
    /// Bytes from the storage.
    StorageGet,
}

/// Whose quota pays for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Api,
    Resolvers,
    Pages,
}

impl Class {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Resolvers => "resolvers",
            Self::Pages => "pages",
        }
    }
}

impl HubRoute {
    /// The name in counts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Whoami => "whoami-v2",
            Self::Create => "repos",
            Self::Info => "info",
            Self::Refs => "refs",
            Self::Commits => "commits",
            Self::Tree => "tree",
            Self::PathsInfo => "paths-info",
            Self::Preupload => "preupload",
            Self::LfsBatch => "lfs/batch",
            Self::LfsVerify => "lfs/verify",
            Self::LfsComplete => "lfs/complete",
            Self::LfsFiles => "lfs-files",
            Self::Commit => "commit",
            Self::Resolve => "resolve",
            Self::Raw => "raw",
            Self::XetToken => "xet-token",
            Self::Page => "page",
            Self::StoragePut | Self::StorageGet => "storage",
        }
    }

    pub(crate) fn number(self) -> u64 {
        (self as u64 + 1) << 32
    }

    pub(crate) fn is_storage(self) -> bool {
        matches!(self, Self::StoragePut | Self::StorageGet)
    }

    /// Whether a lost reply leaves something done.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Create | Self::LfsComplete | Self::LfsFiles | Self::Commit | Self::StoragePut)
    }

    // Unverified: that verify and the completion of parts are paid as `api`; the batch is (hub.md, section 11).
    pub(crate) fn class(self) -> Class {
        match self {
            Self::Resolve | Self::Raw => Class::Resolvers,
            Self::Page => Class::Pages,
            _ => Class::Api,
        }
    }
}

/// A request on the Hub's host, its path taken apart and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) route: HubRoute,
    /// `owner/name` of a dataset; empty where the route has none.
    pub(crate) repo: String,
    /// The revision as asked for.
    pub(crate) rev: String,
    /// A path in the repository, or the rest of the address.
    pub(crate) path: String,
}

impl Address {
    fn new(route: HubRoute) -> Self {
        Self { route, repo: String::new(), rev: String::new(), path: String::new() }
    }

    fn of(route: HubRoute, repo: &[&str], rev: Option<&str>, path: &[&str]) -> Self {
        let joined = |parts: &[&str]| decode(&parts.join("/"));
        Self { route, repo: joined(repo), rev: rev.map(decode).unwrap_or_default(), path: joined(path) }
    }

    /// Takes a path apart. What names nothing is a page.
    pub(crate) fn read(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["api", "whoami-v2"] => Self::new(HubRoute::Whoami),
            ["api", "repos", rest @ ..] => Self { path: rest.join("/"), ..Self::new(HubRoute::Create) },
            ["api", "complete_multipart"] => Self::new(HubRoute::LfsComplete),
            ["api", "resolve-cache", "datasets", owner, name, rev, path @ ..] => {
                Self::of(HubRoute::Resolve, &[owner, name], Some(rev), path)
            }
            ["api", "datasets", owner, name, rest @ ..] => Self::api([owner, name], rest),
            ["api", ..] => Self { path: path.to_owned(), ..Self::new(HubRoute::Info) },
            ["datasets", owner, name, rest @ ..] => Self::git([owner, name], rest),
            _ => Self { path: path.to_owned(), ..Self::new(HubRoute::Page) },
        }
    }

    fn api(repo: [&&str; 2], rest: &[&str]) -> Self {
        let repo = [*repo[0], *repo[1]];
        match rest {
            [] => Self::of(HubRoute::Info, &repo, Some("main"), &[]),
            ["revision", rev] => Self::of(HubRoute::Info, &repo, Some(rev), &[]),
            ["settings"] => Self::of(HubRoute::Create, &repo, None, &["settings"]),
            ["refs"] => Self::of(HubRoute::Refs, &repo, None, &[]),
            ["commits", rev] => Self::of(HubRoute::Commits, &repo, Some(rev), &[]),
            ["tree", rev, path @ ..] => Self::of(HubRoute::Tree, &repo, Some(rev), path),
            ["paths-info", rev] => Self::of(HubRoute::PathsInfo, &repo, Some(rev), &[]),
            ["preupload", rev] => Self::of(HubRoute::Preupload, &repo, Some(rev), &[]),
            ["commit", rev] => Self::of(HubRoute::Commit, &repo, Some(rev), &[]),
            ["lfs-files", rest @ ..] => Self::of(HubRoute::LfsFiles, &repo, None, rest),
            ["xet-read-token" | "xet-write-token", rev] => {
                Self::of(HubRoute::XetToken, &repo, Some(rev), &[])
            }
            _ => Self::of(HubRoute::Info, &repo, None, rest),
        }
    }

    fn git(repo: [&&str; 2], rest: &[&str]) -> Self {
        let (owner, name) = (*repo[0], *repo[1]);
        let bare = [owner, name.strip_suffix(".git").unwrap_or(name)];
        match rest {
            ["resolve", rev, path @ ..] => Self::of(HubRoute::Resolve, &[owner, name], Some(rev), path),
            ["raw", rev, path @ ..] => Self::of(HubRoute::Raw, &[owner, name], Some(rev), path),
            ["info", "lfs", "objects", "batch"] => Self::of(HubRoute::LfsBatch, &bare, None, &[]),
            ["info", "lfs", "verify"] => Self::of(HubRoute::LfsVerify, &bare, None, &[]),
            _ => Self::of(HubRoute::Page, &[owner, name], None, rest),
        }
    }
}

/// How a request is named in counts.
pub(crate) fn label(method: &Method, route: HubRoute) -> String {
    format!("{method} {}", route.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_and_plain_slashes_name_the_same_folder() {
        let escaped = Address::read("/api/datasets/me/arch/tree/main/a%2F%E9%8C%B2%E9%9F%B3");
        assert_eq!(escaped, Address::read("/api/datasets/me/arch/tree/main/a/%E9%8C%B2%E9%9F%B3"));
        assert_eq!((escaped.repo.as_str(), escaped.path.as_str()), ("me/arch", "a/録音"));
        let branch = Address::read("/api/datasets/me/arch/tree/refs%2Fheads%2Fmain");
        assert_eq!((branch.rev.as_str(), branch.path.as_str()), ("refs/heads/main", ""));
    }

    #[test]
    fn the_git_address_loses_its_ending_and_the_class_follows_the_route() {
        let batch = Address::read("/datasets/me/arch.git/info/lfs/objects/batch");
        assert_eq!((batch.route, batch.repo.as_str()), (HubRoute::LfsBatch, "me/arch"));
        assert_eq!(batch.route.class(), Class::Api);
        assert_eq!(Address::read("/datasets/me/arch/resolve/main/x").route.class(), Class::Resolvers);
        assert_eq!(Address::read("/datasets/me/arch").route.class(), Class::Pages);
    }
}
