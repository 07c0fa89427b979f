//! `landfall manifest JOB`: the manifest, its signature, lists for other tools, and a request for a time stamp.
//!
//! Everything is written beside its place and put there whole. A manifest is never written over: it is
//! evidence, and another one has another moment.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use landfall_core::ledger::{JobHandle, Ledger};
use landfall_core::state::State;
use landfall_core::{ByteSize, Code};
use landfall_evidence::lists::{Bag, BagInfo, Sums};
use landfall_evidence::manifest::{Header, ManifestWriter, Trailer, WriteError};
use landfall_evidence::minisign::{Prehash, SecretKey};
use landfall_evidence::{Sha256, time_stamp_request};
use rust_i18n::t;
use serde_json::{Value, json};

use super::sort::Sorted;
use super::{chain, key, landed, signature_path};
use crate::args::Manifest;
use crate::commands::totals;
use crate::commands::whole::{Whole, unwritable};
use crate::config::{Config, DestinationPlace, JobConfig};
use crate::error::{CommandError, Exit};
use crate::machine;
use crate::ui::count;
use crate::wiring::{Context, make_state_folder};

/// The list of files without a SHA-256, beside the list of sums.
const WITHOUT: &str = ".without-sha256.txt";

/// Makes a manifest under the job's lease.
pub(super) async fn write(context: &mut Context, args: &Manifest, job: &str) -> Result<Exit, CommandError> {
    let config = context.load()?;
    let wanted = config.job(job)?;
    // A key that does not open is said before the work.
    let secret = args.key.as_deref().map(|path| key::secret(path, &context.environment)).transpose()?;
    let ledger = context.ledger(&config).await?;
    let known = totals::known(ledger.as_ref(), job).await?;
    let now = machine::now();
    // Whole seconds, as the name of the file has them.
    let moment = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let out = args.out.clone().unwrap_or_else(|| usual_name(job, moment));
    refuse_existing(&out)?;
    let state = config.state_folder(job);
    make_state_folder(&state)?;
    let handle = ledger.open_job(job, &known.identity, &machine::holder(), moment).await?;
    let made = async {
        let about = about(context, &config, &wanted, ledger.as_ref(), (&handle, moment)).await?;
        let landed = landed(ledger.as_ref(), &handle, &wanted, None, (&state, about.clone())).await?;
        let about = Header { unproven: about.unproven + landed.unlisted, ..about };
        let plan = Plan {
            about,
            out,
            sums: args.sums.clone(),
            bag: args.bag.clone(),
            tsq: args.tsq.clone(),
            secret,
        };
        // Hashing and writing a million lines is work for a thread of its own.
        let work = tokio::task::spawn_blocking(move || plan.carry_out(&landed.sorted));
        work.await
            .map_err(|error| CommandError::new(Code::Internal, format!("write the manifest: {error}")))?
    };
    let made = made.await;
    let closed = ledger.close_job(&handle).await;
    let made = made?;
    closed?;
    show(context, job, &made);
    let whole = made.about.unproven == 0 && made.about.skipped == 0;
    Ok(if whole { Exit::Complete } else { Exit::Incomplete })
}

/// JOB and the moment: two of one second would have one name, and the second is refused.
fn usual_name(job: &str, moment: Timestamp) -> PathBuf {
    PathBuf::from(format!("{job}-{}.manifest.jsonl", moment.strftime("%Y%m%dT%H%M%SZ")))
}

fn refuse_existing(out: &Path) -> Result<(), CommandError> {
    for path in [out.to_owned(), signature_path(out)] {
        if path.exists() {
            let detail = format!("{} is there already; evidence is never written over", path.display());
            return Err(CommandError::new(Code::BadArgument, detail));
        }
    }
    Ok(())
}

/// The header but for its number of files.
async fn about(
    context: &Context,
    config: &Config,
    wanted: &JobConfig,
    ledger: &dyn Ledger,
    (handle, moment): (&JobHandle, Timestamp),
) -> Result<Header, CommandError> {
    let tally = ledger.tally(handle.id, None).await?;
    let open: u64 = State::ALL.into_iter().filter(|s| *s != State::Success).map(|s| tally.files(s)).sum();
    Ok(Header {
        job: handle.name.clone(),
        tenant: tenant(context, config, wanted),
        program: format!("landfall {}", env!("CARGO_PKG_VERSION")),
        configuration: Sha256::of(config.canonical(&wanted.name)?.as_bytes()),
        moment,
        chain: chain::newest(ledger, handle).await?,
        files: 0,
        unproven: open + tally.unsettled + tally.lost,
        skipped: tally.skipped.values().map(|count| count.files).sum(),
    })
}

/// The tenant that holds the files, as the environment names it; for places without tenants what they are.
fn tenant(context: &Context, config: &Config, wanted: &JobConfig) -> String {
    match &wanted.destination {
        DestinationPlace::Folder(_) => "none: a local folder".to_owned(),
        DestinationPlace::Dataset(dataset) => format!("none: {}", dataset.repo),
        _ => {
            let part = wanted.destination_credentials.as_ref().and_then(|name| config.credentials.get(name));
            let variable = part.and_then(|part| part.tenant_env.as_deref()).unwrap_or("AZURE_TENANT_ID");
            context.environment.get(variable).unwrap_or("unknown").to_owned()
        }
    }
}

/// What is to be written.
struct Plan {
    about: Header,
    out: PathBuf,
    sums: Option<PathBuf>,
    bag: Option<PathBuf>,
    tsq: Option<PathBuf>,
    secret: Option<SecretKey>,
}

/// What was written.
struct Made {
    about: Header,
    trailer: Trailer,
    out: PathBuf,
    signature: Option<(PathBuf, String)>,
    sums: Option<PathBuf>,
    bag: Option<PathBuf>,
    tsq: Option<PathBuf>,
}

/// Passes bytes on and takes the digest that a signature covers.
struct Signed {
    file: Whole,
    content: Prehash,
}

impl Write for Signed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.file.write(bytes)?;
        self.content.write_all(bytes.get(..taken).unwrap_or_default())?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Plan {
    fn carry_out(mut self, lines: &Sorted) -> Result<Made, CommandError> {
        let unread = |error: io::Error| CommandError::new(Code::StateFolder, format!("sort: {error}"));
        self.about.files = lines.count().map_err(unread)?;
        let failed = |error: WriteError| match error {
            WriteError::Io(error) => unwritable(&self.out, &error),
            // Two files of one path, or a path that no line holds: nobody may take the rest for all.
            other => CommandError::new(Code::Internal, format!("{}: {other}", self.out.display())),
        };
        let out = Signed { file: Whole::begin(&self.out)?, content: Prehash::default() };
        let mut writer = ManifestWriter::begin(out, &self.about).map_err(failed)?;
        let mut sums = self.sums.as_deref().map(Lists::sums).transpose()?;
        let mut bag = self.bag.as_deref().map(Lists::bag).transpose()?;
        for line in lines.iter().map_err(unread)? {
            let entry = line.map_err(unread)?.entry;
            writer.entry(&entry).map_err(failed)?;
            if let Some((sums, path)) = sums.as_mut().zip(self.sums.as_deref()) {
                sums.entry(&entry).map_err(|error| unwritable(path, &error))?;
            }
            if let Some((bag, path)) = bag.as_mut().zip(self.bag.as_deref()) {
                bag.entry(&entry).map_err(|error| unwritable(path, &error))?;
            }
        }
        let (trailer, Signed { file, content }) = writer.finish().map_err(failed)?;
        if let Some((sums, path)) = sums.zip(self.sums.as_deref()) {
            end_sums(sums, path)?;
        }
        if let Some((bag, folder)) = bag.zip(self.bag.as_deref()) {
            end_bag(bag, folder, &self.about)?;
        }
        let sealed = self.sign(content)?;
        file.commit()?;
        let signature = match sealed {
            Some((path, text, trusted)) => {
                Whole::write(&path, text.as_bytes())?;
                Some((path, text, trusted))
            }
            None => None,
        };
        if let Some(path) = &self.tsq {
            // A stamp of the signature covers the manifest too.
            let imprint = match &signature {
                Some((_, text, _)) => Sha256::of(text.as_bytes()),
                None => digest_of(&self.out)?,
            };
            Whole::write(path, &time_stamp_request(&imprint, u64::from_be_bytes(key::random()?)))?;
        }
        let Self { about, out, sums, bag, tsq, .. } = self;
        let signature = signature.map(|(path, _, trusted)| (path, trusted));
        Ok(Made { about, trailer, out, signature, sums, bag, tsq })
    }

    /// The signature's place, text and trusted comment.
    fn sign(&self, content: Prehash) -> Result<Option<(PathBuf, String, String)>, CommandError> {
        let Some(secret) = &self.secret else { return Ok(None) };
        let Header { job, moment, files, chain, .. } = &self.about;
        let trusted = format!(
            "landfall manifest of {job}, {files} files, {moment}, chain {} {}",
            chain.seq, chain.link
        );
        let signature =
            secret.sign(content, "signature of a Landfall manifest", &trusted).map_err(|error| {
                CommandError::new(Code::Internal, format!("sign {}: {error}", self.out.display()))
            })?;
        Ok(Some((signature_path(&self.out), signature.to_text(), trusted)))
    }
}

/// The two files of a list: with SHA-256, and without.
struct Lists;

impl Lists {
    fn sums(path: &Path) -> Result<Sums<Whole, Whole>, CommandError> {
        Ok(Sums::new(Whole::begin(path)?, Whole::begin(&without(path))?))
    }

    fn bag(folder: &Path) -> Result<Bag<Whole, Whole>, CommandError> {
        std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        let manifest = Whole::begin(&folder.join("manifest-sha256.txt"))?;
        Ok(Bag::new(manifest, Whole::begin(&folder.join(Bag::<Whole, Whole>::OTHERS))?))
    }
}

fn without(sums: &Path) -> PathBuf {
    let mut path = sums.as_os_str().to_owned();
    path.push(WITHOUT);
    PathBuf::from(path)
}

fn end_sums(sums: Sums<Whole, Whole>, path: &Path) -> Result<(), CommandError> {
    let (sums, others) = sums.finish().map_err(|error| unwritable(path, &error))?;
    sums.commit()?;
    others.commit()?;
    // An empty one says nothing, and one of an earlier list would say what is no longer so.
    let others = without(path);
    if others.metadata().is_ok_and(|file| file.len() == 0) {
        std::fs::remove_file(&others).map_err(|error| unwritable(&others, &error))?;
    }
    Ok(())
}

fn end_bag(bag: Bag<Whole, Whole>, folder: &Path, about: &Header) -> Result<(), CommandError> {
    let labels = vec![
        ("External-Identifier".to_owned(), about.job.clone()),
        ("Bag-Software-Agent".to_owned(), about.program.clone()),
    ];
    let info = BagInfo { date: about.moment.to_zoned(TimeZone::UTC).date(), labels };
    let (tags, manifest, others) = bag.finish(&info).map_err(|error| unwritable(folder, &error))?;
    manifest.commit()?;
    others.commit()?;
    for (name, text) in [
        ("bagit.txt", tags.declaration),
        ("bag-info.txt", tags.info),
        ("tagmanifest-sha256.txt", tags.tag_manifest),
    ] {
        Whole::write(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// The SHA-256 of a file, in constant memory.
fn digest_of(path: &Path) -> Result<Sha256, CommandError> {
    let unread =
        |error: io::Error| CommandError::new(Code::StateFolder, format!("read {}: {error}", path.display()));
    let mut file = std::fs::File::open(path).map_err(unread)?;
    let mut hasher = landfall_core::Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = io::Read::read(&mut file, &mut buffer).map_err(unread)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
    }
    let sha256 = hasher.digests().sha256.and_then(|digest| <[u8; 32]>::try_from(digest.bytes()).ok());
    sha256.map(Sha256::new).ok_or_else(|| CommandError::new(Code::Internal, "a hasher gave no SHA-256"))
}

fn show(context: &Context, job: &str, made: &Made) {
    let Made { about, trailer, .. } = made;
    let shown = |path: &PathBuf| path.display().to_string();
    let counts = trailer.counts;
    context.screen.result(&json!({
        "job": job,
        "manifest": shown(&made.out),
        "sha256": digest_of(&made.out).ok().map(|digest| digest.to_string()),
        "files": counts.files,
        "bytes": counts.bytes,
        "proven_by": { "hash": counts.hash, "bytes": counts.read, "parts": counts.parts },
        "with_sha256": counts.sha256,
        "unproven": about.unproven,
        "skipped": about.skipped,
        "chain": { "seq": about.chain.seq, "link": about.chain.link.to_string() },
        "signature": made.signature.as_ref().map(|(path, trusted)| json!({ "file": shown(path), "trusted": trusted })),
        "sums": made.sums.as_ref().map(shown),
        "bag": made.bag.as_ref().map(shown),
        "tsq": made.tsq.as_ref().map(shown),
        "peak_rss_bytes": machine::peak_rss(),
    }) as &Value);
    let screen = &context.screen;
    screen.line(t!(
        "manifest.made",
        path = made.out.display(),
        files = count(counts.files),
        bytes = ByteSize(counts.bytes),
        sha256 = count(counts.sha256)
    ));
    if about.unproven > 0 || about.skipped > 0 {
        screen.line(t!(
            "manifest.left_out",
            unproven = count(about.unproven),
            skipped = count(about.skipped)
        ));
    }
    screen.line(t!("manifest.head", seq = count(about.chain.seq), link = about.chain.link));
    match &made.signature {
        Some((path, _)) => {
            screen.line(t!("manifest.signed", path = path.display(), manifest = made.out.display()));
        }
        None => screen.line(t!("manifest.unsigned")),
    }
    if let Some(path) = &made.sums {
        screen.line(t!("manifest.sums", path = path.display()));
    }
    if let Some(path) = &made.bag {
        screen.line(t!("manifest.bag", path = path.display()));
    }
    if let Some(path) = &made.tsq {
        screen.line(t!("manifest.tsq", path = path.display()));
    }
}
