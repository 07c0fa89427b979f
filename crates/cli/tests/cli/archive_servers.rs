//! The archive with its database on a server: the same commands, the same answers.
//!
//! The simulator writes and judges a SQLite file. Its rows are moved to a scratch server before the first command
//! and taken back after the last, text by text, so that its judgement holds for what the server was told.

// The scratch servers of the conformance tests, whose crate would bring the test clock into the program here.
#[path = "../../../../tests/src/mariadb.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library elsewhere")]
mod mariadb;
#[path = "../../../../tests/src/postgres.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library elsewhere")]
mod postgres;

use mariadb::ScratchMariaDb;
use postgres::ScratchPostgres;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::support::{Output, ServedArchive};

/// What a server calls the type of a column.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Short,
    Text,
    Moment,
    Flag,
}

use Kind::{Flag, Moment, Short, Text};

/// The tables with those of their columns that a job reads or writes.
const TABLES: [(&str, [(&str, Kind); 7]); 2] = [
    (
        "all_tweets",
        [
            ("id", Short),
            ("username", Short),
            ("display_name", Short),
            ("tweet_date", Moment),
            ("media_urls", Text),
            ("local_media", Text),
            ("huggingface_urls", Text),
        ],
    ),
    (
        "log_only_tweets",
        [
            ("id", Short),
            ("username", Short),
            ("display_name", Short),
            ("tweet_date", Moment),
            ("media_urls", Text),
            ("huggingface_urls", Text),
            ("uploaded_to_hf", Flag),
        ],
    ),
];

/// A row as texts, in its table's order.
type Cells = Vec<Option<String>>;

/// A connection to one of the three databases.
enum Base {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
    MySql(sqlx::MySqlConnection),
}

impl Base {
    async fn of(url: &str) -> Self {
        match url.split(':').next().unwrap() {
            "sqlite" => Self::Sqlite(sqlx::SqliteConnection::connect(url).await.unwrap()),
            "postgres" => Self::Postgres(sqlx::PgConnection::connect(url).await.unwrap()),
            _ => Self::MySql(sqlx::MySqlConnection::connect(url).await.unwrap()),
        }
    }

    async fn file(sim: &ServedArchive) -> Self {
        Self::of(&format!("sqlite:{}", sim.bench.path("data/eventmonitor.db").display())).await
    }

    fn type_of(&self, kind: Kind) -> &'static str {
        match (self, kind) {
            (_, Short) => "varchar(200)",
            (Self::MySql(_), Text) => "mediumtext",
            (_, Text) => "text",
            (Self::MySql(_), Moment) => "datetime(6)",
            (_, Moment) => "timestamp",
            (_, Flag) => "boolean",
        }
    }

    /// A column as a text that all three print alike.
    fn text_of(&self, name: &str, kind: Kind) -> String {
        match (self, kind) {
            (Self::Postgres(_), Flag) => format!("CAST(CAST({name} AS integer) AS text)"),
            (Self::MySql(_), _) => format!("CAST({name} AS char)"),
            _ => format!("CAST({name} AS text)"),
        }
    }

    async fn run(&mut self, sql: &str, binds: Cells) {
        let sql = AssertSqlSafe(sql.to_owned());
        let met = match self {
            Self::Sqlite(base) => {
                let query = binds.into_iter().fold(sqlx::query(sql), sqlx::query::Query::bind);
                query.execute(base).await.map(drop)
            }
            Self::Postgres(base) => {
                let query = binds.into_iter().fold(sqlx::query(sql), sqlx::query::Query::bind);
                query.execute(base).await.map(drop)
            }
            Self::MySql(base) => {
                let query = binds.into_iter().fold(sqlx::query(sql), sqlx::query::Query::bind);
                query.execute(base).await.map(drop)
            }
        };
        met.unwrap();
    }

    async fn rows(&mut self, table: &str, columns: &[(&str, Kind)]) -> Vec<Cells> {
        let cells: Vec<String> = columns.iter().map(|(name, kind)| self.text_of(name, *kind)).collect();
        let sql = AssertSqlSafe(format!("SELECT {} FROM {table}", cells.join(", ")));
        let all = 0..columns.len();
        let mut rows: Vec<Cells> = match self {
            Self::Sqlite(base) => {
                let rows = sqlx::query(sql).fetch_all(base).await.unwrap();
                rows.iter().map(|row| all.clone().map(|at| row.get(at)).collect()).collect()
            }
            Self::Postgres(base) => {
                let rows = sqlx::query(sql).fetch_all(base).await.unwrap();
                rows.iter().map(|row| all.clone().map(|at| row.get(at)).collect()).collect()
            }
            Self::MySql(base) => {
                let rows = sqlx::query(sql).fetch_all(base).await.unwrap();
                rows.iter().map(|row| all.clone().map(|at| row.get(at)).collect()).collect()
            }
        };
        rows.sort();
        rows
    }

    /// Makes a table and fills it.
    async fn fill(&mut self, table: &str, columns: &[(&str, Kind)], rows: Vec<Cells>) {
        let types: Vec<String> =
            columns.iter().map(|(name, kind)| format!("{name} {}", self.type_of(*kind))).collect();
        let utf8 = if matches!(self, Self::MySql(_)) { " CHARACTER SET utf8mb4" } else { "" };
        let sql = format!("CREATE TABLE {table} ({}, PRIMARY KEY (id)){utf8}", types.join(", "));
        self.run(&sql, Vec::new()).await;
        let places: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(at, (_, kind))| match self {
                Self::Postgres(_) if *kind == Flag => {
                    format!("CAST(CAST(${} AS integer) AS boolean)", at + 1)
                }
                Self::Postgres(_) => format!("CAST(${} AS {})", at + 1, self.type_of(*kind)),
                _ => "?".to_owned(),
            })
            .collect();
        let sql = format!("INSERT INTO {table} VALUES ({})", places.join(", "));
        for row in rows {
            self.run(&sql, row).await;
        }
    }
}

/// Moves every row to the server.
async fn move_to(sim: &ServedArchive, url: &str) {
    let (mut file, mut server) = (Base::file(sim).await, Base::of(url).await);
    for (table, columns) in &TABLES {
        let rows = file.rows(table, columns).await;
        assert!(!rows.is_empty());
        server.fill(table, columns, rows).await;
    }
}

/// Writes the server's texts into the simulator's file, where they differ; says how many cells do.
async fn take_back(sim: &ServedArchive, url: &str) -> usize {
    let (mut file, mut server) = (Base::file(sim).await, Base::of(url).await);
    let mut changed = 0;
    for (table, columns) in &TABLES {
        let (before, now) = (file.rows(table, columns).await, server.rows(table, columns).await);
        assert_eq!(before.len(), now.len(), "{table}: rows came or went");
        for (old, new) in before.iter().zip(&now) {
            assert_eq!(old[0], new[0], "{table}");
            for (at, (name, kind)) in columns.iter().enumerate() {
                // The servers print a moment in their own way, and nobody writes one.
                if *kind == Moment || old[at] == new[at] {
                    continue;
                }
                let sql = format!("UPDATE {table} SET {name} = ? WHERE id = ?");
                file.run(&sql, vec![new[at].clone(), new[0].clone()]).await;
                changed += 1;
            }
        }
    }
    changed
}

/// Verify, repair, run and verify with the database on a server, held against the answers.
async fn the_workload_on(url: &str) {
    let sim = ServedArchive::start(&["--files", "80", "--seed", "21"]);
    move_to(&sim, url).await;
    let toml = sim.toml.replace("database = \"sqlite:data/eventmonitor.db\"", "database_env = \"POSTS_URL\"");
    assert_ne!(toml, sim.toml);
    sim.bench.write("landfall.toml", &toml);
    let landfall = |args: &[&str]| {
        let output = sim.bench.command(args).env("POSTS_URL", url).output().unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    let file = std::fs::read(sim.bench.path("data/eventmonitor.db")).unwrap();
    let first = landfall(&["verify", "tweets", "--json"]);
    assert_eq!(first.code, 6, "{}", first.stderr);
    assert_eq!(take_back(&sim, url).await, 0, "a verify wrote something");
    for command in [&["repair", "tweets", "--remove-leaks", "--json"][..], &["run", "tweets", "--json"]] {
        let output = landfall(command);
        assert!(matches!(output.code, 0 | 1), "{command:?}: {}\n{}", output.stdout, output.stderr);
        assert!(!output.stderr.contains("geheim"), "{}", output.stderr);
    }
    let last = landfall(&["verify", "tweets", "--json"]);
    assert_eq!(last.code, 0, "{}\n{}", last.stdout, last.stderr);
    assert!(std::fs::read(sim.bench.path("data/eventmonitor.db")).unwrap() == file, "it is not the database");
    assert!(take_back(&sim, url).await > 20);
    let check = sim.check();
    assert_eq!(check["clean"], true, "{} {}", check["violated"], check["orphans"]);
    // What each row held before stands in the state folder.
    let kept = sim.bench.read(".landfall/tweets/catalogue-before.jsonl");
    assert!(kept.lines().count() > 20 && kept.contains("huggingface_urls"));
    let again = landfall(&["repair", "tweets", "-n", "--json"]);
    assert_eq!(again.json()["files"], serde_json::json!({}), "{}", again.stdout);
}

#[tokio::test]
async fn the_archive_of_a_postgres_database_is_whole_at_last() {
    let server = ScratchPostgres::start().await.unwrap();
    the_workload_on(server.url()).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_archive_of_a_mariadb_database_is_whole_at_last() {
    let server = ScratchMariaDb::start().await.unwrap();
    the_workload_on(server.url()).await;
    server.stop().await.unwrap();
}
