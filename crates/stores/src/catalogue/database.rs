//! The user's database: opened for reading, paged by id, written only by compare-and-set.
//!
//! SQLite, PostgreSQL and MySQL (or MariaDB). The writing connection is made at the first write, after a
//! copy of what it is about to change was kept. Never a change of the schema, never a column that is not
//! named, never a row that no longer holds what was read.

mod engine;
mod errors;
mod keep;
mod schema;

use std::io::{ErrorKind as Io, Read as _};
use std::path::Path;
use std::sync::Arc;

use landfall_core::clock::Clock;
use landfall_core::{Code, ErrorKind, StoreError};
use tokio::sync::Mutex;

use self::engine::{Cells, Engine, Place, Statement};
use self::errors::refused;
use self::schema::Table;
use super::config::CatalogueConfig;
use super::lists::JsonList;
use super::names::username_fault;
use super::post::{Expected, Post, PostKey, Update, Written};

/// Rows that one statement reads at most.
const PAGE: usize = 2000;

/// The open database of posts.
pub struct Catalogue {
    config: CatalogueConfig,
    clock: Arc<dyn Clock>,
    engine: Engine,
    tables: Vec<Table>,
    /// True once this process has kept a copy.
    kept: Mutex<bool>,
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue").field("at", &self.engine.place().shown()).finish_non_exhaustive()
    }
}

/// Something wrong with a row, to be reported; the rest goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which post.
    pub post: PostKey,
    /// In words, beginning with the column.
    pub detail: String,
}

/// One page of posts in bytewise order of their ids.
#[derive(Clone, Debug, Default)]
pub struct PostPage {
    /// The posts.
    pub posts: Vec<Post>,
    /// What is wrong with some of them.
    pub findings: Vec<Finding>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// What a table holds, by our own classification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The table.
    pub table: String,
    /// Its posts.
    pub posts: u64,
    /// Those that have media.
    pub with_media: u64,
    /// Those with a recorded backup.
    pub with_backup: u64,
    /// Those that have media and no backup (pattern 4).
    pub backlog: u64,
    /// Those with a backup whose media is no longer recorded (pattern 3).
    pub lost_media: u64,
    /// Those with a column that is no list of strings.
    pub unreadable: u64,
}

impl Catalogue {
    /// Opens the database for reading and finds the tables and columns.
    ///
    /// # Errors
    /// With code `CatalogueUnusable` where it is no database, cannot be reached or may not be read,
    /// `CatalogueShape` where a table or column is missing (the text names what is there),
    /// `CatalogueBusy` where it stays locked for five seconds.
    pub async fn open(config: CatalogueConfig, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let place = Place::read(&config.url)?;
        if let Place::Sqlite(path) = &place {
            is_sqlite(path)?;
        }
        let unusable = |error: StoreError| match error.code {
            Some(_) => error,
            None => error.with_code(Code::CatalogueUnusable),
        };
        let engine = Engine::open(place).await.map_err(unusable)?;
        let there = schema::tables(&engine).await.map_err(unusable)?;
        let mut tables = Vec::with_capacity(config.tables.len());
        for spec in &config.tables {
            tables.push(schema::table(&engine, spec, &there).await?);
        }
        Ok(Self { config, clock, engine, tables, kept: Mutex::new(false) })
    }

    /// What it was opened with.
    #[must_use]
    pub fn config(&self) -> &CatalogueConfig {
        &self.config
    }

    /// What it resolved to, without user and password.
    #[must_use]
    pub fn identity(&self) -> String {
        match self.engine.place() {
            Place::Sqlite(path) => {
                let path = path.canonicalize().unwrap_or_else(|_| path.clone());
                format!("catalogue:sqlite:{}", path.display())
            }
            place => format!("catalogue:{}", place.shown()),
        }
    }

    /// The tables, as the configuration names them, that the narrowing leaves.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        let only = &self.config.narrowing.tables;
        let meant = |name: &&str| only.is_empty() || only.contains(*name);
        self.tables.iter().map(|table| table.name.as_str()).filter(meant)
    }

    /// True where a table records local files.
    #[must_use]
    pub fn records_local(&self, table: &str) -> bool {
        self.tables.iter().any(|t| t.name == table && t.local.is_some())
    }

    /// True where a table has a mark of being backed up.
    #[must_use]
    pub fn has_mark(&self, table: &str) -> bool {
        self.tables.iter().any(|t| t.name == table && t.uploaded.is_some())
    }

    fn table(&self, name: &str) -> Result<&Table, StoreError> {
        self.tables.iter().find(|table| table.name == name).ok_or_else(|| {
            let detail = "the catalogue was opened without this table";
            StoreError::new(ErrorKind::NotFound, "read catalogue", name, detail)
                .with_code(Code::CatalogueShape)
        })
    }

    /// Reads posts after an id, in bytewise order of ids, at most `limit` (and never more than 2,000).
    ///
    /// # Errors
    /// Where the database cannot be read. What is wrong with a row stands in the page's findings.
    pub async fn posts(
        &self,
        table: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<PostPage, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let rows = self.engine.rows(self.table(table)?.page(after, limit)).await?;
        let full = rows.len() == limit;
        let mut page = PostPage::default();
        for cells in rows {
            let post = post_of(table, self.records_local(table), cells, &mut page.findings);
            page.posts.push(post);
        }
        if full {
            let last = page.posts.last().map(|post| post.id.clone());
            if last.as_deref() <= after {
                let detail = "an id in it is no text, so its rows cannot be paged";
                return Err(StoreError::new(ErrorKind::Corrupt, "read catalogue", table, detail)
                    .with_code(Code::CatalogueUnusable));
            }
            page.next = last;
        }
        Ok(page)
    }

    /// Reads one post; `None` where there is none.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn post(&self, key: &PostKey) -> Result<Option<Post>, StoreError> {
        let rows = self.engine.rows(self.table(&key.table)?.one(&key.id)).await?;
        let has_local = self.records_local(&key.table);
        Ok(rows.into_iter().next().map(|cells| post_of(&key.table, has_local, cells, &mut Vec::new())))
    }

    /// Counts a table's rows.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn total(&self, table: &str) -> Result<u64, StoreError> {
        let rows = self.engine.rows(self.table(table)?.total()).await?;
        let cell = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        Ok(cell.and_then(|c| String::from_utf8(c).ok()?.parse().ok()).unwrap_or_default())
    }

    /// Classifies every post of the narrowed tables; reads them all once.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn counts(&self) -> Result<Vec<Counts>, StoreError> {
        let mut all = Vec::new();
        for table in self.tables().map(str::to_owned).collect::<Vec<_>>() {
            let mut counts = Counts { table: table.clone(), ..Counts::default() };
            let mut after: Option<String> = None;
            loop {
                let page = self.posts(&table, after.as_deref(), PAGE).await?;
                for post in &page.posts {
                    if self.config.narrowing.takes(&table, &post.username, &post.date) {
                        counts.take(post);
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            all.push(counts);
        }
        Ok(all)
    }

    /// Writes columns of one post, each only where it still holds what was read. One statement in one
    /// transaction; before the first write of a process a copy of the database is kept (SQLite), before
    /// every write the old values (servers).
    ///
    /// # Errors
    /// Where the database or the disk fails. Whether a lost connection's write was carried out shows when
    /// the post is read again: repeating it then gives [`Written::Conflict`].
    pub async fn write(
        &self,
        key: &PostKey,
        expected: &Expected,
        update: &Update,
    ) -> Result<Written, StoreError> {
        let Some(statement) = self.table(&key.table)?.write(key, expected, update) else {
            return Ok(Written::Done);
        };
        self.keep(key, expected, update).await?;
        match self.engine.change(statement).await? {
            1 => Ok(Written::Done),
            0 => Ok(Written::Conflict { now: self.post(key).await?.map(Box::new) }),
            met => {
                let detail = format!("{met} rows have this id, so nothing was written");
                Err(StoreError::new(ErrorKind::Rejected, "write catalogue", key.to_string(), detail))
            }
        }
    }

    /// Keeps what is about to be overwritten.
    async fn keep(&self, key: &PostKey, expected: &Expected, update: &Update) -> Result<(), StoreError> {
        let mut kept = self.kept.lock().await;
        let Place::Sqlite(database) = self.engine.place() else {
            let line = serde_json::json!({
                "v": 1, "at": self.clock.now().to_string(), "table": key.table, "id": key.id,
                "media_urls": update.media.as_ref().map(|_| &expected.media),
                "local_media": update.local.as_ref().map(|_| &expected.local),
                "huggingface_urls": update.hub.as_ref().map(|_| &expected.hub),
                "wrote": {"media_urls": update.media, "local_media": update.local,
                    "huggingface_urls": update.hub, "uploaded": update.uploaded},
            });
            let path = keep::before_images(&self.config.state);
            let shown = path.display().to_string();
            return blocking(move || keep::append(&path, &line))
                .await
                .map_err(|e| refused("keep old values", &shown, "nothing was written", e));
        };
        if *kept {
            return Ok(());
        }
        let part = keep::copy_under_way(database, self.clock.now());
        let shown = part.display().to_string();
        let failed = |e| refused("back up catalogue", &shown, "nothing was written", e);
        let remove = part.clone();
        let removed = move || match std::fs::remove_file(remove) {
            Err(error) if error.kind() != Io::NotFound => Err(error),
            _ => Ok(()),
        };
        blocking(removed).await.map_err(failed)?;
        let sql = "VACUUM INTO ?".to_owned();
        self.engine.bare(Statement { sql, binds: vec![Some(shown.clone())] }).await?;
        let database = database.clone();
        let copy = blocking(move || keep::finish_copy(&database, &part)).await.map_err(failed)?;
        tracing::info!(copy = %copy.display(), "kept a copy of the catalogue before the first write");
        *kept = true;
        Ok(())
    }
}

impl Counts {
    fn take(&mut self, post: &Post) {
        self.posts += 1;
        self.with_media += u64::from(!post.media.items.is_empty());
        self.with_backup += u64::from(!post.hub.items.is_empty());
        self.backlog += u64::from(post.is_backlog());
        self.lost_media += u64::from(post.lost_its_media());
        self.unreadable += u64::from(post.faults().iter().any(|(_, fault)| fault.is_unreadable()));
    }
}

/// Runs a file call on a blocking thread.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|join| Err(std::io::Error::other(join)))
}

/// Looks at a file before SQLite does: SQLite takes an empty file for an empty database, and its words for
/// a file that may not be opened say little.
fn is_sqlite(path: &Path) -> Result<(), StoreError> {
    let shown = path.display().to_string();
    let failed = |error: std::io::Error| {
        let detail = match error.kind() {
            Io::NotFound => "there is no such file",
            Io::PermissionDenied => "the file may not be read",
            _ => "the file cannot be read",
        };
        refused("open catalogue", &shown, detail, error)
    };
    let mut head = Vec::new();
    std::fs::File::open(path).and_then(|f| f.take(16).read_to_end(&mut head)).map_err(failed)?;
    if head.as_slice() == b"SQLite format 3\0" {
        return Ok(());
    }
    let detail =
        if head.is_empty() { "the file is empty, so no database" } else { "it is not a SQLite database" };
    Err(StoreError::new(ErrorKind::Corrupt, "open catalogue", shown, detail)
        .with_code(Code::CatalogueUnusable))
}

/// Makes a post of the eight columns; what is wrong with them is reported, never fatal.
fn post_of(table: &str, has_local: bool, cells: Cells, findings: &mut Vec<Finding>) -> Post {
    let mut cells = cells.into_iter();
    let mut next = || cells.next().flatten();
    let lossy = |cell: Option<Vec<u8>>| {
        cell.map(|bytes| {
            String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
        })
    };
    let id = lossy(next()).unwrap_or_default();
    let username = lossy(next()).unwrap_or_default();
    let display = lossy(next());
    let date = lossy(next()).unwrap_or_default();
    let list = |cell: Option<Vec<u8>>| match cell.map(String::from_utf8) {
        Some(Err(_)) => JsonList::not_text(),
        Some(Ok(text)) => JsonList::read(Some(text)),
        None => JsonList::read(None),
    };
    let (media, local, hub) = (list(next()), next(), list(next()));
    let uploaded = lossy(next()).map(|text| !matches!(text.trim(), "" | "0" | "f" | "false" | "False"));
    let (table, local) = (table.to_owned(), has_local.then(|| list(local)));
    let post = Post { table, id, username, display, date, media, local, hub, uploaded };
    let mut report = |detail: String| findings.push(Finding { post: post.key(), detail });
    for (column, fault) in post.faults() {
        report(format!("{column}: {}", fault.name()));
    }
    if let Some(fault) = username_fault(&post.username) {
        report(format!("username: {fault}"));
    }
    post
}
