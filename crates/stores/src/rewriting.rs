//! Files that a service rewrote (`landfall-rewrite`) as the engine asks for them.
//!
//! Owns where the bytes wait while they are judged: small files in memory, larger ones in a file without a name, which
//! ends with the process whatever ends it. Refuses to know what a part is.

use std::io::{Cursor, Read as _, SeekFrom, Write as _};
use std::path::PathBuf;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use landfall_core::digest::{Algo, Digest, Digests};
use landfall_core::proof::Evidence;
use landfall_core::rewriting::{Kept, Rewriting, Shown};
use landfall_core::store::Reread;
use landfall_core::{ByteSize, ErrorKind, StoreError};
use landfall_rewrite::{Format, Limits, Mark, Parts, ReadSeek, Rewrite, RewriteError};

/// Up to this size a file waits in memory and is judged where it is asked for.
const SMALL: usize = 8 << 20;
/// Bodies that break are opened again this often.
const REOPENINGS: u32 = 5;
/// The longest list of parts in words.
const NAMED: usize = 20;

/// Judges rewritten files; large ones wait in a folder.
#[derive(Clone, Debug)]
pub struct PartsJudge {
    folder: PathBuf,
}

impl PartsJudge {
    /// Takes the folder in which large files wait; it must be there.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Reads all of a body, opening it again where it breaks off.
    async fn fetch(&self, name: &str, from: &dyn Reread) -> Result<Waiting, StoreError> {
        let mut waiting = Waiting::Memory(Vec::new());
        let mut read = 0_u64;
        let mut broken = None;
        for _ in 0..=REOPENINGS {
            broken = None;
            let mut body = from.open(read).await?;
            while let Some(piece) = body.next().await {
                match piece {
                    Ok(bytes) => {
                        read += bytes.len() as u64;
                        waiting = waiting.add(&self.folder, &bytes).map_err(|error| kept(name, &error))?;
                    }
                    Err(error) => {
                        broken = Some(error);
                        break;
                    }
                }
            }
            if broken.is_none() {
                return Ok(waiting);
            }
        }
        let detail = broken.map_or_else(String::new, |error| error.to_string());
        Err(StoreError::new(ErrorKind::Interrupted, "read", name, detail))
    }
}

/// Bytes that wait to be judged.
enum Waiting {
    Memory(Vec<u8>),
    File(std::fs::File),
}

impl Waiting {
    fn add(self, folder: &std::path::Path, bytes: &[u8]) -> std::io::Result<Self> {
        match self {
            Self::Memory(mut held) if held.len() + bytes.len() <= SMALL => {
                held.extend_from_slice(bytes);
                Ok(Self::Memory(held))
            }
            Self::Memory(held) => {
                let mut file = tempfile::tempfile_in(folder)?;
                file.write_all(&held)?;
                file.write_all(bytes)?;
                Ok(Self::File(file))
            }
            Self::File(mut file) => {
                file.write_all(bytes)?;
                Ok(Self::File(file))
            }
        }
    }

    /// Judges: where the file is large on a thread that may wait.
    async fn judged<T: Send + 'static>(
        self,
        judge: impl FnOnce(&mut dyn ReadSeek) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        match self {
            Self::Memory(held) => Ok(judge(&mut Cursor::new(held))),
            Self::File(mut file) => {
                tokio::task::spawn_blocking(move || judge(&mut file)).await.map_err(|error| {
                    StoreError::new(ErrorKind::Interrupted, "judge", "a file", error.to_string())
                })
            }
        }
    }
}

fn kept(name: &str, error: &std::io::Error) -> StoreError {
    StoreError::new(ErrorKind::Full, "keep for a moment", name, error.to_string())
}

#[async_trait]
impl Rewriting for PartsJudge {
    async fn keep(&self, name: &str, original: &dyn Reread) -> Result<Result<Kept, String>, StoreError> {
        let waiting = self.fetch(name, original).await?;
        let file = name.to_owned();
        let outcome = waiting.judged(move |bytes| fingerprint(&file, bytes)).await?;
        match outcome {
            Ok(parts) => {
                let text = serde_json::to_string(&parts).map_err(|error| {
                    StoreError::new(ErrorKind::Rejected, "keep the parts of", name, error.to_string())
                })?;
                Ok(Ok(Kept { text, original: evidence(&parts.whole) }))
            }
            Err(Told::Words(words)) => Ok(Err(words)),
            Err(Told::Unread(detail)) => Err(unread(name, detail)),
        }
    }

    async fn compare(
        &self,
        name: &str,
        kept: &str,
        there: &dyn Reread,
    ) -> Result<Result<Shown, String>, StoreError> {
        let parts: Parts = serde_json::from_str(kept).map_err(|error| {
            StoreError::new(ErrorKind::Corrupt, "read the parts of", name, error.to_string())
        })?;
        let waiting = self.fetch(name, there).await?;
        let judged = waiting
            .judged(move |bytes| {
                landfall_rewrite::compare_parts(&parts, bytes, &Limits::default()).map_err(told)
            })
            .await?;
        match judged {
            Ok(rewrite) => Ok(Ok(Shown {
                original: evidence(&rewrite.original),
                there: evidence(&rewrite.destination),
                changes: changes(&rewrite),
            })),
            Err(Told::Words(words)) => Ok(Err(words)),
            Err(Told::Unread(detail)) => Err(unread(name, detail)),
        }
    }
}

/// What the judge said where it showed nothing.
enum Told {
    Words(String),
    Unread(String),
}

fn told(error: RewriteError) -> Told {
    match error.refusal() {
        Some(refusal) => Told::Words(refusal.to_string()),
        None => Told::Unread(error.to_string()),
    }
}

fn unread(name: &str, detail: String) -> StoreError {
    StoreError::new(ErrorKind::Interrupted, "judge", name, detail)
}

fn fingerprint(name: &str, bytes: &mut dyn ReadSeek) -> Result<Parts, Told> {
    let mut head = Vec::new();
    let mut beginning = std::io::Read::take(&mut *bytes, Format::HEAD as u64);
    beginning.read_to_end(&mut head).map_err(|error| Told::Unread(error.to_string()))?;
    bytes.seek(SeekFrom::Start(0)).map_err(|error| Told::Unread(error.to_string()))?;
    let Some(format) = Format::of(name, &head) else {
        return Err(Told::Words("its bytes are of no kind that services rewrite".to_owned()));
    };
    landfall_rewrite::fingerprint(format, bytes, &Limits::default()).map_err(told)
}

fn evidence(mark: &Mark) -> Evidence {
    let sha256 = Digest::new(Algo::Sha256, mark.sha256.bytes());
    Evidence { size: ByteSize(mark.size), digests: Digests { sha256, ..Digests::none() } }
}

fn changes(rewrite: &Rewrite) -> Vec<String> {
    let all = rewrite.changes.len();
    let mut named: Vec<String> =
        rewrite.changes.iter().take(NAMED).map(|change| change.part.clone()).collect();
    if all > NAMED {
        named.push(format!("and {} more", all - NAMED));
    }
    named
}
