//! The user's database on all three engines: read, paged, written by compare-and-set, never more.

use std::collections::BTreeSet;
use std::sync::Arc;

use landfall_core::clock::SystemClock;
use landfall_core::{Code, ErrorKind};
use landfall_stores::catalogue::{
    Catalogue, CatalogueConfig, ListFault, Narrowing, PostKey, Roots, TableSpec, Update, Written,
};
use landfall_tests::mariadb::ScratchMariaDb;
use landfall_tests::postgres::ScratchPostgres;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};

/// One database under test: its URL and what its texts and dates are called.
struct Place {
    url: String,
    folder: tempfile::TempDir,
    json: &'static str,
    quote: char,
}

impl Place {
    fn new(url: String, json: &'static str, quote: char) -> Self {
        sqlx::any::install_default_drivers();
        Self { url, folder: tempfile::tempdir().unwrap(), json, quote }
    }

    fn sqlite() -> Self {
        let mut place = Self::new(String::new(), "TEXT", '"');
        let path = place.folder.path().join("投稿.db");
        std::fs::write(&path, "").unwrap();
        place.url = format!("sqlite:{}", path.display());
        place
    }

    async fn connect(&self) -> AnyConnection {
        AnyConnection::connect(&self.url).await.unwrap()
    }

    async fn sql(&self, sql: &str) {
        let sql = sql.replace("{json}", self.json).replace('`', &self.quote.to_string());
        for statement in sql.split(";\n").filter(|s| !s.trim().is_empty()) {
            sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
                .execute(&mut self.connect().await)
                .await
                .unwrap();
        }
    }

    /// A value as text.
    async fn cell(&self, column: &str, id: &str) -> Option<String> {
        let cast = if self.quote == '`' { "CHAR" } else { "TEXT" };
        let sql = format!("SELECT CAST({column} AS {cast}) FROM all_tweets WHERE id = '{id}'");
        sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut self.connect().await).await.unwrap().get(0)
    }

    async fn prepare(&self) {
        self.sql(TABLES).await;
    }

    fn config(&self) -> CatalogueConfig {
        let root = self.folder.path();
        let mut works = TableSpec::usual("pixiv_works");
        works.columns.username = "User Name".into();
        CatalogueConfig {
            url: self.url.clone(),
            tables: vec![TableSpec::usual("all_tweets"), works],
            roots: Roots { images: root.join("images"), videos: root.join("videos") },
            narrowing: Narrowing::default(),
            state: root.join("state"),
        }
    }

    async fn open(&self) -> Catalogue {
        Catalogue::open(self.config(), Arc::new(SystemClock)).await.unwrap()
    }
}

const TABLES: &str = r#"
CREATE TABLE all_tweets (id VARCHAR(64) NOT NULL PRIMARY KEY, username VARCHAR(100) NOT NULL, display_name VARCHAR(200),
  tweet_text TEXT NOT NULL, tweet_date TIMESTAMP NULL, media_urls {json}, local_media TEXT, huggingface_urls {json},
  uploaded_to_hf BOOLEAN, extra INTEGER);
CREATE TABLE pixiv_works (id BIGINT NOT NULL PRIMARY KEY, `User Name` VARCHAR(100) NOT NULL, work_date TIMESTAMP NULL,
  media_urls TEXT, huggingface_urls TEXT);
INSERT INTO all_tweets VALUES ('1908900169724363186', 'alice', '花子', 'おしながき', '2025-04-06 15:10:40', '["https://m/1"]', '["images/alice/1908900169724363186_1.jpg"]', '["https://h/1", "https://h/2"]', NULL, 7);
INSERT INTO all_tweets VALUES ('20', 'bob', NULL, 't', NULL, NULL, NULL, NULL, FALSE, 7);
INSERT INTO all_tweets VALUES ('9', 'bob', NULL, 't', '2025-01-01 00:00:00', '[]', '[broken', '[]', TRUE, 7);
INSERT INTO all_tweets VALUES ('a', 'bob', NULL, 't', NULL, '["https://m/2"]', '', '[]', NULL, 7);
INSERT INTO all_tweets VALUES ('Z', '../evil', NULL, 't', NULL, '["https://m/3"]', NULL, NULL, NULL, 7);
INSERT INTO pixiv_works VALUES (100000000000000001, 'hanako', '2025-04-06 15:10:40', '["https://m/4"]', '');
INSERT INTO pixiv_works VALUES (99, 'hanako', NULL, '["https://m/5"]', NULL)
"#;

async fn reads_pages_and_reports(place: &Place) {
    let catalogue = place.open().await;
    let (mut ids, mut after, mut findings) = (Vec::new(), None::<String>, Vec::new());
    loop {
        let page = catalogue.posts("all_tweets", after.as_deref(), 2).await.unwrap();
        findings.extend(page.findings.iter().map(|f| format!("{} {}", f.post, f.detail)));
        ids.extend(page.posts.into_iter().map(|post| post.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // Bytewise, as text: whatever the database's own collation.
    assert_eq!(ids, ["1908900169724363186", "20", "9", "Z", "a"]);
    let evil = "all_tweets/Z username: it holds a slash, so it leads somewhere else";
    assert_eq!(findings, ["all_tweets/9 local: malformed", evil]);
    let works = catalogue.posts("pixiv_works", None, 10).await.unwrap().posts;
    let ids: Vec<&str> = works.iter().map(|post| post.id.as_str()).collect();
    assert_eq!(ids, ["100000000000000001", "99"], "numbers are ordered as texts too");
    assert!(works.iter().all(|post| post.local.is_none() && post.is_backlog()));
    let post = catalogue.post(&PostKey::new("all_tweets", "1908900169724363186")).await.unwrap().unwrap();
    assert_eq!((post.display.as_deref(), post.date.get(..19)), (Some("花子"), Some("2025-04-06 15:10:40")));
    assert_eq!(post.hub.items, ["https://h/1", "https://h/2"]);
    let broken = catalogue.post(&PostKey::new("all_tweets", "9")).await.unwrap().unwrap();
    assert_eq!(broken.local.unwrap().fault, Some(ListFault::Malformed));
    assert_eq!(broken.uploaded, Some(true));
    assert_eq!(catalogue.post(&PostKey::new("all_tweets", "A")).await.unwrap(), None, "ids differ by case");
    let counts = catalogue.counts().await.unwrap();
    assert_eq!(
        counts.iter().map(|c| (c.posts, c.backlog, c.unreadable)).collect::<Vec<_>>(),
        [(5, 2, 1), (2, 2, 0)]
    );
    assert_eq!(catalogue.total("all_tweets").await.unwrap(), 5);
}

async fn writes_only_where_nothing_changed(place: &Place) {
    let catalogue = place.open().await;
    let key = PostKey::new("all_tweets", "1908900169724363186");
    let urls = |urls: &[&str]| Some(urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>());
    let read = catalogue.post(&key).await.unwrap().unwrap();
    let update = Update {
        hub: urls(&["https://h/1", "https://h/花"]),
        local: urls(&["images/花子/1_1.jpg"]),
        uploaded: Some(true),
        ..Update::default()
    };
    assert_eq!(catalogue.write(&key, &read.expected(), &update).await.unwrap(), Written::Done);
    let now = catalogue.post(&key).await.unwrap().unwrap();
    assert_eq!(now.hub.items, ["https://h/1", "https://h/花"]);
    assert_eq!((now.media, now.uploaded), (read.media.clone(), Some(true)));
    // A column of texts holds Python's form to the letter.
    assert_eq!(place.cell("local_media", &key.id).await.unwrap(), r#"["images/\u82b1\u5b50/1_1.jpg"]"#);
    assert_eq!(place.cell("extra", &key.id).await.unwrap(), "7");
    // What was read before is no longer there, and nothing of a conflicting update is written.
    let late = Update { hub: urls(&["https://h/late"]), media: urls(&[]), ..Update::default() };
    let Written::Conflict { now: Some(there) } =
        catalogue.write(&key, &read.expected(), &late).await.unwrap()
    else {
        panic!("written over another program's change")
    };
    assert_eq!(there.hub.items, ["https://h/1", "https://h/花"]);
    assert_eq!(there.media, read.media);
    // NULL is a value like any other; the empty list is written as it is everywhere.
    let empty = PostKey::new("all_tweets", "20");
    let read = catalogue.post(&empty).await.unwrap().unwrap();
    let some = Update { hub: urls(&["https://h/3"]), ..Update::default() };
    assert_eq!(catalogue.write(&empty, &read.expected(), &some).await.unwrap(), Written::Done);
    assert!(matches!(
        catalogue.write(&empty, &read.expected(), &some).await.unwrap(),
        Written::Conflict { .. }
    ));
    let read = catalogue.post(&empty).await.unwrap().unwrap();
    let none = Update { hub: urls(&[]), local: urls(&[]), ..Update::default() };
    assert_eq!(catalogue.write(&empty, &read.expected(), &none).await.unwrap(), Written::Done);
    assert_eq!(place.cell("local_media", "20").await.unwrap(), "[]");
    let gone = PostKey::new("all_tweets", "21");
    let written = catalogue.write(&gone, &read.expected(), &some).await.unwrap();
    assert_eq!(written, Written::Conflict { now: None });
    let number = PostKey::new("pixiv_works", "100000000000000001");
    let read = catalogue.post(&number).await.unwrap().unwrap();
    assert_eq!(catalogue.write(&number, &read.expected(), &some).await.unwrap(), Written::Done);
    let other = catalogue.post(&PostKey::new("pixiv_works", "99")).await.unwrap().unwrap();
    assert!(other.hub.items.is_empty());
}

async fn says_what_is_missing(place: &Place) {
    let open = async |change: &dyn Fn(&mut CatalogueConfig)| {
        let mut config = place.config();
        change(&mut config);
        Catalogue::open(config, Arc::new(SystemClock)).await.unwrap_err()
    };
    let table = open(&|config| config.tables[0] = TableSpec::usual("tweets")).await;
    assert_eq!((table.kind, table.code), (ErrorKind::NotFound, Some(Code::CatalogueShape)));
    assert!(table.chain().contains("all_tweets, pixiv_works"), "{}", table.chain());
    let column = open(&|config| {
        config.tables[0].columns.uploaded = Some("done".into());
        config.tables[0].required = BTreeSet::from(["done".to_owned()]);
    });
    let column = column.await;
    assert!(column.chain().contains("huggingface_urls, uploaded_to_hf"), "{}", column.chain());
    assert!(!column.chain().contains("geheim"));
}

async fn all_cases(place: &Place) {
    place.prepare().await;
    reads_pages_and_reports(place).await;
    says_what_is_missing(place).await;
    writes_only_where_nothing_changed(place).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_holds_the_contract() {
    all_cases(&Place::sqlite()).await;
}

/// Old values of servers are kept before they are written.
fn kept(place: &Place) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(place.folder.path().join("state/catalogue-before.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_holds_the_contract_with_texts_and_with_json_columns() {
    let server = ScratchPostgres::start().await.unwrap();
    for json in ["TEXT", "JSON", "JSONB"] {
        let place = Place::new(server.url().to_owned(), json, '"');
        place.sql("DROP TABLE IF EXISTS all_tweets;\nDROP TABLE IF EXISTS pixiv_works").await;
        all_cases(&place).await;
        let first = &kept(&place)[0];
        assert_eq!(first["huggingface_urls"], r#"["https://h/1", "https://h/2"]"#);
    }
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_holds_the_contract() {
    let server = ScratchMariaDb::start().await.unwrap();
    for json in ["TEXT", "JSON"] {
        let place = Place::new(server.url().to_owned(), json, '`');
        place.sql("DROP TABLE IF EXISTS all_tweets;\nDROP TABLE IF EXISTS pixiv_works").await;
        all_cases(&place).await;
        assert_eq!(kept(&place)[0]["id"], "1908900169724363186");
    }
    let wrong = server.url().replace("geheim", "falsch");
    let place = Place::new(wrong, "TEXT", '`');
    let refused = Catalogue::open(place.config(), Arc::new(SystemClock)).await.unwrap_err();
    assert_eq!(refused.code, Some(Code::CatalogueUnusable));
    assert!(!refused.chain().contains("falsch"), "{}", refused.chain());
    server.stop().await.unwrap();
}

/// What a program leaves that is killed while it writes: the file half written, and its journal beside it.
#[tokio::test]
async fn a_database_whose_writer_was_killed_is_read_as_it_was_before() {
    let place = Place::sqlite();
    place.prepare().await;
    for id in 1001..=1400 {
        place.sql(&format!("INSERT INTO all_tweets (id, username, tweet_text, media_urls, huggingface_urls) VALUES ('{id}', '花子', 't', '[\"https://pbs.twimg.com/media/K{id}\"]', '{}')", "x".repeat(900))).await;
    }
    let killed = Place::sqlite();
    {
        let mut writer = place.connect().await;
        for sql in [
            "PRAGMA journal_mode = DELETE",
            "PRAGMA cache_size = 2",
            "PRAGMA cache_spill = 1",
            "BEGIN IMMEDIATE",
            "UPDATE all_tweets SET huggingface_urls = 'half written'",
        ] {
            sqlx::raw_sql(sql).execute(&mut writer).await.unwrap();
        }
        for end in ["", "-journal"] {
            let from = format!("{}{end}", place.url.trim_start_matches("sqlite:"));
            let to = format!("{}{end}", killed.url.trim_start_matches("sqlite:"));
            std::fs::copy(from, to).unwrap();
        }
        sqlx::raw_sql("ROLLBACK").execute(&mut writer).await.unwrap();
    }
    let journal = format!("{}-journal", killed.url.trim_start_matches("sqlite:"));
    assert!(std::fs::metadata(&journal).unwrap().len() > 512);
    let mut config = killed.config();
    config.tables.truncate(1);
    let catalogue = Catalogue::open(config, Arc::new(SystemClock)).await.unwrap();
    let post = catalogue.post(&PostKey::new("all_tweets", "1007")).await.unwrap().unwrap();
    assert_eq!(post.media.items, ["https://pbs.twimg.com/media/K1007"]);
    assert!(post.hub.raw.unwrap().starts_with("xxx"), "the killed writer's half is taken back");
}
