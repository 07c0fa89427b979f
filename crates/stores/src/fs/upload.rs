//! One upload into a folder: a hidden part, synced in steps, then a name that overwrites nothing.
//!
//! The part lies in `.landfall/parts` under a hash of the memo key, so a kill leaves nothing that could
//! be taken for content, and the next process finds it again. It is given its name by a hard link,
//! which fails where something stands. A replaced file is linked into `.landfall/replaced` first.

use std::io::{self, ErrorKind as Io, Seek, SeekFrom, Write};
use std::sync::Arc;

use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions};
use landfall_core::memo::MemoKey;
use landfall_core::state::Reason;
use landfall_core::store::{Content, Found, Landed, Put};
use landfall_core::{ErrorKind, RelPath, StoreError, Times};
use sha2::{Digest as _, Sha256};

use super::destination::{holding, standing};
use super::errors::{Side, blocking};
use super::names::OURS;
use super::place::{folder, is_same, revision, set_times, sync};

/// Undo folders that are tried for one path before the replacement is refused.
const UNDOS: u32 = 10_000;

/// What an upload needs to know, shared with the blocking threads.
#[derive(Debug)]
struct Ground {
    ours: Dir,
    parent: Dir,
    path: RelPath,
    /// Names the part; of a fixed length, without a path in it.
    hash: String,
    /// The revision of the file to be replaced; `None` where nothing is.
    replaces: Option<String>,
    links: bool,
}

/// An upload that has begun.
#[derive(Debug)]
pub(super) struct Upload {
    ground: Arc<Ground>,
    /// The answer, where there is nothing to be sent.
    settled: Option<Landed>,
}

/// The names of one upload's own files within `.landfall`.
fn part(hash: &str) -> String {
    format!("parts/{hash}.part")
}

/// Keeps how much of the part was synced, so that zeros of a power cut are not taken for content.
fn at(hash: &str) -> String {
    format!("parts/{hash}.at")
}

fn claim(hash: &str) -> String {
    format!("parts/{hash}.claim")
}

/// Keeps the revision of the file that an upload replaces, so that a repeated upload knows its own work.
fn was(hash: &str) -> String {
    format!("replaced/{hash}.was")
}

fn hash_of(memo: &MemoKey) -> String {
    let name = format!("{}/{}/{}", memo.job, memo.kind, memo.key);
    Sha256::digest(name).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != Io::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == Io::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes what an upload left unfinished. A claimed name that holds nothing yet is given free.
pub(super) fn forget(root: &Dir, memo: &MemoKey) -> io::Result<()> {
    let ours = root.open_dir(OURS)?;
    let hash = hash_of(memo);
    if let Some(claimed) = found(ours.read_to_string(claim(&hash)))?
        && let Ok(path) = RelPath::new(claimed)
        && let Some(above) = path.parent()
        && let Some(above) = found(folder(root, &above))?
        && let Some(metadata) = found(above.symlink_metadata(path.name()))?
        && metadata.is_file()
        && metadata.len() == 0
    {
        gone(above.remove_file(path.name()))?;
    }
    remove_part(&ours, &hash)?;
    gone(ours.remove_file(claim(&hash)))
}

fn remove_part(ours: &Dir, hash: &str) -> io::Result<()> {
    gone(ours.remove_file(at(hash)))?;
    gone(ours.remove_file(part(hash)))
}

impl Upload {
    /// Looks at what stands under the name and makes the ground ready.
    pub(super) fn begin(
        root: &Dir,
        path: RelPath,
        memo: &MemoKey,
        replaces: Option<&str>,
        resumed: bool,
        links: bool,
    ) -> io::Result<Self> {
        root.create_dir_all(format!("{OURS}/parts"))?;
        let above = path.parent().ok_or(Io::InvalidInput)?;
        let mut ground = Ground {
            ours: root.open_dir(OURS)?,
            parent: folder(root, &above)?,
            path,
            hash: hash_of(memo),
            replaces: None,
            links,
        };
        let settled = ground.judge(replaces, resumed)?;
        if settled.is_some() || !resumed {
            // A new part is a new inode, so that a late write of a cancelled attempt goes nowhere.
            remove_part(&ground.ours, &ground.hash)?;
        }
        Ok(Self { ground: Arc::new(ground), settled })
    }

    /// Sends the content and gives the part its name.
    pub(super) async fn run(self, put: Put<'_>, step: u64) -> Result<Landed, StoreError> {
        if let Some(landed) = self.settled {
            return Ok(landed);
        }
        let ground = self.ground;
        let subject = put.path.as_str().to_owned();
        let size = put.content.size().0;
        let opened = Arc::clone(&ground);
        let (file, from) =
            blocking(Side::Destination, "upload", &subject, move || opened.open_part(size)).await?;
        let mut part = Part { ground, file: Some(file), at: from, synced: from, step, subject };
        if from > 0 {
            put.content.seek(from).await?;
        }
        let sent = async {
            part.fill(put.content, size).await?;
            put.content.finish().await
        };
        if let Err(error) = sent.await {
            if matches!(error.kind, ErrorKind::Changed | ErrorKind::Corrupt) {
                part.discard().await?;
            }
            return Err(error);
        }
        part.publish(put.times).await
    }
}

/// The part under way. Its file is on a blocking thread while a call runs.
struct Part {
    ground: Arc<Ground>,
    file: Option<std::fs::File>,
    at: u64,
    synced: u64,
    step: u64,
    subject: String,
}

impl Part {
    async fn fill(&mut self, content: &mut dyn Content, size: u64) -> Result<(), StoreError> {
        while let Some(bytes) = content.next().await? {
            if bytes.len() as u64 > size.saturating_sub(self.at) {
                return Err(self.changed("more bytes came than were promised"));
            }
            self.write(bytes).await?;
            if self.synced == self.at {
                content.confirmed(self.at).await?;
            }
        }
        if self.at == size { Ok(()) } else { Err(self.changed("fewer bytes came than were promised")) }
    }

    /// Writes one piece, and syncs where a step is full.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let end = self.at + bytes.len() as u64;
        let sync = end - self.synced >= self.step;
        let ground = Arc::clone(&self.ground);
        let mut file = self.take()?;
        let written = blocking(Side::Destination, "upload", &self.subject, move || {
            file.write_all(&bytes)?;
            if sync {
                file.sync_data()?;
                ground.ours.write(at(&ground.hash), end.to_string())?;
            }
            Ok(file)
        });
        self.file = Some(written.await?);
        self.at = end;
        if sync {
            self.synced = end;
        }
        Ok(())
    }

    async fn publish(mut self, times: Times) -> Result<Landed, StoreError> {
        let (file, ground) = (self.take()?, Arc::clone(&self.ground));
        blocking(Side::Destination, "upload", &self.subject, move || {
            set_times(&file, times)?;
            file.sync_all()?;
            drop(file);
            ground.publish()
        })
        .await
    }

    async fn discard(&mut self) -> Result<(), StoreError> {
        self.file = None;
        let ground = Arc::clone(&self.ground);
        blocking(Side::Destination, "abandon", &self.subject, move || remove_part(&ground.ours, &ground.hash))
            .await
    }

    fn take(&mut self) -> Result<std::fs::File, StoreError> {
        let lost =
            || StoreError::new(ErrorKind::Stopped, "upload", self.subject.clone(), "it broke off earlier");
        self.file.take().ok_or_else(lost)
    }

    fn changed(&self, detail: &str) -> StoreError {
        StoreError::new(ErrorKind::Changed, "upload", self.subject.clone(), detail)
            .with_reason(Reason::SourceChanged)
    }
}

impl Ground {
    fn name(&self) -> &str {
        self.path.name()
    }

    /// The answer where nothing is to be sent: the name is taken, by others or by our own earlier work.
    fn judge(&mut self, replaces: Option<&str>, resumed: bool) -> io::Result<Option<Landed>> {
        let Some(there) = found(self.parent.symlink_metadata(self.name()))? else { return Ok(None) };
        let occupied = Some(Landed::Occupied(standing(&self.path, &there)));
        if resumed {
            // Linked, and killed before the part's own name was removed.
            let part = found(self.ours.symlink_metadata(part(&self.hash)))?;
            if part.as_ref().is_some_and(|part| is_same(part, &there)) {
                return Ok(Some(Landed::Held(holding(&self.path, &there))));
            }
            if part.is_some() && there.len() == 0 && self.has_claimed()? {
                return Ok(None);
            }
        }
        if replaces != Some(self.path.as_str()) || !there.is_file() {
            return Ok(occupied);
        }
        let present = revision(&there).0;
        if resumed
            && let Some(was) = found(self.ours.read_to_string(was(&self.hash)))?
            && was != present
        {
            return Ok(occupied);
        }
        self.ours.create_dir_all("replaced")?;
        self.ours.write(was(&self.hash), &present)?;
        self.replaces = Some(present);
        Ok(None)
    }

    fn has_claimed(&self) -> io::Result<bool> {
        let claimed = found(self.ours.read_to_string(claim(&self.hash)))?;
        Ok(claimed.is_some_and(|path| path == self.path.as_str()))
    }

    /// Opens the part where it was last synced; beyond that, a power cut may have left zeros.
    fn open_part(&self, size: u64) -> io::Result<(std::fs::File, u64)> {
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        let mut file = self.ours.open_with(part(&self.hash), &options)?.into_std();
        let length = file.metadata()?.len();
        let synced =
            found(self.ours.read_to_string(at(&self.hash)))?.and_then(|text| text.parse::<u64>().ok());
        let from = synced.filter(|synced| *synced <= length && *synced <= size).unwrap_or(0);
        file.set_len(from)?;
        file.seek(SeekFrom::Start(from))?;
        Ok((file, from))
    }

    /// Gives the finished part its name, durably.
    fn publish(&self) -> io::Result<Landed> {
        let part = part(&self.hash);
        if let Some(old) = &self.replaces {
            match found(self.parent.symlink_metadata(self.name()))? {
                Some(there) if revision(&there).0 != *old => return self.occupied(),
                Some(_) if self.keep_old()? => {
                    self.ours.rename(&part, &self.parent, self.name())?;
                    return self.held();
                }
                _ => {}
            }
        }
        if self.links {
            match self.ours.hard_link(&part, &self.parent, self.name()) {
                Ok(()) => return self.held(),
                Err(error) if error.kind() == Io::AlreadyExists && !self.has_claimed()? => {
                    return self.occupied();
                }
                Err(error) if error.kind() == Io::CrossesDevices => return Err(error),
                // No links here (FAT), or no more of them: the name is claimed instead.
                Err(_) => {}
            }
        }
        self.claim_name()
    }

    /// Takes the name with an empty file, noting before whose it is, and puts the part over it.
    fn claim_name(&self) -> io::Result<Landed> {
        let claimed_before = self.has_claimed()?;
        self.ours.write(claim(&self.hash), self.path.as_str())?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        match self.parent.open_with(self.name(), &options) {
            Ok(empty) => drop(empty),
            Err(error) if error.kind() != Io::AlreadyExists => return Err(error),
            Err(_) => {
                let there = self.parent.symlink_metadata(self.name())?;
                if !(claimed_before && there.is_file() && there.len() == 0) {
                    return self.occupied();
                }
            }
        }
        self.ours.rename(part(&self.hash), &self.parent, self.name())?;
        self.held()
    }

    /// Keeps the file that is to be replaced as `replaced/<n>/<path>`. False where it had to be moved
    /// away instead of linked, so that the name is free now.
    fn keep_old(&self) -> io::Result<bool> {
        let there = self.parent.symlink_metadata(self.name())?;
        for n in 1..=UNDOS {
            let above = self.path.parent().filter(|above| !above.is_root());
            let above = above.map_or(format!("replaced/{n}"), |above| format!("replaced/{n}/{above}"));
            let undo = format!("{above}/{}", self.name());
            if let Some(kept) = found(self.ours.symlink_metadata(&undo))? {
                if is_same(&kept, &there) {
                    return Ok(true);
                }
                continue;
            }
            self.ours.create_dir_all(&above)?;
            if self.links && self.parent.hard_link(self.name(), &self.ours, &undo).is_ok() {
                sync(&self.ours.open_dir(&above)?)?;
                return Ok(true);
            }
            self.parent.rename(self.name(), &self.ours, &undo)?;
            sync(&self.ours.open_dir(&above)?)?;
            return Ok(false);
        }
        Err(io::Error::other("too many replaced versions of this file are kept"))
    }

    fn held(&self) -> io::Result<Landed> {
        sync(&self.parent)?;
        self.tidy()?;
        let there = self.parent.symlink_metadata(self.name())?;
        Ok(Landed::Held(holding(&self.path, &there)))
    }

    fn occupied(&self) -> io::Result<Landed> {
        self.tidy()?;
        let there = self.parent.symlink_metadata(self.name())?;
        let found: Found = standing(&self.path, &there);
        Ok(Landed::Occupied(found))
    }

    fn tidy(&self) -> io::Result<()> {
        remove_part(&self.ours, &self.hash)?;
        gone(self.ours.remove_file(claim(&self.hash)))
    }
}
