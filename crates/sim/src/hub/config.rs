//! What a simulated Hub is told before it starts.
//!
//! Owns the accounts, the quotas, the limits of repositories and the switches where the reference has no answer.
//! Refuses to know how any of it is carried out.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::Faults;

/// Everything that decides what a Hub does.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// Source of every chance and every made-up id.
    pub seed: u64,
    /// How long every request waits before it is served.
    pub latency: Duration,
    /// How much goes wrong.
    pub faults: Faults,
    /// When the Hub's time begins; 2026-01-05T00:00:00Z if not given.
    pub epoch: Option<Timestamp>,
    /// Who may do what.
    pub tokens: Vec<HubToken>,
    /// Requests of the class `api` in a window, for one account.
    pub api_quota: u64,
    /// Requests of the class `resolvers` in a window, for one account.
    pub resolver_quota: u64,
    /// Requests of the class `pages` in a window, for one account.
    pub page_quota: u64,
    /// The length of the fixed window of these three.
    pub window: Duration,
    /// Commits that one repository takes in the sliding `commit_window`.
    // Unverified: known from refusals that users quoted, not documented.
    pub commits_per_hour: u64,
    /// How far back commits are counted.
    pub commit_window: Duration,
    /// Files that one repository may hold.
    pub files_per_repo: u64,
    /// Entries that one folder may hold.
    pub files_per_folder: u64,
    /// Entries of one page of a listing, and of everything else that has pages.
    pub page: usize,
    /// Files that repository information names at most.
    pub siblings: usize,
    /// Files of one preupload request and objects of one batch request.
    pub files_per_call: usize,
    /// Paths of one paths-info request.
    pub paths_per_call: usize,
    /// Objects larger than this are sent in parts, in bytes.
    pub multipart_above: u64,
    /// Length of one part, in bytes.
    pub chunk_size: u64,
    /// Files larger than this are LFS files whatever they hold, in bytes.
    // Unverified: the service's own threshold.
    pub lfs_threshold: u64,
    /// Whether verify and commit look at the hash of what was stored, not only at its size.
    pub check_lfs_bytes: bool,
    /// How long a link to the storage holds.
    pub link_lifetime: Duration,
    /// How far behind the head a listing by branch name is.
    pub listing_lag: Duration,
    /// Whether regular files are answered with a redirect on the same host.
    pub resolve_cache: bool,
}

/// One access token and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubToken {
    /// The secret itself; fake.
    pub token: String,
    /// Name of the account.
    pub user: String,
    /// `read` or `write`.
    pub role: &'static str,
    /// Organizations in which the account may write.
    pub orgs: Vec<String>,
}

impl HubToken {
    /// A token without organizations.
    #[must_use]
    pub fn new(token: &str, user: &str, role: &'static str) -> Self {
        Self { token: token.to_owned(), user: user.to_owned(), role, orgs: Vec::new() }
    }
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            latency: Duration::ZERO,
            faults: Faults::None,
            epoch: None,
            tokens: vec![
                HubToken { orgs: vec!["acme".into()], ..HubToken::new("hf_sim_write", "me", "write") },
                HubToken::new("hf_sim_read", "me", "read"),
                HubToken::new("hf_sim_other", "other", "write"),
            ],
            api_quota: 1000,
            resolver_quota: 5000,
            page_quota: 200,
            window: Duration::from_secs(300),
            commits_per_hour: 128,
            commit_window: Duration::from_secs(3600),
            files_per_repo: 100_000,
            files_per_folder: 10_000,
            page: 1000,
            siblings: 1000,
            files_per_call: 256,
            paths_per_call: 1000,
            multipart_above: 64 << 20,
            chunk_size: 8_000_000,
            lfs_threshold: 10 << 20,
            check_lfs_bytes: true,
            link_lifetime: Duration::from_secs(900),
            listing_lag: Duration::ZERO,
            resolve_cache: false,
        }
    }
}
