//! A repairer who knows the answers: what the answer file promises can be had, and the check is content with it.

use std::collections::BTreeMap;
use std::path::Path;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

use super::database::{self, Dumped};
use super::*;
use crate::media::MediaKey;

/// One GET; nothing where the body breaks off.
async fn get(media: &MediaSim, url: &str) -> Option<(u16, String, Bytes)> {
    let reply = media.call(Request::get(url).body(Body::empty()).unwrap()).await.ok()?;
    let status = reply.status().as_u16();
    let header = |name: &str| {
        reply.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    let told = if status == 302 { header("location") } else { header("content-type") };
    let mut body = reply.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(frame.ok()?.data_ref()?);
        if bytes.len() > 8 << 20 {
            return None;
        }
    }
    Some((status, told, bytes.into()))
}

/// Downloads as a careful client does: hosts, ladder, patience, and a look at the bytes.
async fn fetch(media: &MediaSim, url: &str) -> Option<Bytes> {
    let key = MediaKey::of_url(url).filter(|_| url.starts_with("https://"))?;
    let mut tries = vec![url.to_owned()];
    if key.video {
        tries.push(url.split('?').next().unwrap_or_default().to_owned());
    } else {
        let own = key.format.clone().unwrap_or("jpg".into());
        let other = if own == "jpg" { "png" } else { "jpg" };
        tries =
            [(own.as_str(), "orig"), (other, "orig"), (&own, "4096x4096"), (&own, "large"), (&own, "medium")]
                .map(|(format, size)| format!("https://{}?format={format}&name={size}", key.text))
                .to_vec();
    }
    for url in tries {
        let mut at = url;
        for _ in 0..8 {
            match get(media, &at).await {
                Some((200, kind, bytes)) => {
                    let photo = bytes.starts_with(&[0xff, 0xd8]) || bytes.starts_with(b"\x89PNG");
                    let video = bytes.get(4..8) == Some(b"ftyp");
                    let fits = (photo && kind.starts_with("image/")) || (video && kind == "video/mp4");
                    return fits.then_some(bytes);
                }
                Some((302, location, _)) => {
                    MediaKey::of_url(&location).filter(|_| location.starts_with("https://"))?;
                    at = location;
                }
                Some((503 | 429, ..)) | None => {}
                Some(_) => break,
            }
        }
    }
    None
}

/// Asks until there is an answer.
fn ask(archive: &Archive, id: &str) -> Option<Vec<String>> {
    for _ in 0..4 {
        let lines = archive.resolve(&format!("{{\"v\":1,\"id\":\"{id}\"}}")).unwrap_or_default();
        let answer = lines.iter().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let Some(answer) = answer else { continue };
        match answer["status"].as_str() {
            Some("ok") => return Some(answer["media"].as_array().unwrap().iter().map(best).collect()),
            Some("unavailable") => return None,
            _ => {}
        }
    }
    panic!("no answer for {id}");
}

fn best(medium: &Value) -> String {
    let variants = medium["variants"].as_array().into_iter().flatten();
    let mp4 = variants.filter(|variant| variant["content_type"] == "video/mp4");
    let best = mp4.max_by_key(|variant| variant["bitrate"].as_u64());
    best.map_or(&medium["url"], |best| &best["url"]).as_str().unwrap().to_owned()
}

struct Repairer<'a> {
    archive: &'a Archive,
    dir: &'a Path,
    nonces: u64,
}

impl Repairer<'_> {
    fn upload(&mut self, url: &str, plain: &[u8]) {
        let oracle = &self.archive.inner.layout.oracle;
        self.nonces += 1;
        let mut nonce = [0xEE; 24];
        nonce[..8].copy_from_slice(&self.nonces.to_le_bytes());
        let at = url.strip_prefix("https://huggingface.co/datasets/").unwrap();
        let (repo, path) = at.split_once("/resolve/main/").unwrap();
        self.archive.hub.put(repo, vec![(path.to_owned(), oracle.seal(nonce, plain).into())]);
    }

    fn exists(&self, url: &str) -> bool {
        let at = url.strip_prefix("https://huggingface.co/datasets/").unwrap_or_default();
        let Some((repo, path)) = at.split_once("/resolve/main/") else { return false };
        self.archive.hub.read(repo, path).is_some()
    }

    /// The file with a content that lies in a folder, or where the row says.
    fn local(&self, row: &Dumped, file: &ExpectedFile) -> Option<Bytes> {
        let recorded = row.list("local_media").unwrap_or_default();
        let found = recorded.iter().filter(|path| path.ends_with(&file.name));
        found.filter_map(|path| std::fs::read(self.dir.join(path)).ok()).map(Bytes::from).next()
    }

    async fn bytes(&self, post: &ExpectedPost, row: &Dumped, index: usize) -> Option<Bytes> {
        let file = &post.files[index];
        let recorded = row.list("media_urls").unwrap_or_default();
        match file.action {
            Action::Local => self.local(row, file),
            Action::Download => fetch(&self.archive.media, recorded.get(index)?).await,
            Action::Resolve => {
                if let Some(url) = recorded.get(index) {
                    assert_eq!(fetch(&self.archive.media, url).await, None, "{}: {url}", post.case);
                }
                fetch(&self.archive.media, ask(self.archive, &post.id)?.get(index)?).await
            }
            _ => None,
        }
    }

    /// Nobody has a file that is given up.
    async fn lost(&self, post: &ExpectedPost, row: &Dumped, index: usize) {
        if post.reasons.iter().any(|reason| reason == "hostile-name") {
            return;
        }
        if let Some(url) = row.list("media_urls").and_then(|urls| urls.get(index).cloned()) {
            assert_eq!(fetch(&self.archive.media, &url).await, None, "{}: {url}", post.case);
        }
        assert_eq!(ask(self.archive, &post.id), None, "{}", post.case);
        assert_eq!(self.local(row, &post.files[index]), None, "{}", post.case);
    }

    async fn repair(&mut self, post: &ExpectedPost, row: &Dumped) -> BTreeMap<&'static str, String> {
        let old = row.list("huggingface_urls").unwrap_or_default();
        let (mut urls, mut stored) = (Vec::new(), Vec::new());
        let right = |url: &&String| post.files.iter().any(|file| file.urls.contains(url));
        // What is uploaded where it was recorded keeps its place in the list.
        let uploads = |action| matches!(action, Action::Local | Action::Download | Action::Resolve);
        let again = |url: &&String| {
            post.files.iter().any(|file| uploads(file.action) && file.urls.first() == Some(*url))
        };
        urls.extend(old.iter().filter(right).filter(|url| self.exists(url) || again(url)).cloned());
        urls.dedup();
        for (index, file) in post.files.iter().enumerate() {
            if file.action == Action::GiveUp {
                self.lost(post, row, index).await;
                continue;
            }
            let url = match file.action {
                action if uploads(action) => {
                    let bytes = self.bytes(post, row, index).await;
                    let bytes = bytes.unwrap_or_else(|| panic!("{}: no bytes for {}", post.case, file.name));
                    assert_eq!(world::sha256(&bytes), file.sha256, "{}: {}", post.case, file.name);
                    if post.table == "all_tweets" && post.pattern == "4" {
                        let path = format!("images/{}/{}", post.username, file.name);
                        std::fs::create_dir_all(self.dir.join("images").join(&post.username)).unwrap();
                        std::fs::write(self.dir.join(&path), &bytes).unwrap();
                        stored.push(path);
                    }
                    self.upload(&file.urls[0], &bytes);
                    file.urls[0].clone()
                }
                _ => file.urls.iter().find(|url| self.exists(url)).unwrap().clone(),
            };
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        let mut columns = BTreeMap::from([("huggingface_urls", text::dumps(&urls))]);
        if post.media_urls.is_some() {
            columns.insert("media_urls", text::dumps(&ask(self.archive, &post.id).unwrap()));
        }
        if !stored.is_empty() {
            columns.insert("local_media", text::dumps(&stored));
        }
        if post.table == "log_only_tweets" {
            columns.insert("uploaded_to_hf", "1".to_owned());
        }
        columns
    }
}

async fn repair_all(archive: &Archive, dir: &Path) {
    let path = dir.join(write::DATABASE);
    let rows = tokio::task::spawn_blocking({
        let path = path.clone();
        move || database::dump(&path).unwrap()
    });
    let rows = rows.await.unwrap().into_iter().map(|row| (row.id.clone(), row)).collect::<BTreeMap<_, _>>();
    let options = SqliteConnectOptions::new().filename(&path).pragma("synchronous", "OFF");
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let mut repairer = Repairer { archive, dir, nonces: 0 };
    for post in archive.expected() {
        let row = &rows[&post.id];
        if post.outcome == Outcome::Final {
            for index in 0..post.files.len() {
                if post.files[index].action == Action::GiveUp {
                    repairer.lost(post, row, index).await;
                }
            }
        }
        if !matches!(post.outcome, Outcome::Saved | Outcome::SavedOrSame) {
            continue;
        }
        for (column, value) in repairer.repair(post, row).await {
            let sql = format!("UPDATE {} SET {column} = $1 WHERE id = $2", post.table);
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(value).bind(&post.id);
            query.execute(&mut connection).await.unwrap();
        }
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_perfect_repair_leaves_nothing_to_be_said() {
    for seed in [1, 2] {
        let archive = Archive::new(ArchiveConfig { seed, files: 300, ..ArchiveConfig::default() });
        let dir = TempDir::new().unwrap();
        archive.write_to(dir.path()).await.unwrap();
        repair_all(&archive, dir.path()).await;
        let check = archive.check(dir.path()).await.unwrap();
        assert_eq!(check.violated, Vec::<String>::new(), "seed {seed}");
        assert_eq!((check.orphans.len(), check.unstored), (0, 0), "seed {seed}");
        assert_eq!(check.met.len(), archive.expected().len());
        assert!(check.clean());
    }
}

#[tokio::test]
async fn harm_that_comes_later_may_be_repaired() {
    let archive = Archive::new(ArchiveConfig { seed: 12, files: 200, ..ArchiveConfig::default() });
    let dir = TempDir::new().unwrap();
    archive.write_to(dir.path()).await.unwrap();
    repair_all(&archive, dir.path()).await;
    let mut bytes = BTreeMap::new();
    for repo in archive.repos() {
        for file in archive.hub.files(repo) {
            let content = archive.hub.read(repo, &file.path).unwrap();
            bytes.insert((repo.clone(), file.path), content);
        }
    }
    let harm = archive.damage(8, 3);
    let check = archive.check(dir.path()).await.unwrap();
    let missed = |harm: &&Harm| !check.violated.iter().any(|line| line.contains(&harm.path));
    // Rows that are final or malformed are not looked at.
    assert!(harm.iter().filter(missed).count() <= 2, "{:?}", check.violated);
    for harm in harm {
        let content = bytes[&(harm.repo.clone(), harm.path.clone())].clone();
        match &harm.moved_to {
            Some(target) => archive.hub.rename(&harm.repo, target, &harm.path),
            None => archive.hub.put(&harm.repo, vec![(harm.path.clone(), content)]),
        }
    }
    assert_eq!(archive.check(dir.path()).await.unwrap().violated, Vec::<String>::new());
}

#[tokio::test]
async fn faults_of_the_origin_are_overcome_by_patience() {
    let config = ArchiveConfig { seed: 4, files: 200, faults: Faults::Wild, ..ArchiveConfig::default() };
    let archive = Archive::new(config);
    let dir = TempDir::new().unwrap();
    archive.write_to(dir.path()).await.unwrap();
    repair_all(&archive, dir.path()).await;
    assert_eq!(archive.check(dir.path()).await.unwrap().violated, Vec::<String>::new());
}
