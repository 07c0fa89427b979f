//! What the commands of the archive take: `verify`, `backlog`, `repair` and `seal`.
//!
//! Owns words and defaults, as its parent does; what they mean stands in the commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, NonEmptyStringValueParser};
use clap::{Args, Subcommand, ValueEnum};

use super::SnapshotTo;

/// Which posts take part in this call.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Posts {
    /// Only posts of this author, whatever the case; may be given several times.
    #[arg(long, env = "LANDFALL_USER", value_name = "NAME", value_delimiter = '\n')]
    pub(crate) user: Vec<String>,
    /// Only posts of this table; may be given several times.
    #[arg(long, env = "LANDFALL_TABLE", value_name = "TABLE", value_delimiter = '\n')]
    pub(crate) table: Vec<String>,
    /// Only files of this kind.
    #[arg(long, env = "LANDFALL_FILE_TYPE", value_enum)]
    pub(crate) file_type: Option<FileType>,
    /// Only posts from then on (with `verify`: files that landed from then on): a date, an RFC 3339 time, or an
    /// age like 30d.
    #[arg(long, env = "LANDFALL_SINCE", value_name = "DATE")]
    pub(crate) since: Option<String>,
    /// Leave out this many posts at the beginning.
    #[arg(long, env = "LANDFALL_START", value_name = "N")]
    pub(crate) start: Option<u64>,
}

impl Posts {
    /// True where nothing narrows.
    pub(crate) fn is_empty(&self) -> bool {
        self.user.is_empty()
            && self.table.is_empty()
            && self.file_type.is_none()
            && self.since.is_none()
            && self.start.is_none()
    }
}

/// A kind of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileType {
    /// Pictures.
    Images,
    /// Videos, animations, sounds.
    Videos,
}

/// How deep a verify looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Depth {
    /// That it is there, under that name, and unchanged where it was proven.
    Exists,
    /// That it publishes the hash of the file's bytes: the destination's listing is read anew. In an archive what
    /// has no record is shown by sealing the local file again.
    Hash,
    /// That the bytes are the file's: they are read back. In an archive: that they are those whose hash the Hub
    /// publishes, and open with the key.
    Bytes,
}

impl Depth {
    /// The word in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::Hash => "hash",
            Self::Bytes => "bytes",
        }
    }
}

/// How many files are read back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HowMany(pub(crate) landfall_core::engine::Sample);

/// A number of files, or a share of all like 1%.
fn how_many(text: &str) -> Result<HowMany, String> {
    use landfall_core::engine::Sample;
    let refuse = || "give a number of files like 500, or a share of all like 1%".to_owned();
    if let Some(share) = text.strip_suffix('%') {
        let share: f64 = share.trim().parse().map_err(|_| refuse())?;
        return match share {
            share if share > 0.0 && share <= 100.0 => Ok(HowMany(Sample::Percent(share))),
            _ => Err(refuse()),
        };
    }
    match text.parse() {
        Ok(files) if files > 0 => Ok(HowMany(Sample::Files(files))),
        _ => Err(refuse()),
    }
}

/// Arguments of `verify`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Verify {
    /// The job's name in the configuration.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) posts: Posts,
    #[command(flatten)]
    pub(crate) snapshot: SnapshotTo,
    /// How deep to look.
    #[arg(long, env = "LANDFALL_DEPTH", value_enum, default_value = "exists")]
    pub(crate) depth: Depth,
    /// With `--depth bytes`: read back only so many files, or such a share of all, those first that were read
    /// longest ago. Every night 1% reads everything in a hundred nights.
    #[arg(long, env = "LANDFALL_SAMPLE", value_name = "N|P%", value_parser = how_many)]
    pub(crate) sample: Option<HowMany>,
    /// Write every open finding to this file, one JSON object a line (not for archives).
    #[arg(long, env = "LANDFALL_LIST", value_name = "FILE")]
    pub(crate) list: Option<PathBuf>,
    /// Recorded URLs that are looked at together.
    #[arg(long, env = "LANDFALL_BATCH_SIZE", value_name = "N", default_value_t = 500, value_parser = batch)]
    pub(crate) batch_size: usize,
    /// The pause between batches, as 0.2 (seconds) or 200ms.
    #[arg(long, env = "LANDFALL_DELAY", value_name = "TIME", default_value = "0", value_parser = crate::config::pause)]
    pub(crate) delay: Duration,
    /// Go on with an interrupted verify of the same words that is younger than a day: the default.
    #[arg(long, env = "LANDFALL_RESUME", value_parser = FalseyValueParser::new(), conflicts_with = "fresh")]
    pub(crate) resume: bool,
    /// Begin anew, at the present state of every repository.
    #[arg(long, env = "LANDFALL_FRESH", value_parser = FalseyValueParser::new())]
    pub(crate) fresh: bool,
    /// At most this many files (of an archive: recorded URLs).
    #[arg(long, env = "LANDFALL_LIMIT", value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Keep the old checker's progress file up to date as well.
    #[arg(long, env = "LANDFALL_PROGRESS_FILE", value_name = "FILE")]
    pub(crate) progress_file: Option<PathBuf>,
}

/// Arguments of `backlog`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Backlog {
    /// The job's name in the configuration.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) posts: Posts,
    /// At most this many posts in the list of the newest.
    #[arg(long, env = "LANDFALL_LIMIT", value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print every post as CSV, and nothing else.
    #[arg(long, env = "LANDFALL_CSV", value_parser = FalseyValueParser::new(), conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// Arguments of `repair`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Repair {
    /// The job's name in the configuration.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) posts: Posts,
    #[command(flatten)]
    pub(crate) snapshot: SnapshotTo,
    /// Only say what would be done.
    #[arg(short = 'n', long, env = "LANDFALL_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
    /// At most this many findings (of an archive: posts).
    #[arg(long, env = "LANDFALL_LIMIT", value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Only this finding (misplaced, wrong-path, leak, …), or of an archive this pattern (1, 1b, 2, 3, 4, 5, 6);
    /// may be given several times.
    #[arg(long, env = "LANDFALL_PATTERN", value_name = "PATTERN", value_delimiter = '\n')]
    pub(crate) pattern: Vec<String>,
    /// Look again at what the old checker's progress file calls missing, and mend what is wrong with it.
    #[arg(long, env = "LANDFALL_FROM", value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Mend this work of other people too: edited, moved-by-user, deleted-by-user (not for archives).
    #[arg(long, env = "LANDFALL_INCLUDE", value_name = "KIND", value_delimiter = ',')]
    pub(crate) include: Vec<String>,
    /// Take doubles away, into the recycle bin, where the file that they repeat is proven (not for archives).
    #[arg(long, env = "LANDFALL_REMOVE_DOUBLES", value_parser = FalseyValueParser::new())]
    pub(crate) remove_doubles: bool,
    /// Take plain files away from the Hub, once the sealed ones are proven. Older commits keep them.
    #[arg(long, env = "LANDFALL_REMOVE_LEAKS", value_parser = FalseyValueParser::new())]
    pub(crate) remove_leaks: bool,
    /// Try again what was settled for good (deleted posts, protected accounts, dead media).
    #[arg(long, env = "LANDFALL_RETRY_GONE", value_parser = FalseyValueParser::new())]
    pub(crate) retry_gone: bool,
}

/// Arguments of `accept`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Accept {
    /// The job's name in the configuration.
    pub(crate) job: String,
    /// Paths as `verify` shows them, or patterns (`*.docx`, `会議/**`); without any, `--all` is needed.
    #[arg(value_name = "PATH", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) paths: Vec<String>,
    /// Everything that people did (edited, moved-by-user, deleted-by-user, foreign).
    #[arg(long, env = "LANDFALL_ALL", value_parser = FalseyValueParser::new(), conflicts_with = "paths")]
    pub(crate) all: bool,
    /// Only this kind of finding, and also where nobody did it: without it paths too mean only what people did. May
    /// be given several times.
    #[arg(long, env = "LANDFALL_INCLUDE", value_name = "KIND", value_delimiter = ',')]
    pub(crate) include: Vec<String>,
    /// Only say what would be accepted.
    #[arg(short = 'n', long, env = "LANDFALL_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
}

/// The commands of `seal`.
#[derive(Debug, Subcommand)]
pub(crate) enum Seal {
    /// Seal one file.
    Encrypt(SealFile),
    /// Open one sealed file.
    Decrypt(SealFile),
    /// Print the sealed name of a plain one.
    Name(SealName),
}

/// Where the key is.
#[derive(Args, Clone, Debug)]
pub(crate) struct SealKey {
    /// The remote of the type crypt; the first one if not given.
    #[arg(long, env = "LANDFALL_SEAL_REMOTE", value_name = "NAME")]
    pub(crate) remote: Option<String>,
}

/// Arguments of `seal encrypt` and `seal decrypt`.
#[derive(Args, Debug)]
pub(crate) struct SealFile {
    #[command(flatten)]
    pub(crate) key: SealKey,
    /// The file to read.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// The file to write; it must not be there yet.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
}

/// Arguments of `seal name`.
#[derive(Args, Debug)]
pub(crate) struct SealName {
    #[command(flatten)]
    pub(crate) key: SealKey,
    /// Print the plain name of a sealed one.
    #[arg(long, env = "LANDFALL_DECODE", value_parser = FalseyValueParser::new())]
    pub(crate) decode: bool,
    /// One name, without slashes.
    #[arg(value_name = "SEGMENT", allow_hyphen_values = true)]
    pub(crate) segment: String,
}

/// A number of URLs in one batch: at least one.
fn batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("give a whole number from 1 on".to_owned()),
    }
}
