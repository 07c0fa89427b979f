//! Folders and files below one root, opened segment by segment without following a link.

use std::io::{self, ErrorKind as Io, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use futures_util::stream;
use jiff::Timestamp;
use landfall_core::digest::Digests;
use landfall_core::store::{Authors, Entry};
use landfall_core::transport::{Body, Stage, TransportError};
use landfall_core::words::{ItemKey, Revision};
use landfall_core::{ByteSize, RelPath, Times};

/// The largest piece read at once.
const PIECE: u64 = 512 * 1024;

/// The root folder, opened when it is first needed, so that a plan makes no folder.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    dir: Mutex<Option<Arc<Dir>>>,
}

impl Root {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, dir: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Opens the root; with `make`, makes it and what is missing above it.
    pub(super) fn dir(&self, make: bool) -> io::Result<Arc<Dir>> {
        let mut kept = self.dir.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = kept.as_ref() {
            return Ok(Arc::clone(dir));
        }
        if make {
            std::fs::create_dir_all(&self.path)?;
        }
        let dir = Arc::new(Dir::open_ambient_dir(&self.path, ambient_authority())?);
        *kept = Some(Arc::clone(&dir));
        Ok(dir)
    }
}

/// A key as a path; keys come back from a ledger, so they are judged again.
pub(super) fn path_of(key: &str) -> io::Result<RelPath> {
    RelPath::new(key).map_err(|error| io::Error::new(Io::InvalidInput, error))
}

/// Opens a folder below the root. A link on the way is no folder.
pub(super) fn folder(root: &Dir, path: &RelPath) -> io::Result<Dir> {
    let mut dir = root.try_clone()?;
    for segment in path.segments() {
        if !dir.symlink_metadata(segment)?.is_dir() {
            return Err(Io::NotADirectory.into());
        }
        dir = dir.open_dir(segment)?;
    }
    Ok(dir)
}

/// Opens a path's folder; gives its name too.
pub(super) fn parent(root: &Dir, path: &RelPath) -> io::Result<(Dir, String)> {
    let above = path.parent().ok_or(Io::InvalidInput)?;
    Ok((folder(root, &above)?, path.name().to_owned()))
}

/// What stands at a path, the link itself where it is one.
pub(super) fn look(root: &Dir, path: &RelPath) -> io::Result<Metadata> {
    let (dir, name) = parent(root, path)?;
    dir.symlink_metadata(name)
}

/// The key of a name in the folder of this key; the root's is empty here.
pub(super) fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// What changes when a file does: modification time in nanoseconds, size, and the inode where there is one.
pub(super) fn revision(metadata: &Metadata) -> Revision {
    #[cfg(unix)]
    let node = cap_std::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let node = 0;
    let modified = modified(metadata).map_or(0, Timestamp::as_nanosecond);
    Revision(format!("{modified}-{}-{node:x}", metadata.len()))
}

/// True where both are one file under two names; never where the platform has no inodes.
pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt;
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        false
    }
}

fn modified(metadata: &Metadata) -> Option<Timestamp> {
    Timestamp::try_from(metadata.modified().ok()?.into_std()).ok()
}

pub(super) fn times(metadata: &Metadata) -> Times {
    let created = metadata.created().ok().and_then(|at| Timestamp::try_from(at.into_std()).ok());
    Times { created, modified: modified(metadata) }.whole_seconds()
}

pub(super) fn entry(parent: &str, key: String, name: String, metadata: &Metadata) -> Entry {
    Entry {
        key: ItemKey(key),
        parent: parent_key(parent),
        name,
        size: ByteSize(metadata.len()),
        times: times(metadata),
        revision: Some(revision(metadata)),
        digests: Digests::none(),
        authors: Authors::default(),
    }
}

pub(super) fn parent_key(parent: &str) -> Option<ItemKey> {
    (!parent.is_empty()).then(|| ItemKey::from(parent))
}

/// Makes what stands in a folder durable, where the platform can.
pub(super) fn sync(dir: &Dir) -> io::Result<()> {
    #[cfg(unix)]
    dir.open(".")?.into_std().sync_all()?;
    let _ = dir;
    Ok(())
}

/// Sets the times that are given; the platform decides whether a creation time can be set.
pub(super) fn set_times(file: &std::fs::File, times: Times) -> io::Result<()> {
    let mut set = std::fs::FileTimes::new();
    if let Some(modified) = times.modified {
        set = set.set_modified(modified.into());
    }
    #[cfg(any(windows, target_vendor = "apple"))]
    if let Some(created) = times.created {
        #[cfg(target_vendor = "apple")]
        use std::os::darwin::fs::FileTimesExt;
        #[cfg(windows)]
        use std::os::windows::fs::FileTimesExt;
        set = set.set_created(created.into());
    }
    file.set_times(set)
}

/// A plain file's bytes from an offset on, at most `most` of them.
pub(super) fn body(mut file: std::fs::File, from: u64, most: u64) -> io::Result<Body> {
    file.seek(SeekFrom::Start(from))?;
    Ok(Box::pin(stream::try_unfold((file, most), piece)))
}

type Reading = (std::fs::File, u64);

/// Reads the next piece; the file travels to the blocking thread and back.
async fn piece((mut file, left): Reading) -> Result<Option<(Bytes, Reading)>, TransportError> {
    let broken = |detail: String| TransportError { stage: Stage::Body, detail };
    let want = left.min(PIECE);
    let read = tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(usize::try_from(want).unwrap_or_default());
        let read = (&mut file).take(want).read_to_end(&mut piece);
        read.map(|_| (Bytes::from(piece), file))
    });
    let (piece, file) = read.await.map_err(|e| broken(e.to_string()))?.map_err(|e| broken(e.to_string()))?;
    let left = left.saturating_sub(piece.len() as u64);
    Ok((!piece.is_empty()).then_some((piece, (file, left))))
}

/// Opens a plain file for reading. Whatever else stands there is not opened: a pipe would wait for ever.
pub(super) fn open_plain(root: &Dir, path: &RelPath) -> io::Result<(std::fs::File, Metadata)> {
    let (dir, name) = parent(root, path)?;
    if !dir.symlink_metadata(&name)?.is_file() {
        return Err(io::Error::new(Io::InvalidInput, "it is not a plain file"));
    }
    let file = dir.open(&name)?;
    let metadata = file.metadata()?;
    Ok((file.into_std(), metadata))
}
