//! The archive's SQLite database.
//!
//! Owns its schema, the writing of rows and a dump of everything as `quote()` gives it. It blocks: sqlx under a paused
//! clock never gets its first connection, so each call has a runtime of its own. Refuses to know what the columns
//! mean.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::post::Table;
use super::text;
use super::world::Row;

const SCHEMA: &str = include_str!("schema.sql");

const INSERT_ALL: &str = "INSERT INTO all_tweets (id, username, display_name, tweet_text, tweet_date, tweet_url, \
     media_urls, huggingface_urls, created_at, sensitive, local_media, checked_for_event) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)";
const INSERT_LOG_ONLY: &str = "INSERT INTO log_only_tweets (id, username, display_name, tweet_text, tweet_date, \
     tweet_url, media_urls, huggingface_urls, created_at, sensitive, uploaded_to_hf) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// The tables that hold posts.
pub(crate) const TABLES: [&str; 2] = ["all_tweets", "log_only_tweets"];

/// One row as it is: every column quoted, and the three lists as they are read.
#[derive(Clone, Debug)]
pub(crate) struct Dumped {
    pub(crate) table: &'static str,
    pub(crate) id: String,
    pub(crate) columns: BTreeMap<String, String>,
}

impl Dumped {
    /// The text of a column, unquoted; nothing for NULL and for what is no text.
    pub(crate) fn text(&self, column: &str) -> Option<String> {
        unquote(self.columns.get(column)?)
    }

    /// A column that is a list of texts.
    pub(crate) fn list(&self, column: &str) -> Option<Vec<String>> {
        text::list(&self.text(column)?)
    }
}

/// The text that `quote()` was given.
pub(crate) fn unquote(quoted: &str) -> Option<String> {
    Some(quoted.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}

/// Makes the database with all rows.
///
/// # Errors
/// It is there already, or cannot be written.
pub(crate) fn create(path: &Path, dir: &str, rows: &[Row]) -> io::Result<()> {
    if path.exists() {
        let message = format!("{} is there already", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    block_on(async {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
        let mut all = connection.begin().await?;
        for row in rows {
            insert(&mut all, row, dir).await?;
        }
        all.commit().await?;
        connection.close().await
    })
}

/// Everything in the tables of posts, by table and id.
///
/// # Errors
/// There is no such database, or it lacks a table.
pub(crate) fn dump(path: &Path) -> io::Result<Vec<Dumped>> {
    block_on(async {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let mut out = Vec::new();
        for table in TABLES {
            let names = sqlx::query("SELECT name FROM pragma_table_info($1) ORDER BY cid").bind(table);
            let names = names.fetch_all(&mut connection).await?;
            let names = names.iter().map(|row| row.try_get::<String, _>(0));
            let names = names.collect::<Result<Vec<String>, sqlx::Error>>()?;
            let quoted = names.iter().map(|name| format!("quote(\"{name}\")")).collect::<Vec<String>>();
            // Names come from the database's own catalogue, which this module wrote.
            let sql = AssertSqlSafe(format!("SELECT id, {} FROM {table} ORDER BY id", quoted.join(", ")));
            for row in sqlx::query(sql).fetch_all(&mut connection).await? {
                let mut columns = BTreeMap::new();
                for (index, name) in names.iter().enumerate() {
                    columns.insert(name.clone(), row.try_get::<String, _>(index + 1)?);
                }
                out.push(Dumped { table, id: row.try_get(0)?, columns });
            }
        }
        connection.close().await?;
        Ok(out)
    })
}

async fn insert(all: &mut SqliteConnection, row: &Row, dir: &str) -> Result<(), sqlx::Error> {
    let (sql, host) = match row.table {
        Table::All => (INSERT_ALL, "x.com"),
        Table::LogOnly => (INSERT_LOG_ONLY, "twitter.com"),
    };
    let hub = row.hub_urls.text(dir);
    let uploaded = hub.as_deref().is_some_and(|text| text.contains("https://"));
    let query = sqlx::query(sql)
        .bind(&row.id)
        .bind(&row.username)
        .bind(&row.display_name)
        .bind(&row.text)
        .bind(text::date(row.ms, 0))
        .bind(format!("https://{host}/{}/status/{}", row.username, row.id))
        .bind(row.media_urls.text(dir))
        .bind(hub)
        // The public project takes the local time, here that of Japan, seven minutes later.
        .bind(text::date(row.ms + 420_000, 9))
        .bind(row.sensitive);
    let query = match row.table {
        Table::All => query.bind(row.local_media.text(dir)),
        Table::LogOnly => query.bind(uploaded),
    };
    query.execute(all).await.map(drop)
}

fn block_on<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work).map_err(io::Error::other)
}
