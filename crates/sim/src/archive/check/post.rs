//! One post against what was said of it beforehand.
//!
//! Owns the outcomes: saved, final, either, healthy. Refuses to know the Hub but for what a URL opens to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::super::answer::{Action, ExpectedFile, ExpectedPost, Outcome};
use super::super::database::Dumped;
use super::super::world;
use super::Look;
use crate::media::MediaKey;

impl Look<'_> {
    /// What is not as it must be; nothing if all is well.
    pub(super) fn post(&mut self, key: &(String, String), post: &ExpectedPost) -> Vec<String> {
        let Some(now) = self.now.get(key).cloned() else { return vec!["the row is gone".to_owned()] };
        let Some(before) = self.before.get(key).map(|before| before.row.clone()) else {
            return vec!["the row is not in the answer file".to_owned()];
        };
        let same = now.columns == before.columns;
        match post.outcome {
            Outcome::Final | Outcome::Healthy if same => Vec::new(),
            Outcome::Final | Outcome::Healthy => vec!["the row was changed".to_owned()],
            Outcome::SavedOrSame if same => Vec::new(),
            Outcome::Saved | Outcome::SavedOrSame => self.saved(post, &before, &now),
        }
    }

    fn saved(&mut self, post: &ExpectedPost, before: &Dumped, now: &Dumped) -> Vec<String> {
        let Some(urls) = now.list("huggingface_urls") else {
            return vec!["huggingface_urls is no list".to_owned()];
        };
        let mut faults = self.files(post, &urls);
        let old = before.list("huggingface_urls").unwrap_or_default();
        if !in_order(&old, &urls) {
            faults.push("entries that stayed changed their order".to_owned());
        }
        if let Some(expected) = &post.media_urls {
            let media = now.list("media_urls").unwrap_or_default();
            if keys(&media) != keys(expected) {
                faults.push(format!("media_urls names {media:?}"));
            }
        }
        if now.columns.get("uploaded_to_hf").is_some_and(|value| value != "1") {
            faults.push("uploaded_to_hf is not set".to_owned());
        }
        faults.extend(self.local(post, before, now));
        faults
    }

    /// Each file that can be saved has exactly one URL, and there is no other.
    fn files(&self, post: &ExpectedPost, urls: &[String]) -> Vec<String> {
        let mut faults = Vec::new();
        let harmed = super::hub::harmed(self.archive);
        let mut by_content: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for url in urls {
            match self.shelf.plain(url) {
                Ok(sha256) => by_content.entry(sha256).or_default().push(url),
                Err(why) => faults.push(format!("{url} {why}")),
            }
        }
        for file in post.files.iter().filter(|file| !file.urls.is_empty()) {
            let found = by_content.remove(&file.sha256).unwrap_or_default();
            match found.as_slice() {
                [] => faults.push(format!("{} is not saved", file.name)),
                [url] if bound(file, &harmed) && !file.urls.contains(*url) => {
                    faults.push(format!("{} is at {url}", file.name));
                }
                [_] => {}
                more => faults.push(format!("{} is there {} times", file.name, more.len())),
            }
        }
        let strangers = by_content.into_values().flatten();
        faults.extend(strangers.map(|url| format!("{url} opens to no file of the post")));
        faults
    }

    /// Local files that were recorded anew are there with the right bytes.
    fn local(&mut self, post: &ExpectedPost, before: &Dumped, now: &Dumped) -> Vec<String> {
        if !now.columns.contains_key("local_media") {
            return Vec::new();
        }
        let old = before.list("local_media").unwrap_or_default();
        let new = now.list("local_media").unwrap_or_default();
        let wanted = post.files.iter().filter(|file| !file.urls.is_empty()).map(|file| &file.sha256);
        let mut wanted = wanted.collect::<Vec<&String>>();
        let mut faults = Vec::new();
        for path in &new {
            let sha256 = fs::read(self.dir.join(path)).ok().map(|bytes| world::sha256(&bytes));
            let right = wanted.iter().position(|known| Some(*known) == sha256.as_ref());
            match right {
                Some(index) => drop(wanted.swap_remove(index)),
                None if !old.contains(path) => faults.push(format!("{path} is recorded and not right")),
                None => {}
            }
        }
        if post.pattern == "4" {
            self.check.unstored += wanted.len();
        }
        faults
    }
}

/// Whether the file must end at one of the URLs that were named: where nothing had to be uploaded, unless somebody
/// else did harm to it since.
fn bound(file: &ExpectedFile, harmed: &BTreeSet<String>) -> bool {
    !file.urls.iter().any(|url| harmed.contains(url))
        && matches!(file.action, Action::None | Action::Database | Action::DatabaseOrMove | Action::Metadata)
}

/// Whether what is in both lists stands in the same order in both.
fn in_order(old: &[String], new: &[String]) -> bool {
    let kept = |list: &[String], other: &[String]| {
        let mut seen = Vec::new();
        for url in list.iter().filter(|url| other.contains(url)) {
            if !seen.contains(url) {
                seen.push(url.clone());
            }
        }
        seen
    };
    kept(old, new) == kept(new, old)
}

fn keys(urls: &[String]) -> Vec<Option<String>> {
    urls.iter().map(|url| MediaKey::of_url(url).map(|key| key.text)).collect()
}
