//! Where an object may lie whose recorded place is empty: other prefixes, other repositories, its sealed name.
//!
//! The candidates of many claims are asked for together, so that finding wrong prefixes costs a handful of
//! requests and never a listing of every repository.

use std::collections::BTreeSet;

use landfall_core::StoreError;
use landfall_stores::catalogue::{Kinds, Post, identity};

use super::Judged;
use crate::Archive;
use crate::claim::{Name, Place, belongs, kind_of, name_of};
use crate::finding::Finding;
use crate::look::{Looker, Seen};

/// Repositories that may hold an object: those that the database names, and the job's own.
pub(super) fn repos<'a>(named: impl Iterator<Item = &'a String>, family: &[String]) -> Vec<String> {
    let all: BTreeSet<String> = named.cloned().chain(family.iter().cloned()).collect();
    all.into_iter().collect()
}

/// Folders that a user's files of one kind were put into over the years (reference/media-catalogue.md 1.4, 1.5).
fn folders(kind: Option<Kinds>, user: &str) -> Vec<String> {
    let words: &[&str] = match kind {
        Some(Kinds::Images) => &["images"],
        Some(Kinds::Videos) => &["videos"],
        None => &["images", "videos"],
    };
    words
        .iter()
        .flat_map(|word| {
            [format!("encrypted_{word}/{user}"), format!("batch_encrypted/{user}/encrypted_{word}/{user}")]
        })
        .collect()
}

impl Archive {
    /// Plain names that a claim may be about.
    pub(crate) fn plain_names(&self, judged: &Judged, post: &Post) -> Vec<String> {
        let Some(place) = &judged.claim.place else { return Vec::new() };
        match name_of(place, self.seal.as_deref()) {
            Name::Sealed(name) | Name::Enc(name) | Name::Plain(name) if belongs(&name, &post.id) => {
                vec![name]
            }
            // The name is another post's, or unreadable: whatever of this post no other claim is about.
            _ => self.unclaimed(post),
        }
    }

    /// Plain names of a post's files that none of its recorded URLs names.
    pub(crate) fn unclaimed(&self, post: &Post) -> Vec<String> {
        let recorded = self.recorded_names(post);
        let claimed: BTreeSet<_> = recorded.iter().map(|name| identity(name)).collect();
        let mut names = plain_names(post);
        names.retain(|name| !claimed.contains(&identity(name)));
        names
    }

    /// Plain names that a post's recorded URLs show, with `.enc` where they lie so; other posts' names among them.
    fn recorded_names(&self, post: &Post) -> Vec<String> {
        let places = post.hub.items.iter().filter_map(|url| self.shelves.parse(url));
        places
            .filter_map(|place| match name_of(&place, self.seal.as_deref()) {
                Name::Sealed(name) | Name::Plain(name) => Some(name),
                Name::Enc(name) => Some(format!("{name}.enc")),
                Name::Unreadable => None,
            })
            .collect()
    }

    /// Plain names of a post's files, as its recorded URLs and its local files show them.
    pub(crate) fn known_names(&self, post: &Post) -> Vec<String> {
        let mut names = self.recorded_names(post);
        names.retain(|name| belongs(name, &post.id));
        names.extend(local_names(post));
        names
    }

    /// Places where the object of a claim may lie, the likeliest first.
    pub(crate) fn candidates(&self, judged: &Judged, post: &Post, repos: &[String]) -> Vec<Place> {
        let Some(place) = &judged.claim.place else { return Vec::new() };
        let mut names = Vec::new();
        let readable = !matches!(name_of(place, self.seal.as_deref()), Name::Plain(_));
        if readable && judged.finding != Some(Finding::Mispaired) {
            names.push(place.name().to_owned());
        }
        if let Some(seal) = &self.seal {
            let plain = self.plain_names(judged, post);
            names.extend(plain.iter().filter_map(|name| seal.name(name).ok()));
        }
        names.dedup();
        let users: BTreeSet<&str> =
            [place.folder(), post.username.as_str()].into_iter().filter(|user| is_folder(user)).collect();
        let mut places = Vec::new();
        let first = std::iter::once(&place.repo).filter(|repo| repos.contains(repo));
        for repo in first.chain(repos.iter().filter(|repo| **repo != place.repo)) {
            for name in &names {
                for user in &users {
                    let all = folders(kind_of(&place.path), user);
                    places.extend(all.into_iter().map(|folder| Place::new(repo, format!("{folder}/{name}"))));
                }
            }
        }
        places.retain(|candidate| candidate != place);
        places
    }

    /// Looks for the objects of claims elsewhere, and keeps what became of them.
    pub(super) async fn look_elsewhere(
        &self,
        pool: Vec<(Judged, Post)>,
        repos: &[String],
        looker: &mut Looker,
    ) -> Result<(), StoreError> {
        let judged = self.find_elsewhere(pool, repos, looker).await?;
        let mut looks = Vec::with_capacity(judged.len());
        for (judged, _) in judged {
            looks.push(self.look_of(judged).await?);
        }
        self.engine.ledger.looked(&self.job.handle, looks).await
    }

    /// Looks for the objects of claims elsewhere: what is found there stands on the claim.
    pub(crate) async fn find_elsewhere(
        &self,
        mut pool: Vec<(Judged, Post)>,
        repos: &[String],
        looker: &mut Looker,
    ) -> Result<Vec<(Judged, Post)>, StoreError> {
        let per_claim: Vec<Vec<Place>> =
            pool.iter().map(|(judged, post)| self.candidates(judged, post, repos)).collect();
        let all: Vec<Place> = per_claim.iter().flatten().cloned().collect();
        let mut seen = looker.look(&all).await?.into_iter();
        for ((judged, _), places) in pool.iter_mut().zip(per_claim) {
            for place in places {
                let answer = seen.next();
                if matches!(answer, Some(Seen::Present(_))) {
                    judged.found.push(place);
                }
            }
            if !judged.found.is_empty() && judged.finding == Some(Finding::Absent) {
                judged.finding = Some(Finding::WrongPath);
            }
        }
        Ok(pool)
    }
}

/// Names of a post's files as they are recorded locally.
pub(crate) fn local_names(post: &Post) -> Vec<String> {
    let local = post.local.as_ref().map(|list| list.items.as_slice()).unwrap_or_default();
    local
        .iter()
        .map(|path| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned())
        .filter(|name| belongs(name, &post.id))
        .collect()
}

/// Plain names that a post's files have or may have: those recorded locally, else what the naming eras
/// would have called its media (reference/media-catalogue.md 1.2: counted from 1 over all media, or from 0
/// for each kind).
pub(crate) fn plain_names(post: &Post) -> Vec<String> {
    let names = local_names(post);
    if !names.is_empty() {
        return names;
    }
    let (mut images, mut videos) = (0, 0);
    let mut ones = Vec::new();
    let mut zeros = Vec::new();
    for (at, url) in post.media.items.iter().enumerate() {
        let extension = extension_of(url);
        let own = if extension == "jpg" || extension == "png" || extension == "webp" {
            images += 1;
            images - 1
        } else {
            videos += 1;
            videos - 1
        };
        ones.push(format!("{}_{}.{extension}", post.id, at + 1));
        zeros.push(format!("{}_{own}.{extension}", post.id));
    }
    ones.extend(zeros);
    ones.dedup();
    ones
}

/// The extension that a media URL promises; only its content decides.
pub(crate) fn extension_of(url: &str) -> &'static str {
    let lower = url.to_lowercase();
    let path = lower.split(['?', '#']).next().unwrap_or_default();
    let path = path.split(":orig").next().unwrap_or_default();
    let query = lower.split_once("format=").map(|(_, rest)| rest.split('&').next().unwrap_or_default());
    match query.or_else(|| path.rsplit_once('.').map(|(_, extension)| extension)) {
        Some("png") => "png",
        Some("webp") => "webp",
        Some("gif") => "gif",
        Some("mp4" | "m3u8") => "mp4",
        _ => "jpg",
    }
}

/// True for what can be one folder's name: everything recorded is hostile.
fn is_folder(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}
