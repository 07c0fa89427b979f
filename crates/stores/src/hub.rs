//! Datasets of the Hugging Face Hub, as a destination and as a place to look at.
//!
//! Owns the meaning of the Hub's calls and answers: listings, paths, preupload, LFS, commits, their quotas and
//! limits, and the family of repositories that one dataset grows into (`NAME`, `NAME_2`, …). Refuses to know the
//! ledger, the seal and the network: requests go through [`crate::wire`], what must outlive a restart through
//! `Memo`. Design: `docs/hub.md`. Protocol: reference/hub.md.

mod api;
mod assign;
mod commit;
mod counts;
mod dataset;
mod lanes;
mod lfs;
mod listing;
mod look;
mod pace;
mod preupload;
mod probe;
mod publish;
mod recorded;
mod refusal;
mod repo;
mod resolve;
mod scale;
mod send;
mod settle;
mod stated;
mod store;
mod tree;
mod types;
mod verify;
mod walk;

use std::time::Duration;

use landfall_core::pacing::QuotaConfig;
use landfall_core::store::{Fee, Prices};

pub use api::{HubApi, HubConfig};
pub use commit::{CommitReply, Op};
pub use counts::Counts;
pub use dataset::{HubDataset, Settings};
pub use lfs::{LfsAnswer, Upload};
pub use preupload::{Asked, Planned};
pub use probe::Probe;
pub use recorded::RecordedUrl;
pub use repo::RepoId;
pub use scale::fewest_commits;
pub use stated::{bucket, stated_wait};
pub use tree::TreePage;
pub use types::{EntryKind, Lfs, RepoInfo, TreeEntry, Whoami, git_blob_sha1};
pub use walk::{Step, Walk};

/// The public endpoint.
pub const ENDPOINT: &str = "https://huggingface.co";

/// How the program names itself to the Hub.
pub const USER_AGENT: &str = "landfall/0.1.0";

/// The quota of API requests.
pub(crate) const API: &str = "api";

/// The quota of requests that resolve a file.
pub(crate) const RESOLVERS: &str = "resolvers";

/// The quota of commits to one repository.
pub(crate) const COMMITS: &str = "commits";

/// Of a quota this share is used, in percent: the account's other programs draw from the same window.
pub(crate) const SHARE: u64 = 90;

/// Commits to one repository that are planned for an hour; the service refuses above 128.
// Unverified: the number 128 stands in refusals that users quoted, not in the documentation.
pub const COMMITS_PER_HOUR: u64 = 100;

/// The length of the window in which commits are counted: an hour and a minute for the clocks' difference.
pub(crate) const COMMIT_WINDOW: Duration = Duration::from_secs(3660);

/// The quotas of one account until the service has said its own, for the lane's configuration: those of the free
/// plan, or of a caller without a token.
// Source: hub-docs, rate-limits, table of September 2025, read 2026-11.
#[must_use]
pub fn quotas(anonymous: bool) -> Vec<QuotaConfig> {
    let (api, resolvers) = if anonymous { (500, 3000) } else { (1000, 5000) };
    let window = Duration::from_secs(300);
    vec![
        QuotaConfig { name: API, units: api * SHARE / 100, window },
        QuotaConfig { name: RESOLVERS, units: resolvers * SHARE / 100, window },
    ]
}

/// The price list by which jobs are planned, in requests; a unit is one API request. `upload` is the price of a
/// file within a full batch, rounded up; what a batch costs by itself stands in `docs/hub.md`.
pub(crate) const PRICES: Prices = Prices {
    page: Fee { requests: 1, units: 1 },
    prepare: Fee { requests: 0, units: 0 },
    open: Fee { requests: 2, units: 1 },
    upload: Fee { requests: 1, units: 0 },
    fragment: Fee { requests: 1, units: 0 },
    empty_file: Fee { requests: 0, units: 0 },
    folder: Fee { requests: 0, units: 0 },
    copy: Fee { requests: 0, units: 0 },
    amend: Fee { requests: 0, units: 0 },
};
