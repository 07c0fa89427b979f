//! `landfall manifest check`: form, signature, chain of events, and every line beside ledger and destination.
//!
//! Each step says what it has shown, and what was not looked at; nothing is concluded from what is missing. Form and
//! signature need no configuration, so that an outsider can check with this program and nothing else.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;

use landfall_core::Code;
use landfall_core::ledger::{JobHandle, Ledger};
use landfall_evidence::Sha256;
use landfall_evidence::manifest::{self, Header, ManifestError, ManifestReader, Trailer};
use landfall_evidence::minisign::{Prehash, PublicKey, Signature};
use tokio_util::sync::CancellationToken;

use super::chain::{self, Walked};
use super::sort::{Sorted, There};
use super::{key, landed, signature_path, told};
use crate::args::ManifestCheck;
use crate::commands::moving;
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::ui;
use crate::wiring::{Asked, Context, Session};

/// Lines that are named.
const NAMED: usize = 1000;

/// What was found out, step by step.
pub(super) struct Checked {
    pub(super) signature: Signed,
    /// Header and trailer, or the first line that is wrong.
    pub(super) form: Result<(Header, Trailer), ManifestError>,
    pub(super) chain: Option<Walked>,
    pub(super) compared: Option<Compared>,
    /// Whether the job is configured as it was then; nothing where nobody looked.
    pub(super) same_configuration: Option<bool>,
}

/// What is known of the signature.
pub(super) enum Signed {
    /// No key was given, so nobody looked.
    Unasked,
    /// It fits the key that was given; the trusted comment.
    Fits(String),
    /// It does not, or there is none.
    Wrong(String),
}

/// Why a line no longer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lapse {
    /// The ledger no longer has it proven under this path.
    Unproven,
    /// The ledger has another content proven there.
    OtherContent,
    /// The same content, held in another form: the service rewrote it anew.
    OtherForm,
    /// The same content is held by another object.
    OtherObject,
    /// The destination lists no such object.
    Absent,
    /// The destination lists other content.
    Changed,
}

impl Lapse {
    /// The name in tables and JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::OtherContent => "other-content",
            Self::OtherForm => "other-form",
            Self::OtherObject => "other-object",
            Self::Absent => "absent",
            Self::Changed => "changed",
        }
    }
}

/// Every line beside ledger and destination.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) lines: u64,
    /// Shown by a digest that the destination publishes.
    pub(super) held: u64,
    /// There, with the right size; it publishes no digest.
    pub(super) same_size: u64,
    /// How many do not hold, and the first of them.
    pub(super) lapsed: u64,
    pub(super) named: Vec<(String, Lapse)>,
    /// Proven by now and in no line.
    pub(super) newer: u64,
}

/// Checks and shows what was found.
pub(super) async fn check(context: &mut Context, args: &ManifestCheck) -> Result<Exit, CommandError> {
    let public = args.key.as_deref().map(key::public).transpose()?;
    let file = args.file.clone();
    let mut checked = blocking(move || by_itself(&file, public.as_ref())).await?;
    if let Ok((header, _)) = &checked.form {
        let header = header.clone();
        match &args.job {
            Some(job) => beside_job(context, args, job, &header, &mut checked).await?,
            None => checked.chain = at_hand(context, &header).await?,
        }
    }
    Ok(told::tell(&context.screen, &args.file, &checked))
}

/// What the file and its signature show by themselves.
fn by_itself(file: &Path, key: Option<&PublicKey>) -> Result<Checked, CommandError> {
    let input = open(file)?;
    let signature = match key {
        None => Signed::Unasked,
        Some(key) => signed(file, key)?,
    };
    let form = manifest::check(BufReader::new(input));
    Ok(Checked { signature, form, chain: None, compared: None, same_configuration: None })
}

fn open(file: &Path) -> Result<File, CommandError> {
    File::open(file).map_err(|error| unread(file, &error))
}

fn unread(file: &Path, error: &io::Error) -> CommandError {
    CommandError::new(Code::BadArgument, format!("read {}: {error}", file.display()))
}

fn signed(file: &Path, key: &PublicKey) -> Result<Signed, CommandError> {
    let path = signature_path(file);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Ok(Signed::Wrong(format!("read {}: {error}", path.display()))),
    };
    let content = Prehash::of(open(file)?).map_err(|error| unread(file, &error))?;
    let fits =
        Signature::parse(&text).and_then(|signature| signature.verify(key, content).map(str::to_owned));
    Ok(match fits {
        Ok(trusted) => Signed::Fits(trusted),
        Err(error) => Signed::Wrong(error.to_string()),
    })
}

/// The chain, where a configuration and its ledger are at hand and know the job.
async fn at_hand(context: &mut Context, header: &Header) -> Result<Option<Walked>, CommandError> {
    let config = match context.load() {
        Err(error) if error.code == Code::NoConfig && context.global.config.is_none() => return Ok(None),
        other => other?,
    };
    // Looking must not make a ledger where there is none.
    if config.ledger_file().is_some_and(|file| !file.exists()) {
        return Ok(None);
    }
    let ledger = context.ledger(&config).await?;
    let Some(handle) = ledger.find_job(&header.job).await? else { return Ok(None) };
    Ok(Some(chain::walk(ledger.as_ref(), &handle, header.chain).await?))
}

/// Everything that ledger and destination can say.
async fn beside_job(
    context: &mut Context,
    args: &ManifestCheck,
    job: &str,
    header: &Header,
    checked: &mut Checked,
) -> Result<(), CommandError> {
    if header.job != job {
        let detail =
            format!("{} is a manifest of {:?}, and {job:?} was asked for", args.file.display(), header.job);
        return Err(CommandError::new(Code::BadArgument, detail));
    }
    let config = context.load()?;
    let session = Session::open(context, job, Asked::default()).await?;
    let outcome = compare(context, &config, &session, (&args.file, header), checked).await;
    let closed = session.close().await;
    outcome?;
    Ok(closed?)
}

async fn compare(
    context: &Context,
    config: &Arc<Config>,
    session: &Session,
    (file, header): (&Path, &Header),
    checked: &mut Checked,
) -> Result<(), CommandError> {
    let ledger: &dyn Ledger = session.engine.ledger.as_ref();
    let handle: &JobHandle = &session.job.handle;
    let wanted = config.job(&handle.name)?;
    let now = Sha256::of(config.canonical(&handle.name)?.as_bytes());
    checked.same_configuration = Some(now == header.configuration);
    checked.chain = Some(chain::walk(ledger, handle, header.chain).await?);
    list(context, session).await?;
    let tree = Some(session.job.tree);
    let landed = landed(ledger, handle, &wanted, tree, (&session.state, header.clone())).await?;
    let file = file.to_owned();
    checked.compared = Some(blocking(move || side_by_side(&file, &landed.sorted)).await?);
    Ok(())
}

/// Lists the destination anew: nothing that the ledger remembers of it counts here.
async fn list(context: &Context, session: &Session) -> Result<(), CommandError> {
    let done = CancellationToken::new();
    let gauge = moving::gauge(session);
    let listing = async {
        let listed = session.engine.list_destination(&session.job).await;
        done.cancel();
        listed
    };
    let (listed, ()) = tokio::join!(listing, ui::show_progress(context.screen.clone(), &gauge, done.clone()));
    Ok(listed?)
}

/// Both are sorted by path, so that one pass over each is enough.
fn side_by_side(file: &Path, landed: &Sorted) -> Result<Compared, CommandError> {
    let sorting = |error: io::Error| CommandError::new(Code::StateFolder, format!("sort: {error}"));
    let changed = |error: ManifestError| {
        CommandError::new(Code::BadArgument, format!("{} changed while it was read: {error}", file.display()))
    };
    let reader = ManifestReader::open(BufReader::new(open(file)?)).map_err(changed)?;
    let mut landed = landed.iter().map_err(sorting)?;
    let mut now = landed.next().transpose().map_err(sorting)?;
    let mut compared = Compared::default();
    for entry in reader {
        let entry = entry.map_err(changed)?;
        while now.as_ref().is_some_and(|now| now.entry.path < entry.path) {
            compared.newer += 1;
            now = landed.next().transpose().map_err(sorting)?;
        }
        compared.lines += 1;
        let lapse = match now.as_ref().filter(|now| now.entry.path == entry.path) {
            None => Some(Lapse::Unproven),
            Some(now) if (now.entry.size, now.entry.digest) != (entry.size, entry.digest) => {
                Some(Lapse::OtherContent)
            }
            Some(now) if now.entry.held != entry.held => Some(Lapse::OtherForm),
            Some(now) if now.entry.id != entry.id => Some(Lapse::OtherObject),
            Some(now) => match now.mark.there {
                There::Absent | There::Unasked => Some(Lapse::Absent),
                There::Changed => Some(Lapse::Changed),
                There::SameSize => {
                    compared.same_size += 1;
                    None
                }
                There::Held => {
                    compared.held += 1;
                    None
                }
            },
        };
        if now.as_ref().is_some_and(|now| now.entry.path == entry.path) {
            now = landed.next().transpose().map_err(sorting)?;
        }
        let Some(lapse) = lapse else { continue };
        compared.lapsed += 1;
        if compared.named.len() < NAMED {
            compared.named.push((entry.path.as_str().to_owned(), lapse));
        }
    }
    while now.is_some() {
        compared.newer += 1;
        now = landed.next().transpose().map_err(sorting)?;
    }
    Ok(compared)
}

/// Reading and hashing a million lines is work for a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CommandError> + Send + 'static,
) -> Result<T, CommandError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CommandError::new(Code::Internal, format!("check the manifest: {error}")))?
}
