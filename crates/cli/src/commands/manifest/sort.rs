//! The lines of a manifest in order of their paths, in memory that does not grow with the number of files.
//!
//! The ledger reads by number, and no index of it has the order of whole paths: by folder and name, `a b/x`
//! comes after `a/x`, by the bytes of the path before it. So lines are sorted in runs, and runs lie in files until
//! they are merged. A run is a manifest itself, which is the one form that can be written and read back here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use landfall_evidence::manifest::{Entry, FilePath, Header, ManifestReader, ManifestWriter};

/// Lines of a run: about 40 MB in memory. A job with fewer never touches the disk.
const RUN: usize = 50_000;

/// What is known of a file beside its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) rank: Rank,
    pub(super) there: There,
}

/// Which of two files of one path counts: the one that the job still carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The source lists it, and it takes part.
    Listed,
    /// It landed and no longer takes part.
    Left,
}

/// What the destination's listing has under the file's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum There {
    /// Nobody looked.
    Unasked,
    /// What was proven, by a digest that it publishes.
    Held,
    /// Something of the same size; it publishes no digest.
    SameSize,
    /// Nothing.
    Absent,
    /// Other content.
    Changed,
}

impl There {
    const ALL: [Self; 5] = [Self::Unasked, Self::Held, Self::SameSize, Self::Absent, Self::Changed];
}

impl Mark {
    /// Every mark with the byte that stands for it in a run.
    fn all() -> impl Iterator<Item = (Self, u8)> {
        let marks = [Rank::Listed, Rank::Left].into_iter();
        marks.flat_map(|rank| There::ALL.map(|there| Self { rank, there })).zip(b'a'..)
    }
}

/// One line with what is known beside it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) entry: Entry,
    pub(super) mark: Mark,
}

/// Takes lines in any order.
pub(super) struct Sorter {
    folder: PathBuf,
    /// The header of runs: its number of files is each run's own.
    about: Header,
    size: usize,
    lines: Vec<Line>,
    runs: Vec<Run>,
    left: u64,
    taken: u64,
}

impl Sorter {
    /// Puts what does not fit into memory into this folder.
    pub(super) fn new(folder: &Path, about: Header) -> Self {
        let folder = folder.to_owned();
        Self { folder, about, size: RUN, lines: Vec::new(), runs: Vec::new(), left: 0, taken: 0 }
    }

    pub(super) fn push(&mut self, line: Line) -> io::Result<()> {
        self.taken += 1;
        self.left += u64::from(line.mark.rank == Rank::Left);
        self.lines.push(line);
        if self.lines.len() < self.size {
            return Ok(());
        }
        let lines = ordered(std::mem::take(&mut self.lines));
        let run = Run::write(&self.folder, self.runs.len(), &self.about, &lines)?;
        self.runs.push(run);
        Ok(())
    }

    pub(super) fn finish(self) -> Sorted {
        Sorted { lines: ordered(self.lines), runs: self.runs, left: self.left, taken: self.taken }
    }
}

/// Sorts, and leaves out what another file of the same path stands before.
fn ordered(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by(|a, b| (&a.entry.path, a.mark.rank).cmp(&(&b.entry.path, b.mark.rank)));
    lines.dedup_by(|later, first| later.mark.rank == Rank::Left && later.entry.path == first.entry.path);
    lines
}

/// All lines, to be read in order as often as one likes.
pub(super) struct Sorted {
    lines: Vec<Line>,
    runs: Vec<Run>,
    left: u64,
    taken: u64,
}

impl Sorted {
    /// How many lines there are. Counts them only where two could have one path.
    pub(super) fn count(&self) -> io::Result<u64> {
        if self.left == 0 {
            return Ok(self.taken);
        }
        self.iter()?.try_fold(0, |number, line| line.map(|_| number + 1))
    }

    pub(super) fn iter(&self) -> io::Result<Merged<'_>> {
        let mut sources: Vec<Source<'_>> = vec![Box::new(self.lines.iter().cloned().map(Ok))];
        for run in &self.runs {
            sources.push(Box::new(run.read()?));
        }
        let mut merged = Merged {
            heads: sources.iter().map(|_| None).collect(),
            sources,
            heap: BinaryHeap::new(),
            last: None,
        };
        for at in 0..merged.sources.len() {
            merged.refill(at)?;
        }
        Ok(merged)
    }
}

type Source<'a> = Box<dyn Iterator<Item = io::Result<Line>> + Send + 'a>;

/// The lines of all runs in one order.
pub(super) struct Merged<'a> {
    sources: Vec<Source<'a>>,
    /// The next line of each source.
    heads: Vec<Option<Line>>,
    heap: BinaryHeap<Reverse<(FilePath, Rank, usize)>>,
    last: Option<FilePath>,
}

impl Merged<'_> {
    fn refill(&mut self, at: usize) -> io::Result<()> {
        let Some(line) = self.sources.get_mut(at).and_then(Iterator::next).transpose()? else {
            return Ok(());
        };
        self.heap.push(Reverse((line.entry.path.clone(), line.mark.rank, at)));
        if let Some(head) = self.heads.get_mut(at) {
            *head = Some(line);
        }
        Ok(())
    }

    fn step(&mut self) -> io::Result<Option<Line>> {
        while let Some(Reverse((path, rank, at))) = self.heap.pop() {
            let line = self.heads.get_mut(at).and_then(Option::take);
            self.refill(at)?;
            // Another file of the job stands there now.
            if rank == Rank::Left && self.last.as_ref() == Some(&path) {
                continue;
            }
            self.last = Some(path);
            return Ok(line);
        }
        Ok(None)
    }
}

impl Iterator for Merged<'_> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// A run in files, which go with it.
struct Run {
    lines: PathBuf,
    marks: PathBuf,
}

impl Run {
    fn write(folder: &Path, number: usize, about: &Header, lines: &[Line]) -> io::Result<Self> {
        let name = |what: &str| folder.join(format!("manifest.{number}.{what}.{}.tmp", std::process::id()));
        let run = Self { lines: name("lines"), marks: name("marks") };
        let about = Header { files: lines.len() as u64, ..about.clone() };
        let out = BufWriter::new(File::create(&run.lines)?);
        let mut writer = ManifestWriter::begin(out, &about).map_err(io::Error::other)?;
        let mut marks = BufWriter::new(File::create(&run.marks)?);
        for line in lines {
            writer.entry(&line.entry).map_err(io::Error::other)?;
            let byte = Mark::all().find(|(mark, _)| *mark == line.mark).map(|(_, byte)| byte);
            marks.write_all(byte.as_slice())?;
        }
        writer.finish().map_err(io::Error::other)?;
        marks.flush()?;
        Ok(run)
    }

    fn read(&self) -> io::Result<impl Iterator<Item = io::Result<Line>> + Send + use<>> {
        let reader =
            ManifestReader::open(BufReader::new(File::open(&self.lines)?)).map_err(io::Error::other)?;
        let marks = BufReader::new(File::open(&self.marks)?).bytes();
        Ok(reader.zip(marks).map(|(entry, byte)| {
            let (entry, byte) = (entry.map_err(io::Error::other)?, byte?);
            let mark = Mark::all().find(|(_, known)| *known == byte).map(|(mark, _)| mark);
            let mark = mark.ok_or_else(|| io::Error::other("a run was damaged while it lay there"))?;
            Ok(Line { entry, mark })
        }))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for path in [&self.lines, &self.marks] {
            let _gone = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use landfall_evidence::manifest::{AtSource, Proof, ProofKind};
    use landfall_evidence::{FileDigest, Head, JobIdentity, Sha256};

    use super::*;

    fn about() -> Header {
        Header {
            job: "録音".to_owned(),
            tenant: "none".to_owned(),
            program: "landfall".to_owned(),
            configuration: Sha256::of(b""),
            moment: Timestamp::UNIX_EPOCH,
            chain: Head::genesis(&JobIdentity { name: "録音", identity: "" }),
            files: 0,
            unproven: 0,
            skipped: 0,
        }
    }

    fn line(path: &str, id: &str, rank: Rank) -> Line {
        let entry = Entry {
            path: FilePath::new(path).unwrap(),
            size: 1,
            digest: FileDigest::Sha256(Sha256::of(path.as_bytes())),
            held: None,
            id: id.to_owned(),
            proof: Proof {
                kind: ProofKind::Hash,
                accepted: false,
                unchanged_at: None,
                hash_at: None,
                bytes_at: None,
            },
            source: AtSource::default(),
        };
        Line { entry, mark: Mark { rank, there: There::Held } }
    }

    #[test]
    fn any_number_of_runs_gives_the_order_of_whole_paths_and_the_file_that_takes_part() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a/z", "a b/x", "一/二.wav", "a", "録音/三.wav", "a/B", "録音 2/四.wav", "a\u{1}/x"];
        let mut due: Vec<&str> = paths.to_vec();
        due.sort_unstable();
        for size in [1, 2, 3, 100] {
            let mut sorter = Sorter { size, ..Sorter::new(folder.path(), about()) };
            for path in paths {
                sorter.push(line(path, "old", Rank::Left)).unwrap();
            }
            for path in &paths[..4] {
                sorter.push(line(path, "new", Rank::Listed)).unwrap();
            }
            let sorted = sorter.finish();
            assert_eq!(sorted.count().unwrap(), 8, "{size}");
            for _ in 0..2 {
                let lines: Vec<Line> = sorted.iter().unwrap().collect::<io::Result<_>>().unwrap();
                let got: Vec<&str> = lines.iter().map(|line| line.entry.path.as_str()).collect();
                assert_eq!(got, due, "{size}");
                for line in lines {
                    let new = paths[..4].contains(&line.entry.path.as_str());
                    assert_eq!(line.entry.id, if new { "new" } else { "old" });
                    assert_eq!(line.mark.there, There::Held);
                }
            }
            drop(sorted);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn two_files_that_both_take_part_under_one_path_are_both_given_so_that_the_writer_refuses() {
        let folder = tempfile::tempdir().unwrap();
        for size in [1, 100] {
            let mut sorter = Sorter { size, ..Sorter::new(folder.path(), about()) };
            sorter.push(line("一", "a", Rank::Listed)).unwrap();
            sorter.push(line("一", "b", Rank::Listed)).unwrap();
            assert_eq!(sorter.finish().iter().unwrap().count(), 2);
        }
    }
}
