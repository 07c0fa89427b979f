//! What can be said on the command line; every flag also as a variable `LANDFALL_…`.
//!
//! Owns words and defaults only. Values that depend on the configuration are looked at elsewhere.

mod archive;
mod damage;
mod job;
mod ledger;
mod manifest;
mod report;
mod restore;

pub(crate) use archive::{
    Accept, Backlog, Depth, FileType, Posts, Repair, Seal, SealFile, SealKey, SealName, Verify,
};
pub(crate) use damage::{Damage, SimCommand};
pub(crate) use job::JobCommand;
pub(crate) use ledger::{LedgerBackup, LedgerCommand, LedgerRestore, LedgerSnapshots, SnapshotTo};
pub(crate) use manifest::{Manifest, ManifestCheck, ManifestCommand, ManifestKey};
pub(crate) use report::{Json, Report};
pub(crate) use restore::{Drill, Restore, Wanted};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Moves file trees between clouds, keeps a ledger of every file, and proves that each arrived.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// The configuration, landfall.toml if not given; paths in it count from its folder.
    #[arg(long, global = true, env = "LANDFALL_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object on standard output at the end, and nothing else there.
    #[arg(long, global = true, env = "LANDFALL_JSON", action = clap::ArgAction::SetTrue, value_parser = FalseyValueParser::new().map(Json::flag))]
    pub(crate) json: Json,
    /// Say more (-v what is done, -vv every request, -vvv everything).
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "LANDFALL_VERBOSE")]
    pub(crate) verbose: u8,
    /// Say only what went wrong.
    #[arg(short, long, global = true, env = "LANDFALL_QUIET", value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,
    /// Write a log of what is done to this file too, one JSON object a line.
    #[arg(long, global = true, env = "LANDFALL_LOG_FILE", value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// The language of texts; else as LC_ALL or LANG say.
    #[arg(long, global = true, env = "LANDFALL_LANG", value_enum)]
    pub(crate) lang: Option<Lang>,
    /// The tenant's quota in place of the table: `none`, or units and window as in `1250/60s`.
    #[arg(long, global = true, env = "LANDFALL_QUOTA", value_name = "QUOTA", hide = true)]
    pub(crate) tenant_quota: Option<String>,
}

/// A language of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// English.
    En,
    /// Japanese.
    Ja,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a configuration to begin with.
    Init(Init),
    /// Check credentials, permissions, both sides, spool and ledger of a job.
    Doctor(JobName),
    /// Say what a run would do and cost, and which names cannot land.
    Plan(Plan),
    /// List the sources into the ledger and write index.json.
    Crawl(Crawl),
    /// Crawl, move and prove: the main job.
    Run(Move),
    /// Only fetch what is pending into the spool (LOCAL).
    Download(Move),
    /// Only send what lies in the spool, then prove it.
    Upload(Move),
    /// Try again what is NG; prove again what is DUPE.
    Retry(Move),
    /// Look whether what has landed or is recorded is still there and still right: every kind of job.
    Verify(Verify),
    /// List the posts of a catalogue that were never backed up.
    Backlog(Backlog),
    /// Mend what a verify found, each file by the cheapest proven way.
    Repair(Repair),
    /// Take what people did at the destination as the new truth.
    Accept(Accept),
    /// Bring back what has landed, opened and compared, under its names and times at the source.
    Restore(Restore),
    /// Bring back a sample into a temporary folder, compare it, delete it, and record that.
    Drill(Drill),
    /// Seal and open single files and names by hand, as rclone crypt does; --config is rclone.conf here.
    #[command(subcommand)]
    Seal(Seal),
    /// Show where a job stands.
    Status(JobName),
    /// Write what a job amounts to as a page to hand over, as a table, as JSON.
    Report(Report),
    /// Write one line for every proven file, to be signed, kept elsewhere, and checked by anybody.
    Manifest(Manifest),
    /// Say that a job's source is gone for good, or that it is there after all.
    #[command(subcommand)]
    Job(JobCommand),
    /// Copy the ledger, bring a copy back, or rebuild a lost one.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Work with upload_log.csv.
    #[command(subcommand)]
    Log(Log),
    /// Serve the simulated services on this machine: Microsoft Graph, or the Hub with its archive.
    Sim(Sim),
    /// Show the whole story on the simulator: move, kill, resume, prove.
    Demo(Demo),
    /// Print a completion script for a shell.
    Completions(Completions),
}

/// A job by its name.
#[derive(Args, Clone, Debug)]
pub(crate) struct JobName {
    /// The job's name in the configuration.
    pub(crate) job: String,
}

/// Arguments of `init`.
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// The name of the first job.
    #[arg(default_value = "voices")]
    pub(crate) job: String,
    /// Only show what would be written.
    #[arg(short = 'n', long, env = "LANDFALL_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
}

/// Which files take part in this call.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Only files that match, counted from the source folder; may be given several times.
    #[arg(long, env = "LANDFALL_PATH", value_name = "GLOB", value_delimiter = '\n')]
    pub(crate) path: Vec<String>,
    /// As --path.
    #[arg(long, env = "LANDFALL_INCLUDE", value_name = "GLOB", value_delimiter = '\n')]
    pub(crate) include: Vec<String>,
    /// Not files that match.
    #[arg(long, env = "LANDFALL_EXCLUDE", value_name = "GLOB", value_delimiter = '\n')]
    pub(crate) exclude: Vec<String>,
    /// At most this many files.
    #[arg(long, env = "LANDFALL_LIMIT", value_name = "N")]
    pub(crate) limit: Option<u64>,
}

/// Arguments of `run`, `download`, `upload` and `retry`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Move {
    #[command(flatten)]
    pub(crate) plan: Plan,
    #[command(flatten)]
    pub(crate) snapshot: SnapshotTo,
    /// Back an edited upload_log.csv up and do not apply it.
    #[arg(long, env = "LANDFALL_IGNORE_LOG", value_parser = FalseyValueParser::new())]
    pub(crate) ignore_log: bool,
    /// Look again at what is settled for good (deleted posts, protected accounts, dead media).
    #[arg(long, env = "LANDFALL_RETRY_GONE", value_parser = FalseyValueParser::new())]
    pub(crate) retry_gone: bool,
    /// Take to the recycle bin what landed and the source no longer has: the only way that anything is deleted.
    #[arg(long, env = "LANDFALL_MIRROR", value_parser = FalseyValueParser::new(), requires = "max_delete")]
    pub(crate) mirror: bool,
    /// With `--mirror`: where more files than this would go, none does.
    #[arg(long, env = "LANDFALL_MAX_DELETE", value_name = "N", requires = "mirror")]
    pub(crate) max_delete: Option<u64>,
    /// Only say what would be done.
    #[arg(short = 'n', long, env = "LANDFALL_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
}

/// The way of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// From source to upload in passing.
    Stream,
    /// Through the spool on disk.
    Spool,
    /// By the service itself, within one tenant.
    Copy,
}

/// Arguments of `plan`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// The job's name in the configuration.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) posts: Posts,
    /// The way of the bytes, in place of the configuration's.
    #[arg(long, env = "LANDFALL_VIA", value_enum)]
    pub(crate) via: Option<Way>,
    /// List the sources in full, not only what changed.
    #[arg(long, env = "LANDFALL_FULL", value_parser = FalseyValueParser::new())]
    pub(crate) full: bool,
}

/// Arguments of `crawl`.
#[derive(Args, Debug)]
pub(crate) struct Crawl {
    /// The job's name in the configuration.
    pub(crate) job: String,
    /// List everything, not only what changed.
    #[arg(long, env = "LANDFALL_FULL", value_parser = FalseyValueParser::new())]
    pub(crate) full: bool,
    /// List a second time in another way and compare.
    #[arg(long, env = "LANDFALL_AUDIT", value_parser = FalseyValueParser::new())]
    pub(crate) audit: bool,
}

/// The commands of `log`.
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Write the log as the ledger has it now.
    Export(LogExport),
    /// Take logs, index.json and temp_dir of older scripts, or a log edited by hand.
    Import(LogImport),
    /// Back the log up and leave out what is SUCCESS.
    Rotate(LogRotate),
}

/// Arguments of `log export`.
#[derive(Args, Debug)]
pub(crate) struct LogExport {
    /// The job's name in the configuration.
    pub(crate) job: String,
    /// Everything that the ledger knows, not only the present log.
    #[arg(long, env = "LANDFALL_ALL", value_parser = FalseyValueParser::new())]
    pub(crate) all: bool,
    /// For a spreadsheet: a byte order mark, and no cell that computes.
    #[arg(long, env = "LANDFALL_SPREADSHEET", value_parser = FalseyValueParser::new())]
    pub(crate) spreadsheet: bool,
    /// Where to; else standard output (with --json: upload_log.export.csv in the state folder).
    #[arg(short, long, env = "LANDFALL_OUTPUT", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `log import`.
#[derive(Args, Debug)]
pub(crate) struct LogImport {
    /// The job's name in the configuration.
    pub(crate) job: String,
    /// CSV logs and index.json files, in any order.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The older scripts' folder of fetched files.
    #[arg(long, env = "LANDFALL_TEMP_DIR", value_name = "FOLDER")]
    pub(crate) temp_dir: Option<PathBuf>,
    /// The folder of the source that paths in the files begin at; the job's source path if not given.
    #[arg(long, env = "LANDFALL_BASE", value_name = "PATH")]
    pub(crate) base: Option<String>,
    /// Only say what would be done.
    #[arg(short = 'n', long, env = "LANDFALL_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
}

/// Arguments of `log rotate`.
#[derive(Args, Debug)]
pub(crate) struct LogRotate {
    /// The job's name in the configuration.
    pub(crate) job: String,
    /// Only say what would be done.
    #[arg(short = 'n', long, env = "LANDFALL_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
}

/// Arguments of `sim`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sim {
    #[command(subcommand)]
    pub(crate) command: Option<SimCommand>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "LANDFALL_SIM_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Which tree: voices, flat, leavers, office, hostile, big; or archive: posts, a Hub and their media.
    #[arg(long, env = "LANDFALL_SIM_SCENARIO", default_value = "voices")]
    pub(crate) scenario: World,
    /// How many files lie at the source.
    #[arg(long, env = "LANDFALL_SIM_FILES", default_value_t = 2000)]
    pub(crate) files: u64,
    /// The size of every file in bytes, in place of a mixture.
    #[arg(long, env = "LANDFALL_SIM_FILE_SIZE", value_name = "BYTES")]
    pub(crate) file_size: Option<u64>,
    /// Everything lies at the destination already, byte for byte: for measuring what comes after a move.
    #[arg(long, env = "LANDFALL_SIM_LANDED", value_parser = FalseyValueParser::new())]
    pub(crate) landed: bool,
    /// The source of every chance.
    #[arg(long, env = "LANDFALL_SIM_SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long every request waits before it is served.
    #[arg(long, env = "LANDFALL_SIM_LATENCY", default_value = "0ms", value_parser = crate::config::duration)]
    pub(crate) latency: Duration,
    /// Bytes a second of the line that all downloads share; as many as the machine gives where it is not said.
    #[arg(long, env = "LANDFALL_SIM_LINE", value_name = "BYTES")]
    pub(crate) line: Option<u64>,
    /// How much goes wrong: none, mild, wild.
    #[arg(long, env = "LANDFALL_SIM_FAULTS", default_value = "none")]
    pub(crate) faults: landfall_sim::Faults,
    /// Whose limits hold: none, small-tenant.
    #[arg(long, env = "LANDFALL_SIM_QUOTA", default_value = "none")]
    pub(crate) quota: landfall_sim::Quota,
    /// The length of the quota's minute.
    #[arg(long, env = "LANDFALL_SIM_QUOTA_WINDOW", default_value = "60s", value_parser = crate::config::duration)]
    pub(crate) quota_window: Duration,
    /// How long an upload session holds its name; the service keeps one for 24 hours, even when its address was lost in a kill.
    #[arg(long, env = "LANDFALL_SIM_SESSION_LIFETIME", default_value = "60s", value_parser = crate::config::duration)]
    pub(crate) session_lifetime: Duration,
    /// Overwrite a configuration that the simulator did not write.
    #[arg(long, env = "LANDFALL_SIM_FORCE", value_parser = FalseyValueParser::new())]
    pub(crate) force: bool,
}

/// What a simulator serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    /// Microsoft Graph with a tree of files.
    Graph(landfall_sim::Scenario),
    /// A catalogue of posts, the Hub and the origin of their media.
    Archive,
}

impl std::str::FromStr for World {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "archive" {
            return Ok(Self::Archive);
        }
        text.parse()
            .map(Self::Graph)
            .map_err(|unknown: landfall_sim::UnknownName| format!("{unknown}, archive"))
    }
}

/// Which story is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Story {
    /// A OneDrive moved to a SharePoint library.
    #[default]
    Voices,
    /// A damaged archive of posts verified, repaired and backed up.
    Archive,
}

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Which story.
    #[arg(value_enum, default_value = "voices")]
    pub(crate) story: Story,
    /// The folder to work in; else a new one in the machine's temporary folder.
    #[arg(long, env = "LANDFALL_DEMO_DIR", value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// How many files; 500 if not given, for the archive about as many as 300 posts have.
    #[arg(long, env = "LANDFALL_DEMO_FILES")]
    pub(crate) files: Option<u64>,
    /// The source of every chance.
    #[arg(long, env = "LANDFALL_DEMO_SEED", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Json;

    #[test]
    fn the_words_fit_together() {
        super::Cli::command().debug_assert();
        for words in [
            &["landfall", "sim", "--quota", "small-tenant", "--quota-window", "6s"][..],
            &["landfall", "run", "voices", "-n", "--path", "*.wav", "--json"],
            &["landfall", "log", "import", "voices", "a.csv", "index.json"],
            &["landfall", "verify", "tweets", "--delay", "0.2", "--file-type", "videos", "--user", "花子"],
            &["landfall", "repair", "tweets", "-n", "--pattern", "1b", "--limit", "4"],
            &["landfall", "seal", "name", "--config", "rclone.conf", "--remote", "secret", "-1.jpg"],
            &["landfall", "sim", "--scenario", "archive"],
            &["landfall", "demo", "archive"],
            &[
                "landfall", "manifest", "voices", "--out", "m", "--key", "k", "--sums", "s", "--bag", "b",
                "--tsq", "t",
            ],
            &["landfall", "manifest", "check", "m", "--key", "k.pub", "--job", "voices"],
            &["landfall", "manifest", "key", "k"],
            &["landfall", "ledger", "backup", "voices", "a.db"],
            &["landfall", "ledger", "backup", "--all", "a.db"],
            &["landfall", "ledger", "restore", "a.db", "--force"],
            &["landfall", "ledger", "restore", "--from", "voices", "--at", "2026-11-22"],
            &["landfall", "ledger", "snapshots", "voices", "--snapshot-to", "控え"],
            &["landfall", "run", "voices", "--snapshot-to", ".landfall-ledger"],
            &["landfall", "ledger", "adopt", "voices"],
            &["landfall", "job", "close", "voices"],
            &["landfall", "job", "open", "voices"],
            &["landfall", "report", "voices", "--html", "a.html", "--csv", "b.csv", "--json", "c.json"],
            &["landfall", "restore", "voices", "戻し", "--path", "*.wav", "--sample", "5", "-n"],
            &["landfall", "drill", "voices", "--sample", "5"],
        ] {
            super::Cli::try_parse_from(words).unwrap();
        }
    }

    #[test]
    fn json_is_a_flag_everywhere_and_takes_a_file_in_a_report() {
        let json = |words: &[&str]| super::Cli::try_parse_from(words).unwrap().global.json;
        assert_eq!(json(&["landfall", "status", "voices"]), Json::No);
        assert_eq!(json(&["landfall", "status", "voices", "--json"]), Json::Object);
        assert_eq!(json(&["landfall", "--json", "status", "voices"]), Json::Object);
        assert_eq!(json(&["landfall", "report", "voices"]), Json::No);
        assert_eq!(json(&["landfall", "report", "voices", "--json"]), Json::Object);
        assert_eq!(json(&["landfall", "--json", "report", "voices"]), Json::Object);
        let file = Json::File("c.json".into());
        assert_eq!(json(&["landfall", "report", "voices", "--json", "c.json"]), file);
        assert_eq!(json(&["landfall", "report", "--json", "c.json", "voices"]), file);
        assert!(super::Cli::try_parse_from(["landfall", "status", "voices", "--json", "c.json"]).is_err());
    }
}
