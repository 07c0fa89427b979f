//! The addresses under which files of datasets are recorded in databases.
//!
//! Owns reading (every form that browsers and libraries print) and writing (always one form). An address is
//! foreign text: it is taken apart, never asked.
// Source: reference/hub.md, section 6; reference/media-catalogue.md, section 1.4.

use landfall_core::{ErrorKind, RelPath, StoreError};

use super::api::encode_path;
use super::repo::RepoId;
use crate::wire::{decode, shown_url};

/// The Hub's own hosts.
const HOSTS: [&str; 2] = ["huggingface.co", "hf.co"];

/// A recorded address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedUrl {
    /// The repository.
    pub repo: RepoId,
    /// The branch or commit.
    pub rev: String,
    /// The path in it.
    pub path: RelPath,
}

impl RecordedUrl {
    /// Reads an address of a file in a dataset. `hosts` are further hosts (with their port, where they have one)
    /// that count as the Hub.
    ///
    /// # Errors
    /// Kind `Rejected` where it is none: another host, a model, no path, or a path that leads out of its folder.
    pub fn parse(text: &str, hosts: &[&str]) -> Result<Self, StoreError> {
        let wrong = |detail: &str| {
            StoreError::new(
                ErrorKind::Rejected,
                "read the address",
                shown_url(text.trim()),
                detail.to_owned(),
            )
        };
        let bare = text.trim().split(['?', '#']).next().unwrap_or("");
        let (scheme, rest) = bare.split_once("://").ok_or_else(|| wrong("it is no URL"))?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(wrong("it is no web address"));
        }
        let (host, path) = rest.split_once('/').ok_or_else(|| wrong("it has no path"))?;
        let known = HOSTS.iter().chain(hosts).any(|known| host.eq_ignore_ascii_case(known));
        if !known {
            return Err(wrong("its host is not the Hub"));
        }
        let mut parts = path.splitn(6, '/');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (Some("datasets"), Some(owner), Some(name), Some(form), Some(rev), Some(path)) =
            (part(), part(), part(), part(), part(), part())
        else {
            return Err(wrong("it names no file of a dataset"));
        };
        if !matches!(form, "resolve" | "blob" | "raw") {
            return Err(wrong("it names no file of a dataset"));
        }
        let repo = RepoId::parse(&format!("{}/{}", decode(owner), decode(name)))
            .map_err(|error| wrong(&error.detail))?;
        let path = RelPath::new(decode(path)).map_err(|error| wrong(&error.to_string()))?;
        Ok(Self { repo, rev: decode(rev), path })
    }

    /// Writes the address of a file on the default branch, in the one form that other programs expect.
    #[must_use]
    pub fn print(repo: &RepoId, path: &RelPath) -> String {
        format!("https://huggingface.co/datasets/{repo}/resolve/main/{}", encode_path(path.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<RecordedUrl, StoreError> {
        RecordedUrl::parse(text, &["hub.sim", "127.0.0.1:8123"])
    }

    #[test]
    fn every_form_names_the_same_file() {
        let wanted =
            parse("https://huggingface.co/datasets/me/EventMonitor/resolve/main/encrypted_images/花子/8k2m")
                .unwrap();
        assert_eq!((wanted.rev.as_str(), wanted.path.as_str()), ("main", "encrypted_images/花子/8k2m"));
        for same in [
            "https://huggingface.co/datasets/me/EventMonitor/blob/main/encrypted_images/花子/8k2m",
            "https://huggingface.co/datasets/me/EventMonitor/raw/main/encrypted_images/%E8%8A%B1%E5%AD%90/8k2m",
            "https://HuggingFace.co/datasets/me/EventMonitor/resolve/main/encrypted_images/花子/8k2m?download=true",
            "https://hf.co/datasets/me/EventMonitor/resolve/main/encrypted_images/花子/8k2m#x",
            "http://127.0.0.1:8123/datasets/me/EventMonitor/resolve/main/encrypted_images%2F花子/8k2m",
        ] {
            assert_eq!(parse(same).unwrap(), wanted, "{same}");
        }
        let pr = parse("http://hub.sim/datasets/me/a/resolve/refs%2Fpr%2F1/x").unwrap();
        assert_eq!(pr.rev, "refs/pr/1");
    }

    #[test]
    fn strangers_and_ways_out_are_refused() {
        for bad in [
            "",
            "encrypted_images/花子/8k2m",
            "https://evil.example/datasets/me/a/resolve/main/x",
            "https://huggingface.co.evil.example/datasets/me/a/resolve/main/x",
            "https://huggingface.co@evil.example/datasets/me/a/resolve/main/x",
            "https://huggingface.co/me/model/resolve/main/x",
            "https://huggingface.co/datasets/me/a/resolve/main/",
            "https://huggingface.co/datasets/me/a/tree/main/x",
            "https://huggingface.co/datasets/me/a/resolve/main/../../x",
            "https://huggingface.co/datasets/me/a/resolve/main/x%2F..%2Fy",
            "file:///datasets/me/a/resolve/main/x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_printing(path in "([a-z0-9#?%+&=. _-]|[あ-ん花録音]){1,12}(/([a-z0-9#?%+&=. _-]|[あ-ん花録音]){1,12}){0,3}") {
            let Ok(path) = RelPath::new(path) else { return Ok(()) };
            let repo = RepoId::parse("me/EventMonitor_2").unwrap();
            let read = RecordedUrl::parse(&RecordedUrl::print(&repo, &path), &[]).unwrap();
            prop_assert_eq!(read, RecordedUrl { repo, rev: "main".into(), path });
        }
    }
}
