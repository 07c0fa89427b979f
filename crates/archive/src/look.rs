//! Looking at many recorded places for few requests, at one pinned state of each repository.
//!
//! Of two ways the one that costs fewer requests is taken for each repository: reading its whole listing,
//! a page a thousand entries, or asking for the paths by name, five hundred a request. Which of the two is
//! cheaper follows from how many entries it had when it was last listed; where nobody knows, it is taken to hold
//! little beside what is recorded, and a listing that turns out longer is given up.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use landfall_core::StoreError;
use landfall_core::proof::Evidence;

use crate::claim::Place;

/// Entries in one page of a listing.
const PAGE: u64 = 1000;
/// Pages that a listing may have beyond what is expected of it.
const SPARE: u64 = 2;
/// Paths that one request asks for.
pub(crate) const ASKED: usize = 500;
/// The most files that a repository may have, and about as many folders as go with them.
const MOST_ENTRIES: u64 = 102_000;

/// One object that a place holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// Its path.
    pub path: String,
    /// Its size and published digests.
    pub evidence: Evidence,
}

/// The places that recorded URLs name: repositories of objects, each with a head that can be pinned.
#[async_trait]
pub trait Shelves: Send + Sync {
    /// Reads a recorded URL; `None` where it is none of a place like these.
    fn parse(&self, url: &str) -> Option<Place>;

    /// The URL under which an object is recorded.
    fn print(&self, place: &Place) -> String;

    /// The present state of a repository; `None` where it is shown not to be there.
    ///
    /// # Errors
    /// Where looking fails: nothing may be concluded then.
    async fn head(&self, repo: &str) -> Result<Option<String>, StoreError>;

    /// One page of everything a repository holds at a state, folders left out, and where to go on.
    async fn page(
        &self,
        repo: &str,
        head: &str,
        cursor: Option<String>,
    ) -> Result<(Vec<Thing>, u64, Option<String>), StoreError>;

    /// Of at most 500 paths, those that a repository holds at a state; the others are shown absent.
    async fn things(&self, repo: &str, head: &str, paths: &[String]) -> Result<Vec<Thing>, StoreError>;

    /// The first bytes of an object.
    async fn beginning(&self, repo: &str, head: &str, path: &str, most: u64) -> Result<Vec<u8>, StoreError>;
}

/// What looking for one place answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is there.
    Present(Thing),
    /// It is shown not to be there.
    Absent,
    /// Looking failed, in words.
    Unknown(String),
}

/// A repository within one verify.
struct Shelf {
    head: Result<Option<String>, String>,
    /// Everything it holds, where it was listed.
    listed: Option<BTreeMap<String, Evidence>>,
}

/// Looks at pinned repositories.
pub(crate) struct Looker {
    shelves: Arc<dyn Shelves>,
    repos: BTreeMap<String, Shelf>,
}

impl Looker {
    pub(crate) fn new(shelves: Arc<dyn Shelves>) -> Self {
        Self { shelves, repos: BTreeMap::new() }
    }

    /// Pins a repository to the head that an interrupted verify had, or to its present one.
    ///
    /// # Errors
    /// What a person has to act on; any other failure makes its places unknown.
    pub(crate) async fn pin(&mut self, repo: &str, kept: Option<&str>) -> Result<Option<String>, StoreError> {
        if let Some(shelf) = self.repos.get(repo) {
            return Ok(shelf.head.clone().unwrap_or_default());
        }
        let head = match kept {
            Some(head) => Ok(Some(head.to_owned())),
            None => match self.shelves.head(repo).await {
                Ok(head) => Ok(head),
                Err(error) if error.code.is_some() => return Err(error),
                Err(error) => Err(error.chain()),
            },
        };
        let pinned = head.clone().unwrap_or_default();
        self.repos.insert(repo.to_owned(), Shelf { head, listed: None });
        Ok(pinned)
    }

    /// The heads that are pinned.
    pub(crate) fn heads(&self) -> BTreeMap<String, String> {
        let pinned =
            |(repo, shelf): (&String, &Shelf)| Some((repo.clone(), shelf.head.as_ref().ok()?.clone()?));
        self.repos.iter().filter_map(pinned).collect()
    }

    /// The pinned head of a repository.
    pub(crate) fn head_of(&self, repo: &str) -> Option<&str> {
        self.repos.get(repo)?.head.as_ref().ok()?.as_deref()
    }

    /// Lists a repository whole where that costs fewer requests than asking for so many paths; `entries` is
    /// how many it had when it was last listed. Returns how many it has where it was listed now.
    ///
    /// # Errors
    /// What a person has to act on; where the listing fails otherwise, paths are asked for by name.
    pub(crate) async fn list_if_cheaper(
        &mut self,
        repo: &str,
        paths: u64,
        entries: Option<u64>,
    ) -> Result<Option<u64>, StoreError> {
        let Some(head) = self.head_of(repo).map(str::to_owned) else { return Ok(None) };
        // Where nobody knows how many entries there are, a repository that holds little beside what is
        // recorded is likely; a listing that turns out longer is given up, and not tried again.
        let likely = (paths.div_ceil(PAGE) + SPARE).min(MOST_ENTRIES.div_ceil(PAGE));
        let most = entries.map_or(likely, |entries| entries.div_ceil(PAGE).max(1) + SPARE);
        let expected = entries.map_or(likely, |entries| entries.div_ceil(PAGE).max(1));
        if expected >= paths.div_ceil(ASKED as u64) {
            return Ok(None);
        }
        let mut listed = BTreeMap::new();
        let mut cursor = None;
        let mut count = 0;
        for page in 0.. {
            if page >= most {
                return Ok(Some(MOST_ENTRIES));
            }
            match self.shelves.page(repo, &head, cursor.take()).await {
                Ok((things, entries, next)) => {
                    count += entries;
                    listed.extend(things.into_iter().map(|thing| (thing.path, thing.evidence)));
                    match next {
                        Some(next) => cursor = Some(next),
                        None => break,
                    }
                }
                Err(error) if error.code.is_some() => return Err(error),
                Err(error) => {
                    tracing::warn!(repo, error = %error.chain(), "listing failed, asking for paths by name");
                    return Ok(None);
                }
            }
        }
        if let Some(shelf) = self.repos.get_mut(repo) {
            shelf.listed = Some(listed);
        }
        Ok(Some(count))
    }

    /// Looks at places; the answer has one element a place, in order.
    ///
    /// # Errors
    /// What a person has to act on.
    pub(crate) async fn look(&mut self, places: &[Place]) -> Result<Vec<Seen>, StoreError> {
        let mut seen = vec![Seen::Absent; places.len()];
        let mut by_repo: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, place) in places.iter().enumerate() {
            by_repo.entry(&place.repo).or_default().push(at);
        }
        for (repo, positions) in by_repo {
            self.pin(repo, None).await?;
            let Some(shelf) = self.repos.get(repo) else { continue };
            let head = match &shelf.head {
                Ok(Some(head)) => head.clone(),
                // A repository that is shown not to be there holds nothing: but a private one looks the same
                // to a token without rights, so this stays unknown.
                Ok(None) => {
                    fill(&mut seen, &positions, "the repository does not exist, or the token cannot see it");
                    continue;
                }
                Err(words) => {
                    fill(&mut seen, &positions, words);
                    continue;
                }
            };
            if let Some(listed) = &shelf.listed {
                for at in positions {
                    let Some((place, slot)) = places.get(at).zip(seen.get_mut(at)) else { continue };
                    if let Some(evidence) = listed.get(&place.path) {
                        let (path, evidence) = (place.path.clone(), evidence.clone());
                        *slot = Seen::Present(Thing { path, evidence });
                    }
                }
                continue;
            }
            for positions in positions.chunks(ASKED) {
                self.ask(repo, &head, places, positions, &mut seen).await?;
            }
        }
        Ok(seen)
    }

    async fn ask(
        &self,
        repo: &str,
        head: &str,
        places: &[Place],
        positions: &[usize],
        seen: &mut [Seen],
    ) -> Result<(), StoreError> {
        let mut paths: Vec<String> =
            positions.iter().filter_map(|at| places.get(*at)).map(|place| place.path.clone()).collect();
        paths.sort();
        paths.dedup();
        match self.shelves.things(repo, head, &paths).await {
            Ok(things) => {
                let held: BTreeMap<String, Thing> =
                    things.into_iter().map(|thing| (thing.path.clone(), thing)).collect();
                for at in positions {
                    let Some((place, slot)) = places.get(*at).zip(seen.get_mut(*at)) else { continue };
                    if let Some(thing) = held.get(&place.path) {
                        *slot = Seen::Present(thing.clone());
                    }
                }
                Ok(())
            }
            Err(error) if error.code.is_some() => Err(error),
            Err(error) => {
                fill(seen, positions, &error.chain());
                Ok(())
            }
        }
    }

    /// The first bytes of an object at its repository's pinned state.
    pub(crate) async fn beginning(&self, place: &Place, most: u64) -> Result<Vec<u8>, StoreError> {
        let head = self.head_of(&place.repo).unwrap_or("main");
        self.shelves.beginning(&place.repo, head, &place.path, most).await
    }
}

fn fill(seen: &mut [Seen], positions: &[usize], words: &str) {
    for at in positions {
        if let Some(slot) = seen.get_mut(*at) {
            *slot = Seen::Unknown(words.to_owned());
        }
    }
}
