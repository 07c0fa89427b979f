//! The archive scenario: what it writes, that its parts agree, and that its check sees what it must see.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use axum::body::Body;
use http::Request;
use landfall_sim::{Action, Archive, ArchiveAddresses, ArchiveConfig, Outcome};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("archive/media-schema.sql");
const SAMPLES: &str = include_str!("archive/media-samples.sql");

fn archive(seed: u64, files: u64) -> Archive {
    Archive::new(ArchiveConfig { seed, files, ..ArchiveConfig::default() })
}

async fn written(seed: u64, files: u64) -> (Archive, TempDir) {
    let archive = archive(seed, files);
    let dir = TempDir::new().unwrap();
    archive.write_to(dir.path()).await.unwrap();
    (archive, dir)
}

async fn database(dir: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(dir.join("data/eventmonitor.db"));
    SqliteConnection::connect_with(&options).await.unwrap()
}

fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut pending = vec![dir.to_path_buf()];
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
                out.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    out
}

#[tokio::test]
async fn the_samples_of_the_reference_fall_into_their_patterns() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(SAMPLES).execute(&mut connection).await.unwrap();
    let rows = sqlx::query("SELECT pattern, count(*) FROM v_pattern GROUP BY 1 ORDER BY 1");
    let rows = rows.fetch_all(&mut connection).await.unwrap();
    let counts = rows.iter().map(|row| (row.get::<i64, _>(0), row.get::<i64, _>(1)));
    assert_eq!(counts.collect::<Vec<_>>(), [(1, 7), (2, 6), (3, 5), (4, 5)]);
}

#[tokio::test]
async fn the_same_seed_writes_the_same_files() {
    let (one, first) = written(7, 200).await;
    let (two, second) = written(7, 200).await;
    let (_, other) = written(8, 200).await;
    let without_here = |dir: &TempDir| {
        let here = dir.path().canonicalize().unwrap().to_string_lossy().into_owned();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(&here, "HERE");
        let mut tree = tree(dir.path());
        // A database page holds the folder's name at the length that it happens to have.
        tree.remove("data/eventmonitor.db");
        tree.into_iter().map(|(path, bytes)| (path, text(bytes))).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(without_here(&first), without_here(&second));
    assert_ne!(without_here(&first), without_here(&other));
    for repo in one.repos() {
        assert_eq!(one.hub.files(repo), two.hub.files(repo));
        assert!(!one.hub.files(repo).is_empty());
    }
    assert_eq!(one.hub.contents(), two.hub.contents());
}

#[tokio::test]
async fn every_case_is_there_and_numbers_follow_the_weights() {
    let (archive, dir) = written(1, 2400).await;
    let mut cases: BTreeMap<(String, String), u64> = BTreeMap::new();
    for post in archive.expected() {
        *cases.entry((post.pattern.clone(), post.case.clone())).or_default() += 1;
    }
    let patterns = cases.keys().map(|(pattern, _)| pattern.as_str()).collect::<BTreeSet<_>>();
    assert_eq!(patterns, BTreeSet::from(["0", "1", "1b", "2", "3", "4", "5", "6"]));
    let at = |pattern: &str, case: &str| cases[&(pattern.to_owned(), case.to_owned())];
    assert_eq!(at("1", "missing-local"), 25);
    assert_eq!(at("4", "backlog"), 310);
    assert_eq!(at("5", "swapped"), 50);
    assert_eq!(at("6", "malformed-hub-urls"), 1);

    let lines = std::fs::read_to_string(dir.path().join("expected.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), archive.expected().len());
    let mut connection = database(dir.path()).await;
    let rows = sqlx::query("SELECT count(*) FROM all_tweets").fetch_one(&mut connection).await.unwrap();
    let all = rows.get::<i64, _>(0);
    let rows = sqlx::query("SELECT count(*) FROM log_only_tweets").fetch_one(&mut connection).await.unwrap();
    let log_only = rows.get::<i64, _>(0);
    assert!(all > 5 * log_only && log_only > 50, "{all} and {log_only}");
    let names = sqlx::query("SELECT name FROM pragma_table_info('log_only_tweets')");
    let names = names.fetch_all(&mut connection).await.unwrap();
    let names = names.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>();
    assert!(names.contains(&"uploaded_to_hf".to_owned()) && !names.contains(&"local_media".to_owned()));
}

#[tokio::test]
async fn catalogue_hub_origin_and_resolver_agree() {
    let (archive, dir) = written(3, 400).await;
    let mut resolved = 0;
    for post in archive.expected() {
        let leaks = post.leaks.iter();
        assert!(leaks.clone().all(|leak| archive.hub.read(&leak.repo, &leak.path).is_some()));
        for file in &post.files {
            match file.action {
                Action::Database | Action::None | Action::Metadata if post.reasons.is_empty() => {
                    let at =
                        file.urls.first().unwrap().strip_prefix("https://huggingface.co/datasets/").unwrap();
                    let (repo, path) = at.split_once("/resolve/main/").unwrap();
                    assert!(archive.hub.read(repo, path).is_some(), "{} {at}", post.case);
                }
                Action::Local => {
                    let local = tree(dir.path()).into_keys().any(|path| path.ends_with(&file.name));
                    assert!(local, "{} {}", post.case, file.name);
                }
                _ => {}
            }
        }
        if post.files.iter().any(|file| file.action == Action::Resolve) {
            let request = format!("{{\"v\":1,\"id\":\"{}\",\"username\":\"x\"}}", post.id);
            let lines = archive.resolve(&request).unwrap();
            let answer: Value = serde_json::from_str(&lines[0]).unwrap();
            let media = answer["media"].as_array().unwrap();
            for medium in media {
                let variants = medium["variants"].as_array().into_iter().flatten();
                let best = variants.max_by_key(|variant| variant["bitrate"].as_u64());
                let url = best.map_or(&medium["url"], |best| &best["url"]).as_str().unwrap();
                let reply = archive.media.call(Request::get(url).body(Body::empty()).unwrap()).await.unwrap();
                assert_eq!(reply.status(), 200, "{} {url}", post.case);
            }
            resolved += media.len();
        }
    }
    assert!(resolved >= 5, "{resolved}");
}

#[tokio::test]
async fn the_resolver_keeps_count_and_misbehaves_as_told() {
    let archive = archive(2, 60);
    let id = |case: &str| {
        let post = archive.expected().iter().find(|post| post.case == case).unwrap();
        format!("{{\"v\":1,\"id\":\"{}\"}}", post.id)
    };
    let limited = archive.resolve(&id("unlisted-rate-limited-first")).unwrap();
    let answer: Value = serde_json::from_str(&limited[0]).unwrap();
    assert_eq!(answer["status"], "rate_limited");
    assert!(answer["retry_at"].as_i64().unwrap() > archive.hub.now().as_second());
    assert_eq!(archive.resolve(&id("unlisted-no-answer-first")).unwrap(), Vec::<String>::new());
    assert_eq!(archive.resolve(&id("unlisted-exit-first")), Err(1));
    assert!(archive.resolve(&id("unlisted-garbage-first")).unwrap()[0].starts_with("Not Found."));
    for case in ["unlisted-rate-limited-first", "unlisted-no-answer-first", "unlisted-exit-first"] {
        assert!(archive.resolve(&id(case)).unwrap()[0].contains("\"status\":\"ok\""), "{case}");
    }
    assert!(archive.resolve(&id("unlisted-deleted")).unwrap()[0].contains("\"reason\":\"deleted\""));
    assert!(archive.resolve("garbage").unwrap()[0].contains("\"status\":\"fatal\""));
}

fn run_script(dir: &Path, requests: &str) -> (String, Option<i32>) {
    let script = dir.join("resolver.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the script needs python3");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), requests.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[tokio::test]
async fn the_script_answers_as_the_resolver_in_process() {
    let (archive, dir) = written(4, 60).await;
    let wanted = ["unlisted-deleted", "unlisted", "missing-resolve", "unlisted-garbage-first"];
    let asked = archive.expected().iter().filter(|post| wanted.contains(&post.case.as_str()));
    let requests = asked.map(|post| format!("{{\"v\":1,\"id\":\"{}\",\"username\":\"花子\"}}", post.id));
    let requests = requests.chain(["{\"v\":1,\"id\":\"1\"}".to_owned()]).collect::<Vec<_>>();
    let parsed = |lines: Vec<String>| {
        let json =
            |line: String| serde_json::from_str::<Value>(&line).map_or(line, |value| value.to_string());
        lines.into_iter().map(json).collect::<BTreeSet<_>>()
    };
    for round in 0..2 {
        let ours = requests.iter().flat_map(|request| archive.resolve(request).unwrap()).collect::<Vec<_>>();
        let (out, code) = run_script(dir.path(), &(requests.join("\n") + "\n"));
        assert_eq!(code, Some(0));
        let theirs = out.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parsed(theirs), parsed(ours), "round {round}");
    }
    let exits = archive.expected().iter().find(|post| post.case == "unlisted-exit-first").unwrap();
    let request = format!("{{\"v\":1,\"id\":\"{}\"}}\n", exits.id);
    assert_eq!(run_script(dir.path(), &request).1, Some(1));
    assert!(run_script(dir.path(), &request).0.contains("\"ok\""));
}

#[tokio::test(start_paused = true)]
async fn before_a_run_only_what_stays_is_met() {
    let (archive, dir) = written(5, 300).await;
    let check = archive.check(dir.path()).await.unwrap();
    for post in archive.expected() {
        let line = format!("{} {} {} {}", post.pattern, post.case, post.table, post.id);
        let met = check.met.contains(&line);
        assert_eq!(met, post.outcome != Outcome::Saved, "{line}");
    }
    let stray = check.violated.iter().filter(|line| line.contains("was changed") || line.contains("reached"));
    assert_eq!(stray.count(), 0, "{:?}", check.violated);
    assert_eq!(check.orphans, Vec::<String>::new());
    assert!(check.rows > 200);
}

#[tokio::test]
async fn a_configuration_and_an_environment_lead_to_both_origins() {
    let (archive, dir) = written(5, 60).await;
    let toml = archive.job_toml("http://127.0.0.1:8123");
    assert!(toml.contains("\"video.twimg.com\" = \"http://127.0.0.1:8123\"\n"), "{toml}");
    assert!(toml.contains("layout = \"encrypted_{kind}/{username}/{name}\""), "{toml}");
    assert_eq!(archive.env("http://127.0.0.1:9")["HF_ENDPOINT"], "http://127.0.0.1:9");
    let conf = std::fs::read_to_string(dir.path().join("rclone.conf")).unwrap();
    assert!(conf.contains("[secret]\ntype = crypt\n"), "{conf}");
    let again = archive.write_to(dir.path()).await.unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
}

/// Sets one column of one row, as a repair would.
async fn set(dir: &Path, table: &str, id: &str, column: &str, value: &str) {
    let sql = format!("UPDATE {table} SET {column} = $1 WHERE id = $2");
    let mut connection = database(dir).await;
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(value).bind(id);
    assert_eq!(query.execute(&mut connection).await.unwrap().rows_affected(), 1);
}

#[tokio::test]
async fn the_check_sees_a_right_repair_and_a_wrong_one() {
    let (archive, dir) = written(6, 200).await;
    let one = |case: &str| {
        archive.expected().iter().find(|post| post.case == case && post.files.len() == 1).unwrap()
    };
    let line = |case: &str| {
        let post = one(case);
        format!("{} {} {} {}", post.pattern, case, post.table, post.id)
    };
    let swapped = one("swapped");
    let right = format!("[\"{}\"]", swapped.files[0].urls[0]);
    set(dir.path(), &swapped.table, &swapped.id, "huggingface_urls", &right).await;
    let check = archive.check(dir.path()).await.unwrap();
    assert!(check.met.contains(&line("swapped")));

    // Not as Python writes it.
    let loose = format!("[ \"{}\" ]", swapped.files[0].urls[0]);
    set(dir.path(), &swapped.table, &swapped.id, "huggingface_urls", &loose).await;
    // A row that is none of our business.
    let healthy = one("enc-era");
    set(dir.path(), &healthy.table, &healthy.id, "display_name", "誰か").await;
    // A URL that leads nowhere.
    let missing = one("missing-local-outside");
    let nowhere = format!("[\"{}\"]", missing.files[0].urls[0]);
    set(dir.path(), &missing.table, &missing.id, "huggingface_urls", &nowhere).await;
    // A final row that was emptied.
    let dead = one("backlog-dead");
    set(dir.path(), &dead.table, &dead.id, "huggingface_urls", "[\"\"]").await;
    let check = archive.check(dir.path()).await.unwrap();
    for (case, words) in [
        ("swapped", "huggingface_urls is not written as Python does"),
        ("enc-era", "display_name was changed"),
        ("missing-local-outside", "is not on the Hub"),
        ("backlog-dead", "the row was changed"),
    ] {
        let id = &one(case).id;
        let seen = check.violated.iter().any(|line| line.contains(id) && line.contains(words));
        assert!(seen, "{case}: {:?}", check.violated);
    }
    assert!(!check.clean());
}

#[tokio::test]
async fn the_check_sees_what_reached_the_hub_and_what_left_it() {
    let (archive, dir) = written(9, 120).await;
    let repo = archive.repos()[0].clone();
    archive.hub.put(&repo, vec![("images/hanako_art/写真.jpg".into(), vec![0xff, 0xd8, 0xff, 0, 1].into())]);
    let victim =
        archive.hub.files(&repo).into_iter().find(|file| file.path.starts_with("encrypted_")).unwrap();
    archive.hub.remove(&repo, std::slice::from_ref(&victim.path));
    let check = archive.check(dir.path()).await.unwrap();
    for words in [
        "of 5 bytes reached the Hub: not sealed".to_owned(),
        "images/hanako_art/写真.jpg has a name that is not sealed".to_owned(),
        format!("{} was removed", victim.path),
    ] {
        assert!(check.violated.iter().any(|line| line.contains(&words)), "{words}: {:?}", check.violated);
    }
    assert_eq!(check.orphans, [format!("{repo} images/hanako_art/写真.jpg")]);
}

#[tokio::test]
async fn later_damage_may_be_repaired_and_is_seen_until_then() {
    let (archive, dir) = written(10, 200).await;
    let harm = archive.damage(6, 1);
    assert_eq!(harm.len(), 6);
    assert_eq!(harm.iter().filter(|harm| harm.moved_to.is_some()).count(), 3);
    for one in &harm {
        assert!(archive.hub.read(&one.repo, &one.path).is_none());
        let target = one.moved_to.as_ref();
        assert!(target.is_none_or(|path| archive.hub.read(&one.repo, path).is_some()));
    }
    let check = archive.check(dir.path()).await.unwrap();
    assert!(!check.violated.iter().any(|line| line.contains("was removed")), "{:?}", check.violated);
    assert_eq!(check.orphans, Vec::<String>::new());
}

/// One request on a socket of its own: the body of the reply.
async fn ask(method: &str, url: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let text = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_served_archive_can_be_looked_into() {
    let (archive, dir) = written(11, 60).await;
    let at = ArchiveAddresses::beside("127.0.0.1:0".parse().unwrap());
    let served = archive.serve(at, dir.path()).await.unwrap();
    let ready: Value = serde_json::from_str(&served.ready_json()).unwrap();
    assert_eq!(ready["env"]["HF_ENDPOINT"], ready["hub"]);
    let inspect = served.inspect.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let look = async {
        let check = ask("GET", &format!("{inspect}/check")).await;
        let harm = ask("POST", &format!("{inspect}/damage?n=2&seed=5")).await;
        let requests = ask("GET", &format!("{inspect}/requests")).await;
        stop.send(()).unwrap();
        (check, harm, requests)
    };
    let (run, (check, harm, requests)) = tokio::join!(served.run(async { drop(stopped.await) }), look);
    run.unwrap();
    let value = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let check = value(check);
    assert_eq!(check["clean"], false);
    assert!(check["patterns"]["5"][1].as_u64().unwrap() >= 2, "{check}");
    assert_eq!(value(harm).as_array().unwrap().len(), 2);
    assert_eq!(value(requests)["hub"]["api"], 0);
}
