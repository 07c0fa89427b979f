//! The archive scenario: a catalogue of posts, local folders, datasets on the Hub and a media origin that agree.
//!
//! Owns the drawing of all of them by seed with every damage pattern of the reference on the media catalogue, the
//! files that lie beside a configuration, the answer file, and the check afterwards with the simulator's own seal.
//! Refuses to know Landfall: the check reads the database, the folders and the Hub only.

mod answer;
mod cases;
mod check;
mod database;
mod draft;
mod oracle;
mod people;
mod post;
mod resolver;
mod serve;
mod text;
mod world;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use serde::Serialize;

use crate::config::Faults;
use crate::hub::{HubConfig, HubSim, HubToken};
use crate::media::{MediaConfig, MediaSim};
use draft::Layout;
use oracle::Oracle;
use world::World;

pub use answer::{Action, ExpectedFile, ExpectedLeak, ExpectedPost, Outcome};
pub use check::ArchiveCheck;
pub use serve::{ArchiveAddresses, ServedArchive};

/// The token that `env` hands out; fake.
const TOKEN: &str = "hf_sim_archive";
/// Fewer files than cases would leave some out.
const FEWEST: u64 = 60;

/// What decides how an archive is drawn.
#[derive(Clone, Debug)]
pub struct ArchiveConfig {
    /// Source of every chance and every byte.
    pub seed: u64,
    /// About how many media files; at least one post of every case is drawn, so small numbers come out larger.
    pub files: u64,
    /// How long every request to the Hub and to the media origin waits.
    pub latency: Duration,
    /// How much goes wrong at both beside what the archive itself is damaged by.
    pub faults: Faults,
    /// The dataset of the configuration; `_2` and `_3` hold a part of the older files.
    pub repo: String,
    /// The Hub's limits, switches and other accounts. Seed, latency and faults are the archive's, and its own token
    /// comes first.
    pub hub: HubConfig,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            files: 5000,
            latency: Duration::ZERO,
            faults: Faults::None,
            repo: "me/EventMonitor".into(),
            hub: HubConfig::default(),
        }
    }
}

/// A simulated archive. Clones are the same archive.
#[derive(Clone)]
pub struct Archive {
    /// The Hub with its datasets, all private.
    pub hub: HubSim,
    /// The origin of photos and videos.
    pub media: MediaSim,
    inner: Arc<Inner>,
}

struct Inner {
    config: ArchiveConfig,
    layout: Layout,
    world: World,
    /// Where each id stands in the rows.
    index: BTreeMap<String, usize>,
    before: Before,
    asked: Mutex<resolver::Asked>,
    harm: Mutex<Vec<Harm>>,
}

/// The Hub as it was at the beginning.
#[derive(Default)]
struct Before {
    /// By repository and path.
    files: BTreeMap<(String, String), Option<String>>,
    /// Hashes of all contents.
    contents: BTreeSet<String>,
}

/// One thing that somebody did to the Hub later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Harm {
    /// `owner/name`.
    pub repo: String,
    /// Where the object was.
    pub path: String,
    /// Where it is now; nothing if it was deleted.
    pub moved_to: Option<String>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Archive {
    /// Draws an archive. The same configuration gives the same one, byte for byte.
    #[must_use]
    pub fn new(config: ArchiveConfig) -> Self {
        let repos = ["", "_2", "_3"].map(|tail| format!("{}{tail}", config.repo)).to_vec();
        let layout = Layout { repos, oracle: Oracle::archive() };
        let mut world = World::draw(config.seed, config.files.max(FEWEST), &layout);
        let owner = config.repo.split('/').next().unwrap_or("me");
        let own = HubToken::new(TOKEN, owner, "write");
        let tokens = std::iter::once(own).chain(config.hub.tokens.iter().cloned()).collect();
        let hub = HubSim::new(HubConfig {
            seed: config.seed,
            latency: config.latency,
            faults: config.faults,
            tokens,
            ..config.hub.clone()
        });
        for (repo, objects) in layout.repos.iter().zip(&mut world.objects) {
            hub.create_repo(repo, true);
            let readme = Bytes::from_static("# 記録\n\nSealed with rclone crypt.\n".as_bytes());
            objects.insert("README.md".into(), readme);
            hub.put(repo, objects.iter().map(|(path, bytes)| (path.clone(), bytes.clone())).collect());
            // What was there is asked of the Hub from now on.
            objects.clear();
        }
        let media =
            MediaSim::new(MediaConfig { seed: config.seed, latency: config.latency, faults: config.faults });
        world.publish(&media);
        let before = Before {
            files: check::files(&hub),
            contents: hub.contents().into_iter().map(|(sha256, _)| sha256).collect(),
        };
        let index = world.rows.iter().enumerate().map(|(index, row)| (row.id.clone(), index)).collect();
        let (asked, harm) = (Mutex::default(), Mutex::default());
        let inner = Inner { config, layout, world, index, before, asked, harm };
        Self { hub, media, inner: Arc::new(inner) }
    }

    /// Writes the database, the folders, `rclone.conf`, the resolver and the answer files into a folder.
    ///
    /// # Errors
    /// A file cannot be written, or there is a database already.
    pub async fn write_to(&self, dir: &Path) -> io::Result<()> {
        write::all(self, dir).await
    }

    /// Text of `landfall.toml` with the job `tweets`; both media hosts lead to the URL given.
    #[must_use]
    pub fn job_toml(&self, media_url: &str) -> String {
        write::job_toml(&self.inner.config.repo, media_url)
    }

    /// Environment variables that lead a client to the Hub at a URL. All values are fake.
    #[must_use]
    pub fn env(&self, hub_url: &str) -> BTreeMap<String, String> {
        [("HF_TOKEN", TOKEN), ("HF_ENDPOINT", hub_url)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// What the resolver answers to one request line, without a process: the lines that come back, in the Hub's
    /// time. How often an id was asked is counted apart from the script's own count.
    ///
    /// # Errors
    /// The code with which the command ends.
    pub fn resolve(&self, request: &str) -> Result<Vec<String>, i32> {
        let now = self.hub.now().as_second();
        let mut asked = self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner);
        resolver::answer(&self.inner.world.answers, &mut asked, request, now)
    }

    /// What must become of every damaged post: the lines of `expected.jsonl`.
    #[must_use]
    pub fn expected(&self) -> &[ExpectedPost] {
        &self.inner.world.expected
    }

    /// Ids of the datasets, the one of the configuration first.
    #[must_use]
    pub fn repos(&self) -> &[String] {
        &self.inner.layout.repos
    }

    /// Looks at a folder and at the Hub after a run and compares them with the answer files in the folder.
    ///
    /// # Errors
    /// The folder lacks one of the files, or one cannot be read.
    pub async fn check(&self, dir: &Path) -> io::Result<ArchiveCheck> {
        check::look(self, dir).await
    }

    /// Deletes or moves some sealed objects of the Hub as somebody else would, half of them each. The check allows the
    /// repair of every row that it befell.
    pub fn damage(&self, n: usize, seed: u64) -> Vec<Harm> {
        let sealed = |repo: &String| {
            let files = self.hub.files(repo).into_iter().filter(|file| file.path.starts_with("encrypted_"));
            files.map(|file| (repo.clone(), file.path)).collect::<Vec<_>>()
        };
        let mut all = self.repos().iter().flat_map(sealed).collect::<Vec<_>>();
        let mut rng = Rng::with_seed(seed);
        rng.shuffle(&mut all);
        all.truncate(n);
        let mut harm = Vec::new();
        for (index, (repo, path)) in all.into_iter().enumerate() {
            if index % 2 == 0 {
                self.hub.remove(&repo, std::slice::from_ref(&path));
                harm.push(Harm { repo, path, moved_to: None });
                continue;
            }
            let user = path.split('/').nth(1).unwrap_or_default();
            let target = format!("batch_encrypted/{user}/{path}");
            self.hub.rename(&repo, &path, &target);
            harm.push(Harm { repo, path, moved_to: Some(target) });
        }
        self.harm().extend(harm.iter().cloned());
        harm
    }

    fn harm(&self) -> MutexGuard<'_, Vec<Harm>> {
        self.inner.harm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
