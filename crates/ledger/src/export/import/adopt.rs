//! Finds a file's bytes in the older scripts' temporary folder and shows that they are the source's.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use landfall_core::proof::{Evidence, SourceLeg};
use landfall_core::row::FileRow;
use landfall_core::{ByteSize, Hasher, RelPath, StoreError};

use crate::export::file::broken;

/// Bytes hashed at a time.
const CHUNK: usize = 512 * 1024;

/// Bytes that were shown to be a file's.
#[derive(Debug)]
pub(super) struct Bytes {
    pub(super) path: PathBuf,
    pub(super) read: Evidence,
    pub(super) leg: SourceLeg,
}

/// What lies in the temporary folder under one of a file's names.
#[derive(Debug)]
pub(super) enum Lying {
    /// The file's bytes.
    Bytes(Bytes),
    /// Something else, for this reason.
    Other(String),
    /// Nothing.
    Nothing,
}

/// A place where a file's bytes may lie.
struct Place {
    path: PathBuf,
    /// The place does not name the file for certain, so that only the published digest does.
    weak: bool,
}

/// Looks for a file's bytes. Hashing runs on a thread of its own, half a MiB at a time.
pub(super) async fn look(
    temp_dir: &Path,
    base: &RelPath,
    row: &FileRow,
    id: Option<&str>,
) -> Result<Lying, StoreError> {
    let places = places(temp_dir, base, row, id);
    let published = Evidence { size: row.entry.size, digests: row.entry.digests.clone() };
    let work = move || search(&places, &published);
    tokio::task::spawn_blocking(work).await.map_err(|e| broken("hash", e))
}

/// Older scripts kept the tree, or named files by id, or by their name alone.
fn places(temp_dir: &Path, base: &RelPath, row: &FileRow, id: Option<&str>) -> Vec<Place> {
    let mut places = Vec::new();
    let mut add = |path: &str, weak| {
        if let Some(below) = below(temp_dir, path) {
            places.push(Place { path: below, weak });
        }
    };
    let name = row.entry.name.as_str();
    if let Some(path) = row.path() {
        add(path.as_str(), path.as_str() == name);
        if let Some(inner) = path.below(base).filter(|_| !base.is_root()) {
            add(inner.as_str(), inner.as_str() == name);
        }
    }
    if let Some(id) = id {
        add(id, false);
        add(&format!("{id}_{name}"), false);
        if let Some((_, extension)) = name.rsplit_once('.') {
            add(&format!("{id}.{extension}"), false);
        }
    }
    add(name, true);
    places
}

/// Joins a remote path to the folder; `None` where it would lead out of it.
fn below(temp_dir: &Path, path: &str) -> Option<PathBuf> {
    let path = RelPath::new(path).ok().filter(|p| !p.is_root())?;
    let mut joined = temp_dir.to_owned();
    for segment in path.segments() {
        let mut parts = Path::new(segment).components();
        let (Some(Component::Normal(part)), None) = (parts.next(), parts.next()) else { return None };
        joined.push(part);
    }
    Some(joined)
}

fn search(places: &[Place], published: &Evidence) -> Lying {
    let mut other = None;
    for place in places {
        match examine(place, published) {
            Lying::Bytes(bytes) => return Lying::Bytes(bytes),
            Lying::Other(why) => other = other.or(Some(format!("{}: {why}", place.path.display()))),
            Lying::Nothing => {}
        }
    }
    other.map_or(Lying::Nothing, Lying::Other)
}

fn examine(place: &Place, published: &Evidence) -> Lying {
    let Ok(meta) = std::fs::symlink_metadata(&place.path) else { return Lying::Nothing };
    if !meta.is_file() {
        return Lying::Nothing;
    }
    if meta.len() != published.size.0 {
        return Lying::Other(format!("{} bytes instead of {}", meta.len(), published.size.0));
    }
    let read = match hash(&place.path) {
        Ok(read) => read,
        Err(error) => return Lying::Other(format!("it cannot be read ({})", error.kind())),
    };
    match SourceLeg::judge(published, &read) {
        None => Lying::Other("its hash is not the one that the source publishes".to_owned()),
        Some(leg) if place.weak && leg != SourceLeg::Matched => Lying::Other(
            "it has the name and size, but the source publishes no hash to know it by".to_owned(),
        ),
        Some(leg) => Lying::Bytes(Bytes { path: place.path.clone(), read, leg }),
    }
}

fn hash(path: &Path) -> std::io::Result<Evidence> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0_u8; CHUNK];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Evidence { size: ByteSize(hasher.len()), digests: hasher.digests() });
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::Digests;

    use super::*;
    use crate::export::fixture::World;

    #[tokio::test]
    async fn without_a_published_hash_only_a_place_that_names_the_file_counts() {
        let world = World::crawled(&[("会議/朝会.wav", "aaa")]).await;
        let mut row = world.row("会議/朝会.wav").await;
        row.entry.digests = Digests::none();
        let temp_dir = world.path("temp_dir");
        std::fs::create_dir_all(temp_dir.join("会議")).unwrap();
        let root = RelPath::root();
        std::fs::write(temp_dir.join("朝会.wav"), "aaa").unwrap();
        let Lying::Other(why) = look(&temp_dir, &root, &row, None).await.unwrap() else { panic!("believed") };
        assert!(why.ends_with("publishes no hash to know it by"), "{why}");
        std::fs::write(temp_dir.join("01A_朝会.wav"), "bbb").unwrap();
        let Lying::Bytes(bytes) = look(&temp_dir, &root, &row, Some("01A")).await.unwrap() else {
            panic!("not found by its id")
        };
        assert_eq!(bytes.leg, SourceLeg::Unpublished);
        std::fs::write(temp_dir.join("会議/朝会.wav"), "ccc").unwrap();
        let Lying::Bytes(bytes) = look(&temp_dir, &root, &row, None).await.unwrap() else {
            panic!("not found by its path")
        };
        assert_eq!(bytes.path, temp_dir.join("会議/朝会.wav"));
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for bad in ["../a", "/etc/passwd", "", "a/../b", "a\0"] {
            assert_eq!(below(Path::new("temp_dir"), bad), None, "{bad:?}");
        }
        assert_eq!(below(Path::new("t"), "会議/朝会.wav"), Some(PathBuf::from("t/会議/朝会.wav")));
    }
}
