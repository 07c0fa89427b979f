//! The search for one media file of a post through all naming eras.

use std::collections::BTreeSet;
use std::io;

use std::sync::PoisonError;

use landfall_core::RelPath;

use super::super::names::{
    Era, Folder, MediaName, folder_of_url, identity, key_in, sanitised, username_fault,
};
use super::super::post::Post;
use super::super::source::Wanted;
use super::{LocalFile, LocalFiles, is_absent};

/// A file of the post, with what its name says.
struct Candidate {
    file: LocalFile,
    name: MediaName,
    /// The user's folder it lies in; numbering is one matter in each.
    within: String,
}

impl LocalFiles {
    /// Finds the local file of one media of a post: by its recorded path, then by the post's id through
    /// every era, the plain size being the check where it is known.
    ///
    /// Two that fit are both given. Blocking: it reads folders.
    ///
    /// # Errors
    /// Where a folder cannot be read: nothing may be concluded then.
    pub fn find(&self, post: &Post, wanted: &Wanted) -> io::Result<Vec<LocalFile>> {
        let recorded = self.recorded(post, wanted)?;
        if !recorded.is_empty() {
            return Ok(recorded);
        }
        let all = self.candidates(post)?;
        let chosen: Vec<&Candidate> = match &wanted.name {
            Some(name) => named(&all, name),
            None => all.iter().filter(|one| is_numbered(one, &all, post, wanted)).collect(),
        };
        let mut found: Vec<LocalFile> = Vec::new();
        for one in chosen {
            if wanted.plain_size.is_none_or(|size| size == one.file.size.0) {
                found.push(one.file.clone());
            }
        }
        // The right size under a wrong number is still an answer where nothing else fits.
        if found.is_empty() && wanted.plain_size.is_some() {
            found.extend(
                all.iter()
                    .filter(|one| wanted.plain_size == Some(one.file.size.0))
                    .map(|one| one.file.clone()),
            );
        }
        // A file without bytes is only named where there is no other.
        if found.iter().any(|file| file.size.0 > 0) {
            found.retain(|file| file.size.0 > 0);
        }
        found.dedup_by(|a, b| (a.root, &a.path) == (b.root, &b.path));
        Ok(found)
    }

    /// The recorded paths that are meant and that are there.
    fn recorded(&self, post: &Post, wanted: &Wanted) -> io::Result<Vec<LocalFile>> {
        let Some(list) = &post.local else { return Ok(Vec::new()) };
        let mut found: Vec<LocalFile> = Vec::new();
        let (mut bases, mut numbers) = (BTreeSet::new(), Vec::new());
        for recorded in &list.items {
            let Ok((root, path)) = self.locate(recorded) else { continue };
            let name = MediaName::of(path.name(), &post.id);
            bases.insert(name.as_ref().and_then(|n| n.index));
            numbers.push((root, path, name));
        }
        let alone = list.items.len() == 1 && wanted.count(post) == 1;
        // Counted from 0 for each kind, a picture and a video of one post differ by their extension only.
        let exact = |path: &RelPath| wanted.name.as_deref() == Some(path.name());
        let exactly = numbers.iter().any(|(_, path, _)| exact(path));
        let from_zero = bases.contains(&Some(0));
        for (root, path, name) in numbers {
            let meant = match (&wanted.name, name) {
                (Some(_), _) if exactly => exact(&path),
                (Some(wanted), _) => identity(path.name()) == identity(wanted),
                (None, Some(name)) => alone || matches_number(&name, root, from_zero, post, wanted),
                (None, None) => alone,
            };
            if !meant {
                continue;
            }
            let file = self.look(root, &path, Era::Recorded)?;
            found.extend(file.filter(|file| wanted.plain_size.is_none_or(|size| size == file.size.0)));
        }
        if found.iter().any(|file| file.size.0 > 0) {
            found.retain(|file| file.size.0 > 0);
        }
        found.dedup_by(|a, b| (a.root, &a.path) == (b.root, &b.path));
        Ok(found)
    }

    /// Every local file that carries the post's id, in the folders of all eras.
    fn candidates(&self, post: &Post) -> io::Result<Vec<Candidate>> {
        let early = post.display.as_deref().map(sanitised);
        let mut folders: Vec<(String, Era)> = Vec::new();
        for (name, era) in [(Some(post.username.clone()), Era::Numbered), (early, Era::Early)] {
            let Some(name) = name.filter(|name| username_fault(name).is_none()) else { continue };
            if !folders.iter().any(|(known, _)| *known == name) {
                folders.push((name.clone(), era));
            }
            if username_fault(&post.id).is_none() {
                folders.push((format!("{name}/{}", post.id), Era::LogOnly));
            }
        }
        let mut all = Vec::new();
        for root in [Folder::Images, Folder::Videos] {
            let dir = match self.root(root).dir(false) {
                Ok(dir) => dir,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(error),
            };
            for (within, era) in &folders {
                let Ok(path) = RelPath::new(within.as_str()) else { continue };
                let names = {
                    let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
                    index.of(root, &dir, &path, &post.id)?
                };
                for name in names {
                    let (Ok(path), Some(parsed)) = (path.join(&name), MediaName::of(&name, &post.id)) else {
                        continue;
                    };
                    let era = if parsed.key.is_some() { Era::Keyed } else { *era };
                    if let Some(file) = self.look(root, &path, era)? {
                        all.push(Candidate { file, name: parsed, within: within.clone() });
                    }
                }
            }
        }
        Ok(all)
    }
}

/// Files of this name; failing that, those that differ by the extension only.
fn named<'a>(all: &'a [Candidate], name: &str) -> Vec<&'a Candidate> {
    let plain = name.strip_suffix(".enc").unwrap_or(name);
    let exact: Vec<&Candidate> =
        all.iter().filter(|one| one.file.path.name() == plain || one.file.path.name() == name).collect();
    if !exact.is_empty() {
        return exact;
    }
    all.iter().filter(|one| identity(one.file.path.name()) == identity(name)).collect()
}

/// True where a file's number, counted as its siblings show, is that of the wanted media.
fn is_numbered(one: &Candidate, all: &[Candidate], post: &Post, wanted: &Wanted) -> bool {
    if let (Some(key), Some(wanted)) = (&one.name.key, wanted.url(post).and_then(key_in)) {
        return *key == wanted;
    }
    let from_zero = one.file.era == Era::Early
        || all.iter().any(|other| other.within == one.within && other.name.index == Some(0));
    matches_number(&one.name, one.file.root, from_zero, post, wanted)
}

fn matches_number(name: &MediaName, root: Folder, from_zero: bool, post: &Post, wanted: &Wanted) -> bool {
    let (Some(index), Some(number)) = (name.index, wanted.index) else { return false };
    let folder = wanted.folder_in(post);
    if !from_zero && !name.video {
        return index == number;
    }
    // From 0, pictures and videos each for themselves.
    let root = if name.video { Folder::Videos } else { root };
    folder.is_none_or(|folder| folder == root)
        && wanted.place_in_kind(post).is_none_or(|place| place == index)
}

impl Wanted {
    /// The distinct media URLs of the post, in order.
    #[must_use]
    pub fn media(post: &Post) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        post.media.items.iter().map(String::as_str).filter(|url| seen.insert(*url)).collect()
    }

    fn count(&self, post: &Post) -> usize {
        Self::media(post).len().max(1)
    }

    /// The recorded URL of the wanted media.
    pub(crate) fn url<'a>(&self, post: &'a Post) -> Option<&'a str> {
        let at = usize::try_from(self.index?.checked_sub(1)?).ok()?;
        Self::media(post).get(at).copied()
    }

    fn folder_in(&self, post: &Post) -> Option<Folder> {
        self.folder.or_else(|| self.url(post).map(folder_of_url))
    }

    /// Its number from 0 among the media of its kind.
    fn place_in_kind(&self, post: &Post) -> Option<u32> {
        let folder = self.folder_in(post)?;
        let number = usize::try_from(self.index?).ok()?;
        let media = Self::media(post);
        if media.is_empty() {
            return self.index?.checked_sub(1);
        }
        let before = media.iter().take(number.checked_sub(1)?).filter(|url| folder_of_url(url) == folder);
        u32::try_from(before.count()).ok()
    }
}
