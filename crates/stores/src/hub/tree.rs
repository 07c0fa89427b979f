//! Listings by tree and by paths: what a repository holds at one commit.
//!
//! Owns paging (a `Link` is followed as given, and only on the endpoint's host) and the bounds of one request.
//! Refuses to conclude: a path that a complete answer leaves out is absent, everything else is an error.
// Source: reference/hub.md, sections 4 and 5.

use http::{Method, header};
use landfall_core::StoreError;

use super::api::{HubApi, TRIES, encode_path, judged};
use super::pace;
use super::refusal::HubRefusal;
use super::repo::RepoId;
use super::types::{TreeEntry, WireEntry};
use crate::wire::{Answer, encode};

/// Paths asked for in one request; above 1,000 the form parser refuses.
pub(super) const PATHS: usize = 500;

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreePage {
    /// What stands in it; folders too.
    pub entries: Vec<TreeEntry>,
    /// The address of the next page, to be given back as it is; `None` after the last.
    pub next: Option<String>,
}

/// Why a page could not be had.
pub(super) enum PageError {
    /// The gateway gave up: smaller listings may do.
    TooLarge(StoreError),
    /// The folder (or repository, or revision) is not there or not shown.
    Refused(HubRefusal),
    /// Anything else.
    Failed(StoreError),
}

impl HubApi {
    /// Lists a repository, or a folder of it, at a revision: one page, up to 1,000 entries. `cursor` is the `next`
    /// of the page before.
    ///
    /// # Errors
    /// `NotFound` where the folder is shown not to be there; `Interrupted` with the status 504 where a recursive
    /// listing is too large for the gateway ([`super::Walk`] then lists folder by folder).
    pub async fn tree(
        &self,
        repo: &RepoId,
        rev: &str,
        path: Option<&str>,
        recursive: bool,
        cursor: Option<&str>,
    ) -> Result<TreePage, StoreError> {
        self.tree_page(repo, rev, path, recursive, cursor).await.map_err(|error| match error {
            PageError::TooLarge(error) | PageError::Failed(error) => error,
            PageError::Refused(refusal) => refusal.error("list", &subject(repo, path)),
        })
    }

    pub(super) async fn tree_page(
        &self,
        repo: &RepoId,
        rev: &str,
        path: Option<&str>,
        recursive: bool,
        cursor: Option<&str>,
    ) -> Result<TreePage, PageError> {
        let subject = subject(repo, path);
        let url = match cursor {
            Some(next) => {
                self.own(next, "list", &subject).map_err(PageError::Failed)?;
                next.to_owned()
            }
            None => {
                let folder = path.filter(|path| !path.is_empty());
                let folder = folder.map_or_else(String::new, |path| format!("/{}", encode_path(path)));
                format!(
                    "{}/api/datasets/{repo}/tree/{}{folder}?recursive={recursive}&expand=false",
                    self.endpoint(),
                    encode(rev)
                )
            }
        };
        let call = self.call_to(Method::GET, url, "list", &subject);
        let call = if recursive { judged(call, pace::judge_tree) } else { call };
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.ask(&call).await.map_err(PageError::Failed)?;
            if answer.status.as_u16() == 504 && recursive {
                return Err(PageError::TooLarge(HubRefusal::of(&answer).error("list", &subject)));
            }
            if !answer.status.is_success() {
                return Err(PageError::Refused(HubRefusal::of(&answer)));
            }
            if let Some(entries) = entries(&answer) {
                return Ok(TreePage { entries, next: next_link(&answer) });
            }
            if tries == TRIES {
                let error = self.unexpected("list", &subject, "the answer is no page of entries");
                return Err(PageError::Failed(error));
            }
            self.pause(tries).await;
        }
    }

    /// The entries at these paths, in the service's order; what is not there is left out. 500 paths a request.
    ///
    /// # Errors
    /// Where any of the requests fails: nothing may then be concluded about paths that were left out.
    pub async fn paths_info(
        &self,
        repo: &RepoId,
        rev: &str,
        paths: &[String],
    ) -> Result<Vec<TreeEntry>, StoreError> {
        let mut found = Vec::with_capacity(paths.len());
        // Taken from the end, so the pieces are pushed in reverse.
        let mut pieces: Vec<&[String]> = paths.chunks(PATHS).rev().collect();
        while let Some(piece) = pieces.pop() {
            match self.paths_piece(repo, rev, piece).await? {
                Some(entries) => found.extend(entries),
                None => {
                    let (first, second) = piece.split_at(piece.len() / 2);
                    pieces.extend([second, first]);
                }
            }
        }
        Ok(found)
    }

    /// One request; `None` where it was too large and can be halved.
    async fn paths_piece(
        &self,
        repo: &RepoId,
        rev: &str,
        paths: &[String],
    ) -> Result<Option<Vec<TreeEntry>>, StoreError> {
        let subject = repo.to_string();
        let mut body = String::new();
        for path in paths {
            body.push_str("paths=");
            body.push_str(&encode(path));
            body.push('&');
        }
        body.push_str("expand=false");
        let address = format!("/api/datasets/{repo}/paths-info/{}", encode(rev));
        let call = self
            .call(Method::POST, &address, "look for paths in", &subject)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .bytes(body.into());
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.ask(&call).await?;
            if answer.status.as_u16() == 413 && paths.len() > 1 {
                return Ok(None);
            }
            if !answer.status.is_success() {
                return Err(HubRefusal::of(&answer).error("look for paths in", &subject));
            }
            if let Some(entries) = entries(&answer) {
                return Ok(Some(entries));
            }
            if tries == TRIES {
                return Err(self.unexpected(
                    "look for paths in",
                    &subject,
                    "the answer is no list of entries",
                ));
            }
            self.pause(tries).await;
        }
    }
}

/// What a person would call it.
fn subject(repo: &RepoId, path: Option<&str>) -> String {
    path.map_or_else(|| repo.to_string(), |path| format!("{repo}:{path}"))
}

fn entries(answer: &Answer) -> Option<Vec<TreeEntry>> {
    let list: Vec<WireEntry> = answer.json()?;
    Some(list.into_iter().filter_map(WireEntry::entry).collect())
}

/// The address of the next page in the `Link` header.
fn next_link(answer: &Answer) -> Option<String> {
    let text = answer.header("link")?;
    // A cursor may hold a comma, so the pieces are cut at the angle brackets.
    text.split('<').skip(1).find_map(|piece| {
        let (url, rest) = piece.split_once('>')?;
        let rest = rest.to_ascii_lowercase();
        (rest.contains("rel=\"next\"") || rest.contains("rel=next")).then(|| url.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    #[test]
    fn the_next_link_is_taken_as_it_is() {
        let link = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("link", HeaderValue::from_str(text).unwrap());
            next_link(&Answer { status: StatusCode::OK, headers, body: "".into() })
        };
        let url = "https://huggingface.co/api/datasets/me/a/tree/main?cursor=ZX,lK%3D&limit=3";
        assert_eq!(link(&format!("<{url}>; rel=\"next\"")).as_deref(), Some(url));
        assert_eq!(
            link(&format!("<https://h/prev>; rel=\"prev\", <{url}>; rel=\"next\"")).as_deref(),
            Some(url)
        );
        assert_eq!(link("<https://h/prev>; rel=\"prev\""), None);
    }
}
