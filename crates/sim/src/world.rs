//! Everything the simulated tenant consists of.
//!
//! Owns users, sites, drives, tokens, sessions, monitors and what is due to happen later. Time is handed in with
//! every call. Refuses to know HTTP, JSON and chance.

pub(crate) mod bin;
pub(crate) mod commit;
pub(crate) mod drive;
pub(crate) mod item;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::audit::Audit;
use crate::config::{Config, Rewriting};
use crate::content::mix;
use crate::faults::FaultPlan;
use crate::ids::Guid;
use crate::origins::Origins;
use crate::quota::Meter;
use crate::world::bin::Binned;
use crate::world::commit::{Monitor, Session};
use crate::world::drive::{Drive, DriveSeed, Owner};
use crate::world::item::{Editor, Hand};

/// The simulated tenant.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) origins: Origins,
    pub(crate) now: Timestamp,
    pub(crate) tenant: Tenant,
    pub(crate) users: Vec<User>,
    /// Users who work in the archive site beside the application.
    pub(crate) colleagues: Vec<usize>,
    pub(crate) sites: Vec<Site>,
    pub(crate) drives: Vec<Drive>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) monitors: BTreeMap<String, Monitor>,
    events: BTreeMap<(Timestamp, u64), Event>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) audit: Audit,
    pub(crate) meter: Meter,
    pub(crate) faults: FaultPlan,
    counter: u64,
}

/// The directory side: who may sign in and what for.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) domain: &'static str,
    pub(crate) client_id: String,
    pub(crate) secret: String,
    pub(crate) secret_expired: bool,
    pub(crate) roles: Vec<String>,
}

/// A person.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) upn: String,
    pub(crate) display: String,
    pub(crate) drive: Option<usize>,
    /// Gone from the directory; the drive is still reachable through its site.
    pub(crate) deleted: bool,
}

/// A site collection, personal or not.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) guid: Guid,
    pub(crate) web: Guid,
    /// `contoso.sharepoint.com` or `contoso-my.sharepoint.com`.
    pub(crate) host: &'static str,
    /// Server-relative, for example `/sites/Archive`; empty for the root site.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) drives: Vec<usize>,
    /// What was deleted from its drives, the latest last.
    pub(crate) bin: Vec<Binned>,
}

/// An access token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) app: String,
    pub(crate) expires: Timestamp,
    pub(crate) roles: Vec<String>,
    pub(crate) revoked: bool,
}

/// What a scenario's job moves, for `compare`.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) sources: Vec<JobSource>,
    /// Drive and path of the destination; `{user}` stands for a user's folder.
    pub(crate) drive: usize,
    pub(crate) path: String,
}

/// One source tree of a job.
#[derive(Clone, Debug)]
pub(crate) struct JobSource {
    pub(crate) drive: usize,
    pub(crate) path: String,
    /// What the destination's `{user}` may be called.
    pub(crate) user_folders: Vec<String>,
}

/// Something that is due to happen by itself.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    FinishCopy(String),
    Rewrite { drive: usize, item: u32 },
    ExpireSession(String),
    ExpireUntouched(String),
}

/// Host of the tenant's sites.
pub(crate) const SITE_HOST: &str = "contoso.sharepoint.com";
/// Host of the tenant's personal sites.
pub(crate) const MY_HOST: &str = "contoso-my.sharepoint.com";

impl World {
    pub(crate) fn new(config: Config, epoch: Timestamp) -> Self {
        let seed = config.seed;
        let hex = |n: u64| format!("{:016x}", mix(seed ^ n));
        let tenant = Tenant {
            id: Guid::derived(mix(seed ^ 1)).text(),
            domain: "contoso.onmicrosoft.com",
            client_id: Guid::derived(mix(seed ^ 2)).text(),
            secret: format!("sim~{}{}", hex(3), hex(4)),
            secret_expired: false,
            roles: ["Files.ReadWrite.All", "Sites.ReadWrite.All", "User.Read.All"]
                .map(str::to_owned)
                .to_vec(),
        };
        let meter = Meter::new(config.quota, config.quota_window);
        let faults = FaultPlan::new(seed, config.faults);
        Self {
            config,
            origins: Origins::in_process(),
            now: epoch,
            tenant,
            users: Vec::new(),
            colleagues: Vec::new(),
            sites: Vec::new(),
            drives: Vec::new(),
            tokens: BTreeMap::new(),
            sessions: BTreeMap::new(),
            monitors: BTreeMap::new(),
            events: BTreeMap::new(),
            jobs: Vec::new(),
            audit: Audit::default(),
            meter,
            faults,
            counter: 0,
        }
    }

    /// Lets time pass: everything that was due by then happens, in order.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > now {
                break;
            }
            self.now = self.now.max(entry.key().0);
            let event = entry.remove();
            self.happen(event);
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::FinishCopy(monitor) => self.finish_copy(&monitor),
            Event::Rewrite { drive, item } => self.enrich(drive, item),
            Event::ExpireSession(guid) => {
                self.forget_session(&guid);
            }
            Event::ExpireUntouched(guid) => {
                if self.sessions.get(&guid).is_some_and(|session| !session.touched) {
                    self.forget_session(&guid);
                }
            }
        }
    }

    pub(crate) fn schedule(&mut self, after: SignedDuration, event: Event) {
        self.counter += 1;
        let at = self.later(after);
        self.events.insert((at, self.counter), event);
    }

    /// Now plus a duration; the end of time where that does not exist.
    pub(crate) fn later(&self, after: SignedDuration) -> Timestamp {
        self.now.checked_add(after).unwrap_or(Timestamp::MAX)
    }

    /// A GUID that was never given out before.
    pub(crate) fn fresh(&mut self) -> Guid {
        self.counter += 1;
        Guid::derived(mix(self.config.seed) ^ (self.counter << 8) ^ 0x66)
    }

    /// A number that was never given out before.
    pub(crate) fn fresh_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.now.as_second()
    }

    /// The application, now.
    pub(crate) fn app(&self) -> Hand {
        Hand { who: Editor::APP, at: self.seconds() }
    }

    /// The person whose work on a drive is nobody's surprise, now: its owner, or a colleague at a library.
    pub(crate) fn somebody(&self, drive: usize) -> Hand {
        let who = match (self.drive(drive).map(|drive| drive.owner), self.colleagues.first()) {
            (Some(Owner::Library), Some(colleague)) => Editor::person(*colleague),
            (Some(owner), _) => owner.person(),
            (None, _) => Editor::person(0),
        };
        Hand { who, at: self.seconds() }
    }

    pub(crate) fn drive(&self, index: usize) -> Option<&Drive> {
        self.drives.get(index)
    }

    pub(crate) fn drive_mut(&mut self, index: usize) -> Option<&mut Drive> {
        self.drives.get_mut(index)
    }

    pub(crate) fn drive_by_id(&self, id: &str) -> Option<usize> {
        self.drives.iter().position(|drive| drive.id == id)
    }

    pub(crate) fn site_by_path(&self, host: &str, path: &str) -> Option<usize> {
        let path = path.trim_matches('/');
        self.sites.iter().position(|site| {
            site.host.eq_ignore_ascii_case(host)
                && site.path.trim_matches('/').to_lowercase() == path.to_lowercase()
        })
    }

    pub(crate) fn site_by_id(&self, id: &str) -> Option<usize> {
        self.sites.iter().position(|site| site.id() == id || site.guid.text() == id)
    }

    pub(crate) fn user(&self, key: &str) -> Option<usize> {
        self.users.iter().position(|user| user.id == key || user.upn.eq_ignore_ascii_case(key))
    }

    /// Whether a drive is what some job reads from.
    pub(crate) fn is_source(&self, drive: usize) -> bool {
        self.jobs.iter().any(|job| job.sources.iter().any(|source| source.drive == drive))
            && !self.jobs.iter().any(|job| job.drive == drive)
    }

    /// Adds a site without libraries.
    pub(crate) fn add_site(&mut self, host: &'static str, path: &str, name: &str) -> usize {
        let base = mix(self.config.seed ^ (self.sites.len() as u64 + 0x517e));
        self.sites.push(Site {
            guid: Guid::derived(base),
            web: Guid::derived(base ^ 1),
            host,
            path: path.to_owned(),
            name: name.to_owned(),
            drives: Vec::new(),
            bin: Vec::new(),
        });
        self.sites.len() - 1
    }

    /// Adds a library to a site.
    pub(crate) fn add_library(&mut self, site: usize, name: &str, segment: &str) -> usize {
        self.add_drive(site, name, segment, Owner::Library)
    }

    fn add_drive(&mut self, site: usize, name: &str, segment: &str, owner: Owner) -> usize {
        let index = self.drives.len();
        let now = self.seconds();
        let Some(home) = self.sites.get_mut(site) else { return index };
        home.drives.push(index);
        let from = DriveSeed {
            seed: mix(self.config.seed ^ (index as u64 + 0xd21e)),
            name: name.to_owned(),
            segment: segment.to_owned(),
            owner,
            site,
            site_guid: home.guid,
            web_guid: home.web,
        };
        self.drives.push(Drive::new(from, now));
        index
    }

    /// Adds a person, with a OneDrive or without.
    pub(crate) fn add_user(&mut self, upn: &str, display: &str, with_drive: bool) -> usize {
        let index = self.users.len();
        let id = Guid::derived(mix(self.config.seed ^ (index as u64 + 0x05e2))).text();
        self.users.push(User {
            id,
            upn: upn.to_owned(),
            display: display.to_owned(),
            drive: None,
            deleted: false,
        });
        if with_drive {
            let site = self.add_site(MY_HOST, &format!("/personal/{}", personal_segment(upn)), display);
            let drive = self.add_drive(site, "OneDrive", "Documents", Owner::User(index));
            if let Some(user) = self.users.get_mut(index) {
                user.drive = Some(drive);
            }
        }
        index
    }

    /// How this library treats files that it parses.
    pub(crate) fn rewriting(&self, drive: usize) -> Rewriting {
        match self.drive(drive) {
            Some(drive) if drive.library.is_some() => self.config.rewriting.unwrap_or(Rewriting::Immediate),
            _ => Rewriting::Off,
        }
    }
}

impl Site {
    /// `host,siteGuid,webGuid`.
    pub(crate) fn id(&self) -> String {
        format!("{},{},{}", self.host, self.guid.text(), self.web.text())
    }

    pub(crate) fn web_url(&self) -> String {
        format!("https://{}{}", self.host, self.path)
    }
}

/// `ada@contoso.com` as a personal site spells it: `ada_contoso_com`.
pub(crate) fn personal_segment(upn: &str) -> String {
    upn.to_lowercase().replace(['@', '.'], "_")
}
