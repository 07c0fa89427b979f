//! An archive of any size and simple shape: a Hub served in this process, a database, folders and a configuration.
//!
//! The scenario `archive` of the simulator has every kind of damage and is small; these have one thing to measure and
//! as many rows as that takes. Objects are sealed by the crate under test, which a benchmark may trust: nothing is
//! judged here. Refuses to know what is measured.

use std::fs;
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use fastrand::Rng;
use landfall_seal::{Cipher, Keys, Nonce, Options, Sealer, obscure};
use landfall_sim::{HubConfig, HubSim};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The tables of the public project, as far as a program reads them.
const SCHEMA: &str = "
CREATE TABLE all_tweets (id VARCHAR(64) NOT NULL PRIMARY KEY, username VARCHAR(100) NOT NULL,
    display_name VARCHAR(200), tweet_text TEXT NOT NULL, tweet_date DATETIME NOT NULL,
    tweet_url VARCHAR(500) NOT NULL, media_urls TEXT, local_media TEXT, huggingface_urls TEXT,
    created_at DATETIME, sensitive BOOLEAN DEFAULT 0);
CREATE TABLE log_only_tweets (id VARCHAR(64) NOT NULL PRIMARY KEY, username VARCHAR(100) NOT NULL,
    display_name VARCHAR(200), tweet_text TEXT NOT NULL, tweet_date DATETIME NOT NULL,
    tweet_url VARCHAR(500) NOT NULL, media_urls TEXT, huggingface_urls TEXT,
    created_at DATETIME, sensitive BOOLEAN DEFAULT 0, uploaded_to_hf BOOLEAN DEFAULT 0);
";
const INSERT: &str = "INSERT INTO all_tweets
    (id, username, tweet_text, tweet_date, tweet_url, media_urls, local_media, huggingface_urls)
    VALUES ($1, $2, 'おはよう', $3, 'https://x.com/status/' || $1, $4, $5, $6)";

/// The dataset of the configuration; the others are called after it.
const REPO: &str = "me/EventMonitor";
const TOKEN: &str = "hf_sim_write";
const PASSWORDS: (&str, &str) = ("合言葉", "塩");
/// Accounts, so that no folder comes near the Hub's 10,000 entries.
const USERS: u64 = 40;
/// Most files of one post.
const MOST: u64 = 4;
/// A post of April 2025, and how far ids lie apart.
const FIRST_ID: u64 = 1_908_900_169_724_363_186;
const APART: u64 = 7_654_321;

/// What an archive consists of.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// Files that are on the Hub and recorded.
    pub(crate) recorded: u64,
    /// Of these the ones that lie elsewhere than recorded.
    pub(crate) misplaced: u64,
    /// Files that were never backed up.
    pub(crate) backlog: u64,
    /// Posts without media.
    pub(crate) texts: u64,
    /// Datasets over which the recorded files are spread without order.
    pub(crate) repos: u64,
    /// Bytes of one plain file.
    pub(crate) size: usize,
    /// Whether the files lie in the local folders too.
    pub(crate) local: bool,
    /// How long the Hub waits before it serves a request.
    pub(crate) latency: Duration,
}

impl Default for World {
    fn default() -> Self {
        Self {
            recorded: 0,
            misplaced: 0,
            backlog: 0,
            texts: 0,
            repos: 1,
            size: 64,
            local: false,
            latency: Duration::from_millis(20),
        }
    }
}

/// A world on disk and on the loopback address.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) hub: HubSim,
    /// Serves until it is dropped.
    _runtime: Runtime,
}

/// What a post is about.
#[derive(Clone, Copy)]
enum Kind {
    Recorded,
    Backlog,
    Text,
}

struct Row {
    id: String,
    user: String,
    media: Vec<String>,
    local: Vec<String>,
    hub: Vec<String>,
}

impl World {
    /// Draws it, writes it and serves it.
    pub(crate) fn stage(&self) -> Result<Stage> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let folder = tempfile::tempdir()?;
        let config =
            HubConfig { latency: self.latency, epoch: Some(jiff::Timestamp::now()), ..HubConfig::default() };
        let hub = HubSim::new(config);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let served = runtime.block_on(hub.serve(any, any))?;
        settings(folder.path(), &served.hub)?;
        let rows = self.draw(folder.path(), &hub)?;
        runtime.block_on(database(folder.path(), &rows))?;
        runtime.spawn(served.run(pending()));
        Ok(Stage { folder, hub, _runtime: runtime })
    }

    /// Draws posts in the order of their ids, and puts their files where they belong.
    fn draw(&self, folder: &Path, hub: &HubSim) -> Result<Vec<Row>> {
        let mut rng = Rng::with_seed(1);
        let keys = Keys::derive(PASSWORDS.0.as_bytes(), Some(PASSWORDS.1.as_bytes()));
        let cipher = Cipher::new(keys, Options { directory_names: false, ..Options::default() });
        let mut objects: Vec<Vec<(String, Bytes)>> = vec![Vec::new(); self.repos as usize];
        let mut rows = Vec::new();
        let mut at = 0;
        for (kind, files) in self.posts(&mut rng) {
            let id = (FIRST_ID + rows.len() as u64 * APART).to_string();
            let user = format!("user_{:02}", rng.u64(..USERS));
            let mut row = Row { id, user, media: Vec::new(), local: Vec::new(), hub: Vec::new() };
            for n in 1..=files {
                let name = format!("{}_{n}.jpg", row.id);
                row.media.push(format!("https://pbs.twimg.com/media/{}{n}?format=jpg&name=orig", row.id));
                let plain = picture(&mut rng, self.size);
                if self.local {
                    let path = format!("images/{}/{name}", row.user);
                    write(folder, &path, &plain)?;
                    row.local.push(path);
                }
                if matches!(kind, Kind::Recorded) {
                    let repo = rng.usize(..objects.len());
                    let sealed = cipher.encode_segment(&name)?;
                    // Spread over all of them, as the years spread them.
                    at += 1;
                    let misplaced =
                        at * self.misplaced / self.recorded > (at - 1) * self.misplaced / self.recorded;
                    let place = Place { user: &row.user, plain: &name, sealed: &sealed };
                    let (lies, said) = place.paths(misplaced.then(|| rng.bool()));
                    row.hub.push(format!(
                        "https://huggingface.co/datasets/{}/resolve/main/{said}",
                        repo_of(repo)
                    ));
                    objects[repo].push((lies, seal(&cipher, &mut rng, &plain)));
                }
            }
            rows.push(row);
        }
        for (at, files) in objects.into_iter().enumerate() {
            hub.create_repo(&repo_of(at), true);
            hub.put(&repo_of(at), files);
        }
        Ok(rows)
    }

    /// What posts there are and how many files each has: most have one. All kinds are mixed.
    fn posts(&self, rng: &mut Rng) -> Vec<(Kind, u64)> {
        let mut posts = vec![(Kind::Text, 0); self.texts as usize];
        for (kind, files) in [(Kind::Recorded, self.recorded), (Kind::Backlog, self.backlog)] {
            let mut left = files;
            while left > 0 {
                let files = if rng.u32(..10) < 7 { 1 } else { rng.u64(2..=MOST) }.min(left);
                posts.push((kind, files));
                left -= files;
            }
        }
        rng.shuffle(&mut posts);
        posts
    }
}

/// The names of one object.
struct Place<'a> {
    user: &'a str,
    plain: &'a str,
    sealed: &'a str,
}

impl Place<'_> {
    /// Where it lies and where it is said to lie: the same, or recorded without the seal, or stored by a batch.
    fn paths(&self, wrong: Option<bool>) -> (String, String) {
        let Self { user, plain, sealed } = self;
        let right = format!("encrypted_images/{user}/{sealed}");
        match wrong {
            None => (right.clone(), right),
            Some(true) => (right, format!("images/{user}/{plain}")),
            Some(false) => (format!("batch_encrypted/{user}/{right}"), right),
        }
    }
}

/// Names a dataset by its number.
fn repo_of(at: usize) -> String {
    if at == 0 { REPO.to_owned() } else { format!("{REPO}_{}", at + 1) }
}

/// Something that begins as a JPEG does.
fn picture(rng: &mut Rng, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    rng.fill(&mut bytes);
    for (to, from) in bytes.iter_mut().zip(b"\xff\xd8\xff\xe0\0\x10JFIF\0") {
        *to = *from;
    }
    bytes
}

fn seal(cipher: &Cipher, rng: &mut Rng, plain: &[u8]) -> Bytes {
    let mut nonce = [0; 24];
    rng.fill(&mut nonce);
    let mut sealer = Sealer::new(cipher, Nonce::from_bytes(nonce));
    let mut out = Vec::with_capacity(plain.len() + 64);
    sealer.update(plain, &mut out);
    sealer.finish(&mut out);
    out.into()
}

fn write(folder: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::write(path, bytes)?)
}

/// The configuration, the variables beside it, the key and the folders.
fn settings(folder: &Path, hub: &str) -> Result<()> {
    for name in ["data", "images", "videos"] {
        fs::create_dir_all(folder.join(name))?;
    }
    let (password, salt) = PASSWORDS;
    let hidden = |text: &str| obscure(text.as_bytes(), [7; 16]);
    let conf = format!(
        "[secret]\ntype = crypt\nremote = ./sealed\npassword = {}\npassword2 = {}\n\
         filename_encryption = standard\ndirectory_name_encryption = false\n",
        hidden(password),
        hidden(salt)
    );
    write(folder, "rclone.conf", conf.as_bytes())?;
    write(folder, ".env", format!("HF_TOKEN={TOKEN}\nHF_ENDPOINT={hub}\n").as_bytes())?;
    let toml = format!(
        "[ledger]\nurl = \"sqlite:landfall.db\"\n\n[jobs.tweets]\n\
         source = {{ kind = \"catalogue\", database = \"sqlite:data/eventmonitor.db\", \
         tables = [\"all_tweets\", \"log_only_tweets\"], roots = {{ images = \"images\", videos = \"videos\" }} }}\n\
         seal = {{ kind = \"rclone-crypt\", config = \"rclone.conf\", remote = \"secret\" }}\n\
         destination = {{ kind = \"huggingface\", repo = \"datasets/{REPO}\", \
         layout = \"encrypted_{{kind}}/{{username}}/{{name}}\" }}\n"
    );
    write(folder, "landfall.toml", toml.as_bytes())
}

async fn database(folder: &Path, rows: &[Row]) -> Result<()> {
    let path = folder.join("data/eventmonitor.db");
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    connection.execute(SCHEMA).await?;
    let mut all = connection.begin().await?;
    for row in rows {
        let list = |items: &[String]| serde_json::Value::from(items.to_vec()).to_string();
        sqlx::query(INSERT)
            .bind(&row.id)
            .bind(&row.user)
            .bind("2025-04-06 15:10:40.000000")
            .bind(list(&row.media))
            .bind(list(&row.local))
            .bind(list(&row.hub))
            .execute(&mut *all)
            .await?;
    }
    all.commit().await?;
    Ok(connection.close().await?)
}
