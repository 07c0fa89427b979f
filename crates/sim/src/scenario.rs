//! The trees that a simulator starts with.
//!
//! Owns what lies at the sources, what lies at the destination already, and the job that connects them. All of it is a
//! function of the configuration. Refuses to know requests.

mod office;
mod sharing;
mod special;
mod voices;

use crate::config::{Config, Scenario};
use crate::content::{Content, mix};
use crate::world::drive::Times;
use crate::world::item::{Editor, Hand, Item, Kind};
use crate::world::{Job, JobSource, SITE_HOST, World, personal_segment};

/// What a scenario has beside the world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    /// Text of `landfall.toml`.
    pub(crate) toml: String,
    /// Files to lie beside it.
    pub(crate) side_files: Vec<(String, Vec<u8>)>,
}

/// Fills an empty world.
pub(crate) fn build(world: &mut World) -> Extras {
    let config = world.config.clone();
    let mut scene = Scene::new(world);
    let extras = match config.scenario {
        Scenario::Voices => voices::voices(&mut scene, &config),
        Scenario::Flat => voices::flat(&mut scene, &config),
        Scenario::Big => voices::big(&mut scene, &config),
        Scenario::Leavers => special::leavers(&mut scene, &config),
        Scenario::Office => office::office(&mut scene, &config),
        Scenario::Hostile => special::hostile(&mut scene, &config),
    };
    // They come last, as ids follow from the order of people.
    let colleagues = [("hanako.yamada@contoso.com", "山田 花子"), ("ken.sato@contoso.com", "佐藤 健")];
    world.colleagues = colleagues.map(|(upn, name)| world.add_user(upn, name, false)).to_vec();
    sharing::share(world);
    if config.landed {
        land(world);
    }
    extras
}

/// Puts at each job's destination what its sources hold, as the application would have.
fn land(world: &mut World) {
    for job in world.jobs.clone() {
        for source in &job.sources {
            land_tree(world, &job, source);
        }
    }
}

fn land_tree(world: &mut World, job: &Job, source: &JobSource) {
    let now = world.seconds();
    let path = source.path.split('/').filter(|name| !name.is_empty());
    let Some(from) = world.drive(source.drive).and_then(|drive| drive.walk(0, path)) else { return };
    let hand = Hand { who: Editor::APP, at: now };
    let own = source.user_folders.get(1).cloned().unwrap_or_default();
    let mut to = 0;
    for name in job.path.split('/').filter(|name| !name.is_empty()) {
        let name = name.replace("{user}", &own);
        let Some(drive) = world.drive_mut(job.drive) else { return };
        let times = Times { created: now, modified: now };
        to = drive.child(to, &name).unwrap_or_else(|| drive.add_folder(to, &name, times, hand));
    }
    let mut open = vec![(from, to)];
    while let Some((from, to)) = open.pop() {
        let Some(drive) = world.drive(source.drive) else { return };
        let folder = drive.item(from).and_then(Item::folder);
        let children: Vec<u32> =
            folder.into_iter().flat_map(|folder| folder.children.values().copied()).collect();
        for child in children {
            let Some(item) = world.drive(source.drive).and_then(|drive| drive.item(child)) else { continue };
            let times = Times { created: item.fs_created, modified: item.fs_modified };
            let (name, content) = (item.name.clone(), item.content().cloned());
            let Some(target) = world.drive_mut(job.drive) else { return };
            match content {
                Some(content) => {
                    target.add(to, &name, Kind::File(content), times, hand);
                }
                None => open.push((child, target.add_folder(to, &name, times, hand))),
            }
        }
    }
}

/// A world with one person and one archive site, and the means to put files there.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) ada: usize,
    /// The library Documents of the archive site.
    pub(crate) library: usize,
    made: u64,
}

impl<'a> Scene<'a> {
    fn new(world: &'a mut World) -> Self {
        world.add_site(SITE_HOST, "", "Contoso");
        world.add_library(0, "Documents", "Shared Documents");
        world.add_user("ada@contoso.com", "Ada", true);
        let ada = world.users.first().and_then(|user| user.drive).unwrap_or(0);
        let archive = world.add_site(SITE_HOST, "/sites/Archive", "Archive");
        let library = world.add_library(archive, "Documents", "Shared Documents");
        world.add_library(archive, "Site Assets", "SiteAssets");
        let mut scene = Self { world, ada, library, made: 0 };
        scene.literal(library, "/読んでください.txt", "ここは保管庫です。\n");
        scene
    }

    /// The folder at a path, made where it is missing.
    pub(crate) fn folder(&mut self, drive: usize, path: &str) -> u32 {
        let now = self.world.seconds();
        let mut at = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            self.made += 1;
            let times = self.times();
            let Some(drive) = self.world.drive_mut(drive) else { return 0 };
            let hand = Hand { who: drive.owner.person(), at: now };
            at = match drive.child(at, name) {
                Some(known) => known,
                None => drive.add_folder(at, name, times, hand),
            };
        }
        at
    }

    /// A file of generated bytes.
    pub(crate) fn file(&mut self, drive: usize, folder: u32, name: &str, size: u64) -> u32 {
        self.made += 1;
        let seed = mix(self.world.config.seed ^ (self.made << 16));
        self.put(drive, folder, name, Content::Generated { seed, len: size })
    }

    /// A file of literal bytes, by path.
    pub(crate) fn literal(&mut self, drive: usize, path: &str, text: &str) -> u32 {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(drive, folder);
        self.made += 1;
        self.put(drive, folder, name, Content::literal(text.as_bytes().to_vec()))
    }

    /// A file of given bytes, with times of its own.
    pub(crate) fn put_next(&mut self, drive: usize, folder: u32, name: &str, content: Content) -> u32 {
        self.made += 1;
        self.put(drive, folder, name, content)
    }

    pub(crate) fn put(&mut self, drive: usize, folder: u32, name: &str, content: Content) -> u32 {
        let times = self.times();
        let Some(drive) = self.world.drive_mut(drive) else { return 0 };
        let hand = Hand { who: drive.owner.person(), at: times.modified };
        drive.add(folder, name, Kind::File(content), times, hand)
    }

    /// Times between 2015 and 2025 that differ from file to file.
    fn times(&self) -> Times {
        let r = mix(self.world.config.seed ^ (self.made << 1) ^ 0x7153);
        let created = 1_420_070_400 + i64::try_from(r % 300_000_000).unwrap_or(0);
        Times { created, modified: created + i64::try_from((r >> 40) % 900_000).unwrap_or(0) }
    }

    pub(crate) fn job(&mut self, name: &'static str, sources: Vec<JobSource>, path: &str) {
        let drive = self.library;
        self.world.jobs.push(Job { name, sources, drive, path: path.to_owned() });
    }
}

/// A user's tree as the source of a job.
pub(crate) fn source_of(world: &World, user: usize, path: &str) -> Option<JobSource> {
    let user = world.users.get(user)?;
    let local = user.upn.split('@').next().unwrap_or_default().to_owned();
    Some(JobSource {
        drive: user.drive?,
        path: path.to_owned(),
        user_folders: vec![user.upn.clone(), local, personal_segment(&user.upn)],
    })
}

/// `landfall.toml` for one job from Ada's drive.
pub(crate) fn one_job(name: &str, from: &str, to: &str) -> String {
    format!(
        "[ledger]\nurl = \"sqlite:landfall.db\"\n\n[jobs.{name}]\n\
         source      = {{ kind = \"onedrive\", user = \"ada@contoso.com\", path = \"{from}\" }}\n\
         destination = {{ kind = \"sharepoint\", site = \"{SITE_HOST}/sites/Archive\", library = \"Documents\", path = \"{to}\" }}\n"
    )
}

/// A size between 1 and 64 KiB, small ones more often than large ones.
pub(crate) fn small_size(config: &Config, n: u64) -> u64 {
    let r = mix(config.seed ^ n ^ 0x517e);
    let octave = 10 + r % 6;
    (1 << octave) + (r >> 8) % (1 << octave)
}
