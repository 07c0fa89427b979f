//! Opens a ledger by its URL: connects, checks, migrates, starts the writer.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use landfall_core::clock::{Clock, SystemClock};
use landfall_core::ledger::Ledger;
use landfall_core::{Code, ErrorKind, StoreError};
use sqlx::AnyConnection;
use sqlx::any::AnyPoolOptions;
use tokio::task::JoinSet;

use crate::error::{corrupt, failed, unreachable};
use crate::schema::{self, Migrations};
use crate::seal::Seal;
use crate::sql::{Context, Place, SqlLedger};
use crate::writer::{Frame, Writer};

/// Connections for reading at a time: more readers than that wait for each other.
const READERS: u32 = 4;

/// What SQLite is told on the connection that writes. Keys arrive in random order, so a page of a listing
/// touches as many leaves of an index as it has files: 40 MiB of cache hold the leaves of a million keys, and
/// a checkpoint every 8192 pages (32 MiB of log) writes each leaf once for many commits.
const SQLITE_WRITER: &str = "
PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -40960;
PRAGMA wal_autocheckpoint = 8192; PRAGMA temp_store = FILE;";

/// What SQLite is told on the connections that read.
const SQLITE_READER: &str =
    "PRAGMA busy_timeout = 30000; PRAGMA cache_size = -2048; PRAGMA temp_store = FILE;";

/// What PostgreSQL is told on each connection: a commit is durable whatever the server's default, and every
/// join goes by index in the order in which it is written, as `CROSS JOIN` does on SQLite by itself. The statements join a page of keys with tables of any size; without statistics (a
/// crawl is quicker than the server's own upkeep) the planner would read whole tables, and compile for it.
const POSTGRES_PREPARE: &str = "
SET synchronous_commit = on; SET client_min_messages = warning; SET jit = off;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET join_collapse_limit = 1;";

/// Begins the migrating transaction; two programs that come at once take turns.
const POSTGRES_MIGRATE: &str = "BEGIN;SELECT 1 FROM (SELECT pg_advisory_xact_lock(5207211)) AS turn";

/// How a ledger is opened.
#[derive(Clone, Default)]
pub struct Options {
    /// The key of the ledger's secrets, where the environment gives one.
    pub key: Option<[u8; 32]>,
    /// Where the key lies otherwise; for SQLite `<database>.key` where this is `None`.
    pub key_file: Option<PathBuf>,
    /// Who opens it, for the message to whoever comes second.
    pub holder: String,
}

impl std::fmt::Debug for Options {
    /// The key is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("key_file", &self.key_file)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// Opens the ledger at `sqlite:PATH`, `sqlite::memory:` or `postgres://…`, making it where there is none.
///
/// # Errors
/// With code `LedgerUnreachable` where it cannot be reached or written, `LedgerCorrupt` where it is
/// damaged or no database, `LedgerNewer` where a newer program has written it.
pub async fn open(url: &str, options: Options) -> Result<Arc<dyn Ledger>, StoreError> {
    open_with(url, options, Arc::new(SystemClock)).await
}

/// As [`open`], with the clock by which memos expire.
///
/// # Errors
/// As [`open`].
pub async fn open_with(
    url: &str,
    options: Options,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Ledger>, StoreError> {
    sqlx::any::install_default_drivers();
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return open_sqlite(path, options, clock).await;
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return open_postgres(url, options, clock).await;
    }
    let scheme = url.split(':').next().unwrap_or_default();
    let detail = "a ledger is sqlite:PATH or postgres://…";
    Err(StoreError::new(ErrorKind::Rejected, "open ledger", scheme, detail).with_code(Code::BadConfig))
}

async fn open_sqlite(
    path: &str,
    options: Options,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Ledger>, StoreError> {
    if path == ":memory:" {
        let frame = Frame { url: "sqlite::memory:".into(), begin: "BEGIN", prepare: SQLITE_WRITER };
        let start = Start {
            frame,
            begin: "BEGIN",
            migrations: schema::SQLITE,
            place: Place::Memory,
            in_use: None,
            reader: "",
        };
        return start.open(Seal::new(options.key, options.key_file), clock, false).await;
    }
    let file = PathBuf::from(path.split('?').next().unwrap_or(path));
    let (in_use, check) = enter(&file)?;
    let key_file = options.key_file.or_else(|| Some(beside(&file, ".key")));
    let url = format!("sqlite:{}?mode=rwc", escape(&file));
    let frame = Frame { url, begin: "BEGIN IMMEDIATE", prepare: SQLITE_WRITER };
    let start = Start {
        frame,
        begin: "BEGIN IMMEDIATE",
        migrations: schema::SQLITE,
        place: Place::File(file),
        in_use: Some(in_use),
        reader: SQLITE_READER,
    };
    start.open(Seal::new(options.key, key_file), clock, check).await
}

async fn open_postgres(
    url: &str,
    options: Options,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Ledger>, StoreError> {
    let frame = Frame { url: url.to_owned(), begin: "BEGIN", prepare: POSTGRES_PREPARE };
    let start = Start {
        frame,
        begin: POSTGRES_MIGRATE,
        migrations: schema::POSTGRES,
        place: Place::Server(url.to_owned()),
        in_use: None,
        reader: POSTGRES_PREPARE,
    };
    start.open(Seal::new(options.key, options.key_file), clock, false).await
}

pub(crate) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// A path as it stands in a URL.
pub(crate) fn escape(file: &Path) -> String {
    file.to_string_lossy().replace('%', "%25").replace('?', "%3F").replace('#', "%23")
}

/// Marks the database as in use, and says whether it has to be checked first: where nobody else uses it
/// and yet a write-ahead log lies beside it, the last process did not come to its end.
fn enter(file: &Path) -> Result<(File, bool), StoreError> {
    let path = beside(file, ".lock");
    let shown = || file.display().to_string();
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let lock = opened.map_err(|e| unreachable(shown(), "its folder cannot be written", e))?;
    let alone = match lock.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(error)) => {
            return Err(unreachable(shown(), "its lock cannot be taken", error));
        }
    };
    let left = beside(file, "-wal").metadata().is_ok_and(|log| log.len() > 0);
    // The lock is exclusive only for this look; from here on every user holds it shared.
    let shared = if alone { lock.unlock() } else { Ok(()) }.and_then(|()| lock.lock_shared());
    shared.map_err(|e| unreachable(shown(), "its lock cannot be taken", e))?;
    Ok((lock, alone && left))
}

/// Everything that differs between the databases when one is opened.
struct Start {
    frame: Frame,
    begin: &'static str,
    migrations: Migrations,
    place: Place,
    in_use: Option<File>,
    /// Prepares a connection for reading.
    reader: &'static str,
}

impl Start {
    async fn open(
        self,
        seal: Seal,
        clock: Arc<dyn Clock>,
        check: bool,
    ) -> Result<Arc<dyn Ledger>, StoreError> {
        let mut connection = self.frame.connect().await?;
        if check {
            sound(&mut connection).await?;
        }
        let words = schema::prepare(&mut connection, self.begin, self.migrations).await?;
        let readers =
            if matches!(self.place, Place::Memory) { None } else { Some(readers(&self.frame, self.reader)?) };
        let (writer, serve) = Writer::new(connection, self.frame);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve);
        Ok(Arc::new(SqlLedger {
            context: Arc::new(Context { words, seal, clock }),
            writer,
            readers,
            place: self.place,
            leases: Mutex::new(HashMap::new()),
            tasks: Mutex::new(tasks),
            in_use: self.in_use,
        }))
    }
}

fn readers(frame: &Frame, prepare: &'static str) -> Result<sqlx::AnyPool, StoreError> {
    let options = AnyPoolOptions::new().max_connections(READERS).after_connect(move |connection, _| {
        Box::pin(async move {
            sqlx::raw_sql(prepare).execute(connection).await?;
            Ok(())
        })
    });
    options.connect_lazy(&frame.url).map_err(failed("open ledger"))
}

/// Reads the whole file once: a second for every 500 MB or so.
async fn sound(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let answer = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await;
    let answer: String = answer.map_err(failed("check ledger"))?;
    if answer == "ok" { Ok(()) } else { Err(corrupt(answer)) }
}
