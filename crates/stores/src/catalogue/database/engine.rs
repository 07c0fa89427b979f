//! The connection to one of the three databases, reduced to texts in and bytes out.
//!
//! Every call runs on a runtime of its own behind a blocking thread: a simulation's paused clock neither
//! races ahead of the database nor makes its time-outs fire. It knows no table.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::{Code, ErrorKind, StoreError};
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Row};
use tokio::runtime::Runtime;

use super::errors::{named, refused};

/// How long somebody else's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
    MySql,
}

/// Where the database is.
#[derive(Clone)]
pub(super) enum Place {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
    MySql(Box<MySqlConnectOptions>),
}

impl Place {
    /// Reads a URL. Nothing of it is repeated in an error: it may hold a password.
    pub(super) fn read(url: &str) -> Result<Self, StoreError> {
        let bad = |detail: &str| {
            StoreError::new(ErrorKind::Rejected, "open catalogue", "database", detail)
                .with_code(Code::BadConfig)
        };
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let path = path.split('?').next().unwrap_or(path);
            return match path {
                "" | ":memory:" => Err(bad("sqlite: needs the path of a file")),
                path => Ok(Self::Sqlite(PathBuf::from(path))),
            };
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options: PgConnectOptions =
                url.parse().map_err(|_| bad("the URL of the PostgreSQL server cannot be read"))?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        if url.starts_with("mysql://") || url.starts_with("mariadb://") {
            let url = url.replacen("mariadb://", "mysql://", 1);
            let options: MySqlConnectOptions =
                url.parse().map_err(|_| bad("the URL of the MySQL server cannot be read"))?;
            return Ok(Self::MySql(Box::new(options)));
        }
        Err(bad("a catalogue is sqlite:PATH, postgres://… or mysql://…"))
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
            Self::MySql(_) => Dialect::MySql,
        }
    }

    /// Its name for messages: no user, no password.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(o) => {
                format!("postgres://{}:{}/{}", o.get_host(), o.get_port(), o.get_database().unwrap_or(""))
            }
            Self::MySql(o) => {
                format!("mysql://{}:{}/{}", o.get_host(), o.get_port(), o.get_database().unwrap_or(""))
            }
        }
    }

    /// Connects. A reading connection cannot write, whatever is asked of it.
    /// Connects for reading. Where a writer was killed in the middle of a transaction, SQLite must first take
    /// its half back, which it cannot do read-only: a writable connection is opened for that alone.
    async fn reader(&self) -> Result<Pool, sqlx::Error> {
        let reader = self.pool(false).await?;
        let Pool::Sqlite(pool) = &reader else { return Ok(reader) };
        match sqlx::query(PROBE).execute(pool).await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(HOT_JOURNAL) => {
                tracing::warn!("a program was killed while it wrote to the database; its half is taken back");
                if let Pool::Sqlite(writer) = self.pool(true).await? {
                    sqlx::query(PROBE).execute(&writer).await?;
                    writer.close().await;
                }
                self.pool(false).await
            }
            // Whatever else is wrong is told by the first statement that needs it.
            _ => Ok(reader),
        }
    }

    async fn pool(&self, writes: bool) -> Result<Pool, sqlx::Error> {
        // One writer: its transactions follow each other.
        let most = if writes { 1 } else { 4 };
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(false)
                    .read_only(!writes)
                    .foreign_keys(false)
                    .busy_timeout(PATIENCE);
                let pool = SqlitePoolOptions::new().max_connections(most);
                Ok(Pool::Sqlite(pool.acquire_timeout(PATIENCE * 4).connect_with(options).await?))
            }
            Self::Postgres(options) => {
                let read_only = if writes { "off" } else { "on" };
                let options = options
                    .as_ref()
                    .clone()
                    .options([("default_transaction_read_only", read_only), ("lock_timeout", "5s")]);
                let pool = PgPoolOptions::new().max_connections(most);
                Ok(Pool::Postgres(pool.acquire_timeout(PATIENCE * 4).connect_with(options).await?))
            }
            Self::MySql(options) => {
                let prepare = if writes {
                    "SET SESSION innodb_lock_wait_timeout = 5, lock_wait_timeout = 5"
                } else {
                    "SET SESSION TRANSACTION READ ONLY"
                };
                let pool =
                    MySqlPoolOptions::new().max_connections(most).after_connect(move |connection, _| {
                        Box::pin(async move {
                            sqlx::raw_sql(prepare).execute(connection).await?;
                            Ok(())
                        })
                    });
                let options = options.as_ref().clone();
                Ok(Pool::MySql(pool.acquire_timeout(PATIENCE * 4).connect_with(options).await?))
            }
        }
    }
}

/// Touches the file, so that an unfinished transaction of a killed writer shows.
const PROBE: &str = "SELECT count(*) FROM sqlite_master";
/// `SQLITE_READONLY_ROLLBACK` (sqlite.org/rescode.html).
const HOT_JOURNAL: &str = "776";

/// A row: the bytes of every column as text, `None` for NULL.
pub(super) type Cells = Vec<Option<Vec<u8>>>;

/// A statement with what is bound to it, in order.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) binds: Vec<Option<String>>,
}

#[derive(Clone, Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    MySql(MySqlPool),
}

fn cells<R>(row: &R) -> Result<Cells, sqlx::Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> Vec<u8>: Decode<'r, R::Database>,
{
    (0..row.len()).map(|at| row.try_get_unchecked::<Option<Vec<u8>>, _>(at)).collect()
}

impl Pool {
    async fn rows(&self, statement: Statement) -> Result<Vec<Cells>, sqlx::Error> {
        let Statement { sql, binds } = statement;
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(pool) => {
                let query = binds.into_iter().fold(sqlx::query(sql), Query::bind);
                query.fetch_all(pool).await?.iter().map(cells).collect()
            }
            Self::Postgres(pool) => {
                let query = binds.into_iter().fold(sqlx::query(sql), Query::bind);
                query.fetch_all(pool).await?.iter().map(cells).collect()
            }
            Self::MySql(pool) => {
                let query = binds.into_iter().fold(sqlx::query(sql), Query::bind);
                query.fetch_all(pool).await?.iter().map(cells).collect()
            }
        }
    }

    /// Runs one changing statement in a transaction of its own; taken back where it meets more than one row.
    async fn change(&self, statement: Statement) -> Result<u64, sqlx::Error> {
        let Statement { sql, binds } = statement;
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(pool) => {
                let mut turn = pool.begin_with("BEGIN IMMEDIATE").await?;
                let query = binds.into_iter().fold(sqlx::query(sql), Query::bind);
                let met = query.execute(&mut *turn).await?.rows_affected();
                if met == 1 {
                    turn.commit().await?;
                } else {
                    turn.rollback().await?;
                }
                Ok(met)
            }
            Self::Postgres(pool) => {
                let mut turn = pool.begin().await?;
                let query = binds.into_iter().fold(sqlx::query(sql), Query::bind);
                let met = query.execute(&mut *turn).await?.rows_affected();
                if met == 1 {
                    turn.commit().await?;
                } else {
                    turn.rollback().await?;
                }
                Ok(met)
            }
            Self::MySql(pool) => {
                let mut turn = pool.begin().await?;
                let query = binds.into_iter().fold(sqlx::query(sql), Query::bind);
                let met = query.execute(&mut *turn).await?.rows_affected();
                if met == 1 {
                    turn.commit().await?;
                } else {
                    turn.rollback().await?;
                }
                Ok(met)
            }
        }
    }
}

/// The runtime that the database's sockets and threads belong to.
struct Own(Option<Runtime>);

impl Drop for Own {
    /// A runtime may not wait for its threads inside another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// An open database.
pub(super) struct Engine {
    place: Place,
    reader: Pool,
    writer: tokio::sync::OnceCell<Pool>,
    own: Arc<Own>,
}

impl Engine {
    /// Connects for reading.
    pub(super) async fn open(place: Place) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("catalogue")
            .enable_all()
            .build()
            .map_err(|error| refused("open catalogue", &place.shown(), "no thread can be started", error))?;
        let own = Arc::new(Own(Some(runtime)));
        let to = place.clone();
        let reader = run(&own, &place, "open catalogue", async move { to.reader().await }).await?;
        Ok(Self { place, reader, writer: tokio::sync::OnceCell::new(), own })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Reads.
    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Cells>, StoreError> {
        let pool = self.reader.clone();
        run(&self.own, &self.place, "read catalogue", async move { pool.rows(statement).await }).await
    }

    /// Runs a statement on the writing connection outside of a transaction (`VACUUM INTO`).
    pub(super) async fn bare(&self, statement: Statement) -> Result<(), StoreError> {
        let pool = self.writer().await?;
        run(&self.own, &self.place, "back up catalogue", async move { pool.rows(statement).await })
            .await
            .map(drop)
    }

    /// Changes one row or none; says how many rows the statement met.
    pub(super) async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        let pool = self.writer().await?;
        run(&self.own, &self.place, "write catalogue", async move { pool.change(statement).await }).await
    }

    /// The writing connection, made when it is first needed: a dry run never has one.
    async fn writer(&self) -> Result<Pool, StoreError> {
        let connect = || async {
            let to = self.place.clone();
            run(&self.own, &self.place, "write catalogue", async move { to.pool(true).await }).await
        };
        self.writer.get_or_try_init(connect).await.cloned()
    }
}

/// Runs a call on the database's own runtime. Cancelled, the call still runs to its end.
async fn run<T: Send + 'static>(
    own: &Arc<Own>,
    place: &Place,
    operation: &'static str,
    call: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T, StoreError> {
    let own = Arc::clone(own);
    let ended = || sqlx::Error::WorkerCrashed;
    let called = tokio::task::spawn_blocking(move || match &own.0 {
        Some(runtime) => runtime.block_on(call),
        None => Err(ended()),
    });
    called.await.unwrap_or_else(|_| Err(ended())).map_err(|error| named(operation, &place.shown(), error))
}
