//! Changes of the world from outside: what other people do while a client works.
//!
//! Owns the operations that tests and operators may ask for. They bypass the protocol, cost nothing and are made by a
//! person, not by the application.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::{Faults, Rewriting};
use crate::content::{Content, mix};
use crate::sharing::{Scope, Share};
use crate::world::World;
use crate::world::drive::{Drive, DriveState, Times};
use crate::world::item::Kind;

/// One thing that somebody does. `drive` is a drive id, a user, or the name of a library of the archive site; the
/// source of the first job where absent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum WorldOp {
    /// Writes a file, new or not.
    Write {
        /// Which drive.
        drive: Option<String>,
        /// From the root.
        path: String,
        /// Literal content; generated content of `size` bytes where absent.
        text: Option<String>,
        /// Bytes of generated content.
        size: Option<u64>,
    },
    /// Makes a folder and those above it.
    Folder {
        /// Which drive.
        drive: Option<String>,
        /// From the root.
        path: String,
    },
    /// Moves or renames a file or folder.
    Move {
        /// Which drive.
        drive: Option<String>,
        /// From the root.
        path: String,
        /// New path from the root; its folder must be there.
        to: String,
    },
    /// Sends a file or folder to the recycle bin.
    Delete {
        /// Which drive.
        drive: Option<String>,
        /// From the root.
        path: String,
    },
    /// Changes one byte of a file without a version, a new tag or a line in the change log: rot.
    Corrupt {
        /// Which drive.
        drive: Option<String>,
        /// From the root.
        path: String,
    },
    /// Locks a file against writes.
    Lock {
        /// Which drive.
        drive: Option<String>,
        /// From the root.
        path: String,
        /// How long.
        seconds: u64,
    },
    /// Sets the application's permissions; tokens issued from then on carry them.
    Roles {
        /// For example `Files.Read.All`.
        roles: Vec<String>,
    },
    /// Sets a drive's capacity; absent means full now.
    Quota {
        /// Which drive.
        drive: Option<String>,
        /// In bytes.
        total: Option<u64>,
    },
    /// Sets a drive's state: `normal`, `read_only`, `locked`, `archived`.
    State {
        /// Which drive.
        drive: Option<String>,
        /// The word.
        state: String,
    },
    /// Removes a person from the directory; the drive stays.
    DeleteUser {
        /// User principal name or id.
        user: String,
    },
    /// Makes every access token invalid.
    RevokeTokens,
    /// Makes the client secret expired, or valid again.
    ExpireSecret {
        /// Whether it is expired.
        expired: bool,
    },
    /// Makes every delta token of a drive too old.
    ForgetDelta {
        /// Which drive.
        drive: Option<String>,
    },
    /// Adds a column to a library that writes into its files, or gives it another value: every file that it can take
    /// apart is rewritten again.
    Column {
        /// Which drive.
        drive: Option<String>,
        /// The column.
        name: String,
        /// Its value in every file.
        value: String,
    },
    /// Lets new uploads to a drive stay checked out, or no longer.
    RequireCheckout {
        /// Which drive.
        drive: Option<String>,
        /// Whether it does.
        required: bool,
    },
    /// Lets people in at a file or folder.
    Share {
        /// Which drive.
        drive: Option<String>,
        /// From the root.
        path: String,
        /// Users, for a link of the scope `users` or without a link.
        #[serde(default)]
        people: Vec<String>,
        /// `read` or `write`.
        role: String,
        /// The scope of the link: `anonymous`, `organization`, `users`; no link where absent.
        #[serde(default)]
        link: Option<String>,
        /// When it ends, as a time stamp.
        #[serde(default)]
        expires: Option<Timestamp>,
    },
    /// Sets or takes away the labels of a file or folder.
    Label {
        /// Which drive.
        drive: Option<String>,
        /// From the root.
        path: String,
        /// The sensitivity label.
        #[serde(default)]
        sensitivity: Option<String>,
        /// The retention label.
        #[serde(default)]
        retention: Option<String>,
    },
    /// Lets nobody read any more with whom a file or folder is shared: 403.
    Guard {
        /// Which drive.
        drive: Option<String>,
        /// From the root.
        path: String,
    },
    /// Sets how much goes wrong from now on: `none`, `mild`, `wild`.
    Faults {
        /// The word.
        level: String,
    },
}

/// Why a change could not be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChangeError(String);

fn none(what: &str, name: &str) -> ChangeError {
    ChangeError(format!("no {what} \"{name}\""))
}

impl World {
    /// Does what somebody does.
    pub(crate) fn change(&mut self, op: WorldOp) -> Result<(), ChangeError> {
        match op {
            WorldOp::Write { drive, path, text, size } => {
                self.write_file(drive.as_deref(), &path, text, size)
            }
            WorldOp::Folder { drive, path } => {
                let drive = self.named_drive(drive.as_deref())?;
                self.folder_at(drive, &path);
                Ok(())
            }
            WorldOp::Move { drive, path, to } => self.move_item(drive.as_deref(), &path, &to),
            WorldOp::Delete { drive, path } => {
                let (drive, index) = self.named_item(drive.as_deref(), &path)?;
                self.recycle(drive, index, self.somebody(drive));
                Ok(())
            }
            WorldOp::Column { drive, name, value } => self.add_column(drive.as_deref(), name, value),
            WorldOp::Corrupt { drive, path } => self.corrupt(drive.as_deref(), &path),
            WorldOp::Lock { drive, path, seconds } => {
                let (drive, index) = self.named_item(drive.as_deref(), &path)?;
                let until = self.later(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)));
                if let Some(item) = self.drive_mut(drive).and_then(|drive| drive.item_mut(index)) {
                    item.extra_mut().locked_until = Some(until);
                }
                Ok(())
            }
            WorldOp::DeleteUser { user } => {
                let index = self.user(&user).ok_or_else(|| none("user", &user))?;
                if let Some(user) = self.users.get_mut(index) {
                    user.deleted = true;
                }
                Ok(())
            }
            WorldOp::Faults { level } => {
                let level = level.parse::<Faults>().map_err(|error| ChangeError(error.to_string()))?;
                self.faults.set_level(level);
                Ok(())
            }
            WorldOp::Roles { roles } => {
                self.tenant.roles = roles;
                Ok(())
            }
            WorldOp::ExpireSecret { expired } => {
                self.tenant.secret_expired = expired;
                Ok(())
            }
            WorldOp::RevokeTokens => {
                self.tokens.values_mut().for_each(|token| token.revoked = true);
                Ok(())
            }
            WorldOp::Share { .. } | WorldOp::Label { .. } | WorldOp::Guard { .. } => self.change_sharing(op),
            other => self.change_drive(other),
        }
    }

    fn change_sharing(&mut self, op: WorldOp) -> Result<(), ChangeError> {
        let (WorldOp::Share { drive, path, .. }
        | WorldOp::Label { drive, path, .. }
        | WorldOp::Guard { drive, path }) = &op
        else {
            return Ok(());
        };
        let (drive, index) = self.named_item(drive.as_deref(), path)?;
        let missing = || none("item", "");
        match op {
            WorldOp::Share { people, role, link, expires, .. } => {
                let scope = Scope::of(link.as_deref())
                    .ok_or_else(|| none("scope", link.as_deref().unwrap_or_default()))?;
                let found = people.iter().map(|key| self.user(key).ok_or_else(|| none("user", key)));
                let people = found.collect::<Result<Vec<usize>, ChangeError>>()?;
                let expires = expires.map(Timestamp::as_second);
                let number = self.fresh_number();
                let share = Share { scope, people, role, expires, number };
                self.shared_mut(drive, index).ok_or_else(missing)?.shares.push(share);
            }
            WorldOp::Label { sensitivity, retention, .. } => {
                let shared = self.shared_mut(drive, index).ok_or_else(missing)?;
                (shared.sensitivity, shared.retention) = (sensitivity, retention);
            }
            _ => self.shared_mut(drive, index).ok_or_else(missing)?.guarded = true,
        }
        Ok(())
    }

    fn change_drive(&mut self, op: WorldOp) -> Result<(), ChangeError> {
        let named = match &op {
            WorldOp::Quota { drive, .. }
            | WorldOp::State { drive, .. }
            | WorldOp::ForgetDelta { drive }
            | WorldOp::RequireCheckout { drive, .. } => drive.clone(),
            _ => None,
        };
        let index = self.named_drive(named.as_deref())?;
        let drive = self.drive_mut(index).ok_or_else(|| none("drive", ""))?;
        match op {
            WorldOp::Quota { total, .. } => drive.quota = total.unwrap_or(drive.used),
            WorldOp::State { state, .. } => {
                drive.state = match state.as_str() {
                    "normal" => DriveState::Normal,
                    "read_only" => DriveState::ReadOnly,
                    "locked" => DriveState::Locked,
                    "archived" => DriveState::Archived,
                    _ => return Err(none("state", &state)),
                }
            }
            WorldOp::ForgetDelta { .. } => {
                // A number that no change has: whatever begins from now on is young enough.
                drive.last_change += 1;
                drive.oldest_token = drive.last_change;
            }
            WorldOp::RequireCheckout { required, .. } => drive.requires_checkout = required,
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn named_drive(&self, name: Option<&str>) -> Result<usize, ChangeError> {
        let Some(name) = name else {
            let first = self.jobs.first().and_then(|job| job.sources.first()).map(|source| source.drive);
            return first.ok_or_else(|| none("job", ""));
        };
        let by_user = || self.user(name).and_then(|index| self.users.get(index)).and_then(|user| user.drive);
        let by_library = || {
            let destination = self.jobs.first().map(|job| job.drive)?;
            let site = self.site_of(destination)?;
            site.drives
                .iter()
                .copied()
                .find(|index| self.drive(*index).is_some_and(|drive| drive.name == name))
        };
        self.drive_by_id(name).or_else(by_user).or_else(by_library).ok_or_else(|| none("drive", name))
    }

    fn named_item(&self, drive: Option<&str>, path: &str) -> Result<(usize, u32), ChangeError> {
        let index = self.named_drive(drive)?;
        let found = self.drive(index).and_then(|drive| drive.walk(0, segments(path)));
        found.map(|item| (index, item)).ok_or_else(|| none("item", path))
    }

    fn folder_at(&mut self, drive: usize, path: &str) -> u32 {
        let hand = self.somebody(drive);
        let Some(drive) = self.drive_mut(drive) else { return 0 };
        segments(path).fold(0, |at, name| {
            drive.child(at, name).unwrap_or_else(|| drive.add_folder(at, name, Times::both(hand.at), hand))
        })
    }

    fn write_file(
        &mut self,
        drive: Option<&str>,
        path: &str,
        text: Option<String>,
        size: Option<u64>,
    ) -> Result<(), ChangeError> {
        let drive = self.named_drive(drive)?;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.folder_at(drive, folder);
        let seed = mix(self.config.seed ^ self.fresh_number());
        let content = match text {
            Some(text) => Content::literal(text.into_bytes()),
            None => Content::Generated { seed, len: size.unwrap_or(1000) },
        };
        let hand = self.somebody(drive);
        let times = Times::both(hand.at);
        let Some(drive) = self.drive_mut(drive) else { return Ok(()) };
        match drive.child(parent, name) {
            Some(index) if drive.item(index).is_some_and(super::world::item::Item::is_folder) => {
                return Err(ChangeError(format!("\"{path}\" is a folder")));
            }
            Some(index) => drive.replace(index, content, Some(times), hand),
            None => {
                drive.add(parent, name, Kind::File(content), times, hand);
            }
        }
        Ok(())
    }

    fn move_item(&mut self, drive: Option<&str>, path: &str, to: &str) -> Result<(), ChangeError> {
        let (drive, index) = self.named_item(drive, path)?;
        let (folder, name) = to.rsplit_once('/').unwrap_or(("", to));
        let hand = self.somebody(drive);
        let Some(drive) = self.drive_mut(drive) else { return Ok(()) };
        let parent = drive.walk(0, segments(folder)).ok_or_else(|| none("folder", folder))?;
        if drive.child(parent, name).is_some_and(|other| other != index) || drive.is_below(parent, index) {
            return Err(ChangeError(format!("\"{to}\" is taken or lies inside \"{path}\"")));
        }
        drive.relocate(index, parent, name, hand);
        Ok(())
    }

    fn add_column(&mut self, drive: Option<&str>, name: String, value: String) -> Result<(), ChangeError> {
        let index = self.named_drive(drive)?;
        let writes = self.rewriting(index) != Rewriting::Off;
        let library = self.drive_mut(index).and_then(|drive| drive.library.as_mut()).filter(|_| writes);
        let library =
            library.ok_or_else(|| none("library that writes into its files", drive.unwrap_or("")))?;
        library.set(name, value);
        for item in 0..self.drive(index).map_or(0, Drive::count) {
            self.enrich(index, item);
        }
        Ok(())
    }

    fn corrupt(&mut self, drive: Option<&str>, path: &str) -> Result<(), ChangeError> {
        let (drive, index) = self.named_item(drive, path)?;
        let item = self
            .drive_mut(drive)
            .and_then(|drive| drive.item_mut(index))
            .ok_or_else(|| none("item", path))?;
        let Kind::File(content) = &mut item.kind else {
            return Err(ChangeError(format!("\"{path}\" is a folder")));
        };
        let mut bytes = content.read(0, crate::content::to_usize(content.len()));
        if let Some(byte) = bytes.first_mut() {
            *byte ^= 1;
        }
        *content = Content::literal(bytes);
        if let Some(extra) = &mut item.extra {
            extra.sent = None;
        }
        Ok(())
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}
