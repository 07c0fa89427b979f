//! What can be seen of an account and a repository without writing anything, for `doctor`.

use landfall_core::StoreError;

use super::api::HubApi;
use super::repo::RepoId;
use super::types::{RepoInfo, Whoami};

/// What a probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whose token it is; `None` without a token.
    pub account: Option<Whoami>,
    /// The repository; `None` where it is missing, or hidden from this token.
    pub repo: Option<RepoInfo>,
    /// Whether the token may write there, as far as its role and the owner's name show; `None` where only a write
    /// would tell (a fine-grained token, an organisation whose role is not told).
    pub may_write: Option<bool>,
}

impl HubApi {
    /// Looks at the account and the repository.
    ///
    /// # Errors
    /// Where the token is refused, or where looking fails.
    pub async fn probe(&self, repo: &RepoId) -> Result<Probe, StoreError> {
        let account = if self.is_signed() { Some(self.whoami().await?.clone()) } else { None };
        let seen = self.repo_seen(repo).await?;
        let info = match seen {
            Ok(info) => Some(info),
            Err(refusal) if refusal.is_repo_hidden() => None,
            Err(refusal) => return Err(refusal.error("look at", &repo.to_string())),
        };
        let may_write = match &account {
            None => Some(false),
            Some(account) => may_write(account, repo),
        };
        Ok(Probe { account, repo: info, may_write })
    }
}

fn may_write(account: &Whoami, repo: &RepoId) -> Option<bool> {
    match account.role.as_deref() {
        Some("read") => return Some(false),
        Some("write") => {}
        _ => return None,
    }
    if account.name.eq_ignore_ascii_case(repo.owner()) {
        return Some(true);
    }
    let org = account.orgs.iter().find(|(name, _)| name.eq_ignore_ascii_case(repo.owner()));
    match org {
        None => Some(false),
        Some((_, role)) => match role.as_deref() {
            Some("admin" | "write") => Some(true),
            Some("read") => Some(false),
            // A contributor may write what is its own.
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_to_write_is_only_said_where_it_shows() {
        let account = |role: &str| Whoami {
            name: "me".into(),
            orgs: vec![
                ("acme".into(), Some("write".into())),
                ("kumi".into(), Some("read".into())),
                ("x".into(), None),
            ],
            role: Some(role.into()),
        };
        let may = |role: &str, owner: &str| {
            may_write(&account(role), &RepoId::parse(&format!("{owner}/a")).unwrap())
        };
        assert_eq!(may("write", "me"), Some(true));
        assert_eq!(may("write", "acme"), Some(true));
        assert_eq!(may("write", "kumi"), Some(false));
        assert_eq!(may("write", "stranger"), Some(false));
        assert_eq!(may("write", "x"), None);
        assert_eq!(may("read", "me"), Some(false));
        assert_eq!(may("fineGrained", "me"), None);
    }
}
