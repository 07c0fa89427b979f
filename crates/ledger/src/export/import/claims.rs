//! What the files say of each file, merged: the newest row of a path counts.
//!
//! One claim takes about 60 bytes; rows themselves are not kept.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use landfall_core::ledger::{JobHandle, Ledger};
use landfall_core::row::{FileRow, Standing};
use landfall_core::state::State;
use landfall_core::{FileId, RelPath, StoreError};

use super::old_index::{self, OldEntry};
use super::{Import, Imported};
use crate::export::locate::{Located, Locator};
use crate::export::reading::{LogRow, Manner, Rows};
use crate::export::stamp;

/// What the newest row says of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) status: State,
    pub(super) time: stamp::Read,
    file: usize,
}

/// Everything that was read.
pub(super) struct Settled {
    pub(super) claims: BTreeMap<FileId, Claim>,
    /// The ids that an index gives to files whose bytes may lie in the temporary folder.
    pub(super) ids: HashMap<FileId, String>,
}

pub(super) struct Claims<'a> {
    locator: Locator<'a>,
    base: RelPath,
    manner: Manner,
    names: Vec<String>,
    settled: Settled,
}

impl<'a> Claims<'a> {
    pub(super) async fn new(
        ledger: &'a dyn Ledger,
        job: &'a JobHandle,
        what: &Import,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            locator: Locator::new(ledger, job).await?,
            base: what.base.clone(),
            manner: Manner { timed: true, zone: what.zone.clone() },
            names: Vec::new(),
            settled: Settled { claims: BTreeMap::new(), ids: HashMap::new() },
        })
    }

    pub(super) fn settled(self) -> Settled {
        self.settled
    }

    /// Takes a log, or refuses it whole.
    pub(super) async fn read_log(&mut self, path: &Path, report: &mut Imported) -> Result<(), StoreError> {
        let mut rows = Rows::open(path.to_owned(), path.to_owned(), self.manner.clone()).await?;
        report.rows += rows.count;
        self.names.push(path.display().to_string());
        loop {
            let batch = rows.next().await?;
            if batch.is_empty() {
                return Ok(());
            }
            for row in batch {
                self.take(&row, report).await?;
            }
        }
    }

    async fn take(&mut self, row: &LogRow, report: &mut Imported) -> Result<(), StoreError> {
        let (Some(status), Some(time)) = (row.status, row.time) else { return Ok(()) };
        let Some(found) = self.find(&row.path, &row.name, report).await? else { return Ok(()) };
        let claim = Claim { status, time, file: self.names.len().saturating_sub(1) };
        let Some(other) = self.settled.claims.get(&found.id).copied() else {
            self.settled.claims.insert(found.id, claim);
            return Ok(());
        };
        let newer = if claim.time.at >= other.time.at { claim } else { other };
        if other.status != status {
            report.disagreements.add(|| {
                let (one, two) = (self.said(&other), self.said(&claim));
                format!("{}: {one}, {two}; {} counts", row.path, newer.status)
            });
        }
        self.settled.claims.insert(found.id, newer);
        Ok(())
    }

    fn said(&self, claim: &Claim) -> String {
        let file = self.names.get(claim.file).map_or("", String::as_str);
        format!("{} at {} in {file}", claim.status, claim.time.at)
    }

    /// Takes an index, or refuses it whole.
    pub(super) async fn read_index(&mut self, path: &Path, report: &mut Imported) -> Result<(), StoreError> {
        let mut entries = old_index::open(path).await?;
        while let Some(entry) = entries.next().await? {
            report.entries += 1;
            self.take_entry(entry, report).await?;
        }
        Ok(())
    }

    async fn take_entry(&mut self, entry: OldEntry, report: &mut Imported) -> Result<(), StoreError> {
        let name = entry.name.as_deref().unwrap_or_default();
        let Some(row) = self.find(&entry.path, name, report).await? else { return Ok(()) };
        if let Some(size) = entry.size.filter(|size| *size != row.entry.size.0) {
            report.resized.add(|| {
                format!("{}: {size} bytes in the index, {} at the source", entry.path, row.entry.size.0)
            });
        }
        let claim = self.settled.claims.get(&row.id);
        if claim.is_some_and(|c| matches!(c.status, State::Pending | State::Local))
            && let Some(id) = entry.id
        {
            self.settled.ids.insert(row.id, id);
        }
        Ok(())
    }

    /// Finds a file by a path as older scripts may have written it.
    async fn find(
        &mut self,
        path: &str,
        name: &str,
        report: &mut Imported,
    ) -> Result<Option<FileRow>, StoreError> {
        let mut why = "not in the ledger";
        for spelling in spellings(path, name, &self.base) {
            match self.locator.find(&spelling).await? {
                Located::Row(row) if matches!(row.standing, Standing::In | Standing::Unsettled) => {
                    return Ok(Some(*row));
                }
                Located::Row(_) => why = "takes no part in the job",
                Located::Ambiguous => why = "several files can be meant",
                Located::Unknown => {}
            }
        }
        report.unknown.add(|| format!("{path}: {why}"));
        Ok(None)
    }
}

/// The ways in which a path is tried, the literal one first: without what stands before it in a Graph
/// path, with forward slashes, without the apostrophe of our own spreadsheet export, with the file's
/// name where only the folder stands there, and below the job's source folder.
fn spellings(path: &str, name: &str, base: &RelPath) -> Vec<String> {
    let mut ways = vec![path.to_owned()];
    let mut add = |way: String| {
        if !way.is_empty() && !ways.contains(&way) {
            ways.push(way);
        }
    };
    if let Some(bare) =
        path.strip_prefix('\'').filter(|b| b.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']))
    {
        add(bare.to_owned());
    }
    let slashed = path.replace('\\', "/");
    let tail = slashed.split_once("root:").map_or(slashed.as_str(), |(_, tail)| tail);
    let tail = tail.strip_prefix("./").unwrap_or(tail).trim_matches('/');
    let mut tails = vec![tail.to_owned()];
    tails.extend(unescaped(tail));
    for tail in &tails {
        add(tail.clone());
        if !name.is_empty() && tail.rsplit('/').next() != Some(name) {
            add(if tail.is_empty() { name.to_owned() } else { format!("{tail}/{name}") });
        }
    }
    if !base.is_root() {
        for way in ways.clone() {
            let below = format!("{base}/{way}");
            if !ways.contains(&below) {
                ways.push(below);
            }
        }
    }
    ways
}

/// The text with `%E4` and the like as the bytes they stand for; `None` where nothing changes or the
/// bytes are no text.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let mut digit = || char::from(ahead.next()?).to_digit(16);
        let value = if byte == b'%' { digit().zip(digit()) } else { None };
        match value.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(value) => {
                bytes.push(value);
                rest = ahead;
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok().filter(|plain| plain != text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_spellings_of_a_path_are_tried_after_the_literal_one() {
        let base = RelPath::new("Recordings").unwrap();
        let ways = spellings("/drive/root:/%E4%BC%9A%E8%AD%B0", "朝会.wav", &base);
        assert_eq!(ways[0], "/drive/root:/%E4%BC%9A%E8%AD%B0");
        assert!(ways.contains(&"会議/朝会.wav".to_owned()), "{ways:?}");
        assert!(ways.contains(&"Recordings/会議/朝会.wav".to_owned()), "{ways:?}");
        assert!(
            spellings("会議\\朝会.wav", "朝会.wav", &RelPath::root()).contains(&"会議/朝会.wav".to_owned())
        );
        assert_eq!(spellings("会議/朝会.wav", "朝会.wav", &RelPath::root()), ["会議/朝会.wav"]);
        assert!(spellings("'=式.wav", "'=式.wav", &RelPath::root()).contains(&"=式.wav".to_owned()));
        assert_eq!(unescaped("100%.wav"), None);
    }
}
