//! What backing up and proving an archive costs: commits, requests, hours, and what a resolver would charge.
//!
//! Counts the catalogue once and multiplies; looks at nothing else. Prices of the Hub:
//! reference/hub.md, sections 6 to 9, as the store sends them.

use std::time::Duration;

use landfall_archive::PROOFS_AT_ONCE;
use landfall_stores::catalogue::Price;
use landfall_stores::hub::{COMMITS_PER_HOUR, fewest_commits};
use rust_i18n::t;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::ui::{Cells, count, span};
use crate::wiring::{OpenArchive, Session};

/// Files that one preupload or LFS request names.
const NAMED: u64 = 256;
/// Files that one look at what a commit made names.
const LOOKED: u64 = 500;
/// Requests besides: the repositories, and what the first of them holds.
const BESIDES: u64 = 6;
/// Posts read at a time.
const PAGE: usize = 1000;
/// Requests in one of the Hub's windows of five minutes that are spent: for its API, and for reading files.
const API: u64 = 900;
const RESOLVERS: u64 = 4500;
const WINDOW: Duration = Duration::from_secs(300);
/// How long reading the first bytes of one object takes: the address, then the storage.
// Unverified: a guess for a line of the year 2026; where the quota binds it hardly counts.
const READ: Duration = Duration::from_millis(100);

/// What an archive's plan says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ArchivePlan {
    /// Posts that were never backed up.
    posts: u64,
    /// Their media files.
    files: u64,
    /// Commits that these need.
    commits: u64,
    /// API requests that these need.
    requests: u64,
    /// Recorded URLs.
    recorded: u64,
    /// Of these the ones whose bytes were never proven: each costs one read of 32 bytes.
    unproven: u64,
    /// Posts whose media URLs are lost, so that only a resolver helps.
    lost: u64,
    /// What the resolver charges.
    price: Option<Price>,
}

impl ArchivePlan {
    /// Counts the catalogue.
    pub(super) async fn of(session: &Session, open: &OpenArchive) -> Result<Self, CommandError> {
        let catalogue = open.source.catalogue();
        let narrowing = &catalogue.config().narrowing;
        let mut plan = Self::default();
        for table in catalogue.tables() {
            let mut after: Option<String> = None;
            loop {
                let page = catalogue.posts(table, after.as_deref(), PAGE).await?;
                for post in
                    page.posts.iter().filter(|post| narrowing.takes(table, &post.username, &post.date))
                {
                    plan.recorded += post.hub.items.len() as u64;
                    plan.lost += u64::from(post.lost_its_media());
                    if post.is_backlog() {
                        plan.posts += 1;
                        plan.files += post.media.items.len() as u64;
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        plan.unproven = session.archive()?.unproven().await?;
        plan.price = open.resolver.as_ref().and_then(|resolver| resolver.price());
        plan.price_work();
        Ok(plan)
    }

    fn price_work(&mut self) {
        self.requests = BESIDES * u64::from(self.files > 0);
        for files in fewest_commits(self.files) {
            self.commits += 1;
            self.requests += 2 * files.div_ceil(NAMED) + 1 + files.div_ceil(LOOKED);
        }
    }

    /// The time that the backlog takes at least, by the slower of the two quotas.
    fn backlog_time(&self) -> Duration {
        let commits = hours(self.commits, COMMITS_PER_HOUR);
        commits.max(windows(self.requests, API))
    }

    /// The time that proving takes: every full window has to pass, and what is left is read in the last one.
    fn proof_time(&self) -> Duration {
        let full = self.unproven.saturating_sub(1) / RESOLVERS;
        let rest = u32::try_from(self.unproven - full * RESOLVERS).unwrap_or(u32::MAX);
        let passing = WINDOW.saturating_mul(u32::try_from(full).unwrap_or(u32::MAX));
        passing.saturating_add(READ * rest / u32::try_from(PROOFS_AT_ONCE).unwrap_or(u32::MAX))
    }

    /// US dollars for asking about every lost post.
    fn dollars(&self) -> Option<f64> {
        let price = self.price?;
        let posts = price.max_reads.map_or(self.lost, |most| self.lost.min(most));
        let micro = u32::try_from(price.micro_usd.saturating_mul(posts)).unwrap_or(u32::MAX);
        Some(f64::from(micro) / 1_000_000.0)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "backlog_posts": self.posts,
            "backlog_files": self.files,
            "commits": self.commits,
            "api_requests": self.requests,
            "backlog_hours": self.backlog_time().as_secs_f64() / 3600.0,
            "backlog_days": self.backlog_time().as_secs_f64() / 86_400.0,
            "recorded": self.recorded,
            "unproven": self.unproven,
            "proof_requests": self.unproven,
            "proof_hours": self.proof_time().as_secs_f64() / 3600.0,
            "lost_media_posts": self.lost,
            "resolver_usd": self.dollars(),
            "resolver_max_reads": self.price.and_then(|price| price.max_reads),
        })
    }

    pub(super) fn rows(&self, cells: &mut Cells) {
        let mut row = |key: &str, value: String| cells.row(&[t!(key).into_owned(), value]);
        row(
            "plan.backlog",
            t!("plan.posts_files", posts = count(self.posts), files = count(self.files)).into_owned(),
        );
        row("plan.commits", count(self.commits));
        row("plan.api", count(self.requests));
        row("plan.days", span(self.backlog_time()));
        row("plan.proof", count(self.unproven));
        row("plan.proof_time", span(self.proof_time()));
        row("plan.lost", count(self.lost));
        if let Some(dollars) = self.dollars() {
            row("plan.price", format!("{dollars:.2} USD"));
        }
    }
}

fn hours(number: u64, per_hour: u64) -> Duration {
    Duration::from_secs(number.saturating_mul(3600) / per_hour)
}

fn windows(number: u64, per_window: u64) -> Duration {
    Duration::from_secs(number.saturating_mul(WINDOW.as_secs()) / per_window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_bind_small_files_and_the_reads_of_a_proof_their_own_window() {
        let mut plan = ArchivePlan { files: 100_000, unproven: 8863, ..ArchivePlan::default() };
        plan.price_work();
        // 250, 400, 600, 98 of 1,000 and 750: two requests for 256, one for 500 and the commit.
        let requests = BESIDES + 2 * (1 + 2 + 3 + 98 * 4 + 3) + (1 + 1 + 2 + 98 * 2 + 2) + 102;
        assert_eq!((plan.commits, plan.requests), (102, requests));
        assert_eq!(plan.backlog_time(), Duration::from_secs(3672));
        // The first 4,500 reads fill a window; the others wait for its end, and eight go at a time.
        assert_eq!(plan.proof_time(), Duration::from_micros(300_000_000 + 4363 * 100_000 / 8));
        let small = ArchivePlan { unproven: 4500, ..ArchivePlan::default() };
        assert_eq!(small.proof_time(), Duration::from_millis(4500 * 100 / 8));
        assert_eq!(ArchivePlan::default().proof_time(), Duration::ZERO);
    }

    #[test]
    fn ten_thousand_small_files_stay_within_the_promised_requests() {
        let mut plan = ArchivePlan { files: 10_000, ..ArchivePlan::default() };
        plan.price_work();
        assert_eq!((plan.commits, plan.requests), (12, 122));
    }

    #[test]
    fn a_price_is_capped_by_what_may_be_read() {
        let price = |max_reads| Some(Price { micro_usd: 5_000, max_reads });
        let plan = |max_reads| ArchivePlan { lost: 1000, price: price(max_reads), ..ArchivePlan::default() };
        assert_eq!(plan(None).dollars(), Some(5.0));
        assert_eq!(plan(Some(100)).dollars(), Some(0.5));
        assert_eq!(ArchivePlan::default().dollars(), None);
    }
}
