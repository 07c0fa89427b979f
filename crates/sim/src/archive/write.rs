//! The files of an archive beside its configuration.
//!
//! Owns their names and forms. Refuses to know what is in them, and the clock: everything is written on a thread that
//! may block.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::answer::{Untouched, VERSION};
use super::database::{self, Dumped};
use super::{Archive, oracle, resolver, world};

/// The catalogue.
pub(crate) const DATABASE: &str = "data/eventmonitor.db";
/// What must become of every damaged post.
pub(crate) const EXPECTED: &str = "expected.jsonl";
/// Every row and every local file as it was.
pub(crate) const UNTOUCHED: &str = "untouched.jsonl";
/// Why serialising cannot fail.
const PLAIN: &str = "answers hold texts and numbers only";

/// Writes everything.
///
/// # Errors
/// A file cannot be written, or there is a database already.
pub(crate) async fn all(archive: &Archive, dir: &Path) -> io::Result<()> {
    let (archive, dir) = (archive.clone(), dir.to_path_buf());
    tokio::task::spawn_blocking(move || write(&archive, &dir)).await.map_err(io::Error::other)?
}

/// The configuration; see the design, section 9.
pub(crate) fn job_toml(repo: &str, media_url: &str) -> String {
    format!(
        "[ledger]\nurl = \"sqlite:landfall.db\"\n\n[jobs.tweets]\n\
         source      = {{ kind = \"catalogue\", database = \"sqlite:{DATABASE}\", \
         tables = [\"all_tweets\", \"log_only_tweets\"], roots = {{ images = \"images\", videos = \"videos\" }}, \
         resolver = {{ command = [\"python3\", \"{}\"] }} }}\n\
         seal        = {{ kind = \"rclone-crypt\", config = \"rclone.conf\", remote = \"secret\" }}\n\
         destination = {{ kind = \"huggingface\", repo = \"datasets/{repo}\", \
         layout = \"encrypted_{{kind}}/{{username}}/{{name}}\" }}\n\n\
         [network.override]\n\"pbs.twimg.com\" = \"{media_url}\"\n\"video.twimg.com\" = \"{media_url}\"\n",
        resolver::SCRIPT_NAME
    )
}

fn write(archive: &Archive, dir: &Path) -> io::Result<()> {
    let world = &archive.inner.world;
    for folder in ["data", "images", "videos"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    let dir = dir.canonicalize()?;
    for (path, bytes) in &world.local {
        let path = inside(&dir, path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)?;
    }
    fs::write(dir.join("rclone.conf"), rclone_conf(archive.inner.config.seed))?;
    fs::write(dir.join(resolver::SCRIPT_NAME), resolver::SCRIPT)?;
    let answers = world.answers.iter().map(|(id, answers)| resolver::line(id, answers));
    fs::write(dir.join(resolver::ANSWERS_NAME), lines(answers))?;
    let expected = world.expected.iter().map(json);
    fs::write(dir.join(EXPECTED), lines(expected.collect::<io::Result<Vec<String>>>()?))?;

    let database = dir.join(DATABASE);
    database::create(&database, &dir.to_string_lossy(), &world.rows)?;
    let rows = database::dump(&database)?.into_iter().map(|row| json(&untouched_row(archive, row)));
    let files = world.local.iter().map(|(path, bytes)| {
        json(&Untouched::File { v: VERSION, path: path.clone(), sha256: world::sha256(bytes) })
    });
    fs::write(dir.join(UNTOUCHED), lines(rows.chain(files).collect::<io::Result<Vec<String>>>()?))
}

fn untouched_row(archive: &Archive, row: Dumped) -> Untouched {
    let rows = &archive.inner.world.rows;
    let known = archive.inner.index.get(&row.id).and_then(|index| rows.get(*index));
    let may_change = known.map_or(&[][..], |known| known.may_change);
    Untouched::Row {
        v: VERSION,
        table: row.table.to_owned(),
        id: row.id,
        may_change: may_change.iter().map(|name| (*name).to_owned()).collect(),
        columns: row.columns,
    }
}

/// Both passwords obscured; the vectors that hide them are a function of the seed.
fn rclone_conf(seed: u64) -> String {
    let iv = |n: u64| {
        let (a, b) = (crate::content::mix(seed ^ n), crate::content::mix(seed ^ n ^ 0xff));
        ((u128::from(a) << 64) | u128::from(b)).to_be_bytes()
    };
    format!(
        "[disk]\ntype = local\n\n[secret]\ntype = crypt\nremote = ./eventmonitor_encrypted_files\n\
         password = {}\npassword2 = {}\nfilename_encryption = standard\ndirectory_name_encryption = false\n",
        oracle::obscure("password1", iv(1)),
        oracle::obscure("salt1", iv(2)),
    )
}

/// A path below the folder; one that leaves it is refused, as the names are drawn and not checked elsewhere.
fn inside(dir: &Path, path: &str) -> io::Result<PathBuf> {
    let relative = Path::new(path);
    if relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(dir.join(relative));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} leaves the folder")))
}

fn json<T: serde::Serialize>(value: &T) -> io::Result<String> {
    serde_json::to_string(value).map_err(|error| io::Error::other(format!("{PLAIN}: {error}")))
}

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}
