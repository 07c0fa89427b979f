//! How bytes become files: upload sessions, server-side copies and rewriting.
//!
//! Owns open sessions, the names that they reserve, and monitors of copies. Refuses to know headers and bodies; the
//! facts are those of `graph.md`, sections 8, 10 and 13.

use bytes::Bytes;
use jiff::SignedDuration;
use jiff::Timestamp;

use crate::config::Rewriting;
use crate::content::{Content, Piece, Recogniser};
use crate::enrich::enriched;
use crate::names::fold;
use crate::quota::signed;
use crate::reply::Fail;
use crate::world::drive::Times;
use crate::world::item::Kind;
use crate::world::{Event, World};

/// Fragments must be multiples of this, in bytes.
pub(crate) const FRAGMENT_UNIT: u64 = 327_680;
/// Fragments must be smaller than this, in bytes.
pub(crate) const FRAGMENT_LIMIT: u64 = 60 << 20;
/// A copy of more items is refused.
const COPY_LIMIT: usize = 30_000;

/// What to do where the name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    Fail,
    Replace,
    Rename,
}

/// An upload session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) drive: usize,
    pub(crate) parent: u32,
    pub(crate) name: String,
    pub(crate) behavior: Behavior,
    pub(crate) times: Option<Times>,
    pub(crate) defer: bool,
    pub(crate) expires: Timestamp,
    pub(crate) total: Option<u64>,
    pub(crate) received: u64,
    pub(crate) state: SessionState,
    /// Whether its URL was ever used.
    pub(crate) touched: bool,
    recogniser: Recogniser,
    pieces: Vec<Piece>,
    uneven: bool,
    last_start: u64,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    Open,
    /// All bytes are there and wait for the commit that was deferred.
    Complete,
    /// The file exists, but the session does not know it: its last fragment is answered with 409.
    Haunted,
}

/// What a fragment led to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress {
    More,
    Committed { item: u32, created: bool },
}

/// A fragment as its headers describe it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Absent where the client wrote `*`.
    pub(crate) total: Option<u64>,
}

/// A server-side copy.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    pub(crate) started: Timestamp,
    pub(crate) ends: Timestamp,
    pub(crate) outcome: Outcome,
    pub(crate) order: CopyOrder,
}

/// How a copy stands.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Running,
    Done { drive: usize, item: u32 },
    Failed { code: &'static str, message: String },
}

/// What a copy was asked to do.
#[derive(Clone, Debug)]
pub(crate) struct CopyOrder {
    pub(crate) from: (usize, u32),
    pub(crate) to: (usize, u32),
    pub(crate) name: String,
    pub(crate) behavior: Behavior,
}

/// What opens a session.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) drive: usize,
    pub(crate) parent: u32,
    pub(crate) name: String,
    pub(crate) behavior: Behavior,
    pub(crate) times: Option<Times>,
    pub(crate) defer: bool,
    pub(crate) size: Option<u64>,
}

impl Session {
    /// Where the next byte is expected.
    pub(crate) fn next_expected(&self) -> u64 {
        match self.state {
            SessionState::Haunted => self.last_start,
            _ => self.received,
        }
    }

    fn check(&self, span: Span, len: u64) -> Result<(), Fail> {
        if span.last < span.first || span.last - span.first + 1 != len {
            return Err(range("fragmentLengthMismatch", "The fragment does not have the announced length."));
        }
        if self.total.is_some_and(|total| span.total.is_some_and(|given| given != total)) {
            return Err(Fail::bad("The total size differs from earlier fragments of this session."));
        }
        if span.total.is_some_and(|total| span.last >= total) {
            return Err(range("fragmentLengthMismatch", "The fragment ends behind the announced total."));
        }
        if span.first < self.received {
            return Err(range(
                "fragmentOverlap",
                "The fragment overlaps with bytes that were received before.",
            ));
        }
        if span.first > self.received {
            return Err(range(
                "fragmentOutOfOrder",
                "The fragment does not follow the bytes received before.",
            ));
        }
        Ok(())
    }
}

fn range(inner: &'static str, message: &str) -> Fail {
    Fail::new(416, "invalidRange", message).inner(inner)
}

pub(crate) fn session_gone() -> Fail {
    Fail::new(404, "itemNotFound", "The upload session was not found")
}

impl World {
    /// Opens a session and reserves its name.
    pub(crate) fn open_session(&mut self, opening: Opening) -> Result<String, Fail> {
        let drive = self.drive(opening.drive).ok_or_else(Fail::not_found)?;
        let key = (opening.parent, fold(&opening.name));
        if let Some(existing) = drive.child(opening.parent, &opening.name) {
            let is_folder = drive.item(existing).is_some_and(super::item::Item::is_folder);
            if is_folder || opening.behavior == Behavior::Fail {
                return Err(Fail::exists());
            }
        }
        if drive.reserved.contains_key(&key) {
            return Err(Fail::new(
                409,
                "nameAlreadyExists",
                "An upload session already exists for this file. A file with the same name is currently being uploaded.",
            ));
        }
        if opening.size.is_some_and(|size| size > drive.quota.saturating_sub(drive.used)) {
            return Err(full());
        }
        let guid = self.fresh().text();
        let lifetime = signed(self.config.session_lifetime);
        let expires = self.later(lifetime);
        self.schedule(lifetime, Event::ExpireSession(guid.clone()));
        let untouched = signed(self.config.untouched_session_lifetime);
        if untouched < lifetime {
            self.schedule(untouched, Event::ExpireUntouched(guid.clone()));
        }
        let session = Session {
            drive: opening.drive,
            parent: opening.parent,
            name: opening.name,
            behavior: opening.behavior,
            times: opening.times,
            defer: opening.defer,
            expires,
            total: None,
            received: 0,
            state: SessionState::Open,
            touched: false,
            recogniser: Recogniser::default(),
            pieces: Vec::new(),
            uneven: false,
            last_start: 0,
        };
        self.sessions.insert(guid.clone(), session);
        if let Some(drive) = self.drive_mut(opening.drive) {
            drive.reserved.insert(key, guid.clone());
        }
        Ok(guid)
    }

    /// Drops a session and frees its name. Says whether there was one.
    pub(crate) fn forget_session(&mut self, guid: &str) -> bool {
        let Some(session) = self.sessions.remove(guid) else { return false };
        if let Some(drive) = self.drive_mut(session.drive) {
            let key = (session.parent, fold(&session.name));
            if drive.reserved.get(&key).is_some_and(|holder| holder == guid) {
                drive.reserved.remove(&key);
            }
        }
        true
    }

    /// Takes one fragment; the last one commits.
    pub(crate) fn accept(&mut self, guid: &str, span: Span, bytes: Bytes) -> Result<Progress, Fail> {
        let len = bytes.len() as u64;
        let session = self.sessions.get_mut(guid).ok_or_else(session_gone)?;
        if session.state == SessionState::Haunted {
            return Err(Fail::exists());
        }
        session.check(span, len)?;
        let free = self.drives.get(session.drive).map_or(0, |drive| drive.quota.saturating_sub(drive.used));
        if span.total.unwrap_or(span.last + 1) > free {
            return Err(full());
        }
        session.total = session.total.or(span.total);
        let piece = session.recogniser.piece(span.first, bytes);
        session.pieces.push(piece);
        session.last_start = span.first;
        session.received += len;
        let done = session.total.is_some_and(|total| session.received == total);
        if !done {
            if !len.is_multiple_of(FRAGMENT_UNIT) {
                session.uneven = true;
                let name = session.name.clone();
                self.audit
                    .violate(format!("a fragment of {len} bytes for \"{name}\" is no multiple of 320 KiB"));
            }
            return Ok(Progress::More);
        }
        if session.uneven {
            return Err(Fail::bad(
                "The fragments of this session are not multiples of 327680 bytes; it cannot be committed.",
            ));
        }
        session.state = SessionState::Complete;
        if session.defer { Ok(Progress::More) } else { self.commit_session(guid) }
    }

    /// Makes the file. In fail mode a name that was taken meanwhile refuses, and the session stays.
    pub(crate) fn commit_session(&mut self, guid: &str) -> Result<Progress, Fail> {
        let session = self.sessions.get(guid).ok_or_else(session_gone)?.clone();
        if session.state == SessionState::Open {
            return Err(Fail::bad("The session has not received all bytes."));
        }
        let content = Content::of_pieces(session.pieces);
        let (item, created) = match self.place(
            session.drive,
            session.parent,
            &session.name,
            session.behavior,
            (content, session.times),
        ) {
            Ok(placed) => placed,
            Err(fail) => {
                // The last fragment can be sent again, as the session survives until it expires.
                if let Some(open) = self.sessions.get_mut(guid) {
                    open.received = open.last_start;
                    open.pieces.pop();
                    open.state = SessionState::Open;
                }
                return Err(fail);
            }
        };
        self.forget_session(guid);
        Ok(Progress::Committed { item, created })
    }

    /// Leaves a session behind that committed without knowing it.
    pub(crate) fn haunt(&mut self, guid: &str, mut session: Session, last_start: u64) {
        session.state = SessionState::Haunted;
        session.last_start = last_start;
        session.pieces.clear();
        if let Some(drive) = self.drive_mut(session.drive) {
            drive.reserved.insert((session.parent, fold(&session.name)), guid.to_owned());
        }
        self.sessions.insert(guid.to_owned(), session);
    }

    /// Writes a file under a name, by the behaviour where it is taken. Says whether it is new.
    pub(crate) fn place(
        &mut self,
        drive_index: usize,
        parent: u32,
        name: &str,
        behavior: Behavior,
        (content, times): (Content, Option<Times>),
    ) -> Result<(u32, bool), Fail> {
        let app = self.app();
        let drive = self.drive_mut(drive_index).ok_or_else(Fail::not_found)?;
        if drive.item(parent).is_none_or(|item| item.deleted || !item.is_folder()) {
            return Err(Fail::not_found());
        }
        if content.len() > drive.quota.saturating_sub(drive.used) {
            return Err(full());
        }
        let existing = drive.child(parent, name);
        let folder_there =
            existing.and_then(|index| drive.item(index)).is_some_and(super::item::Item::is_folder);
        let placed = match (existing, behavior) {
            (Some(_), Behavior::Fail) => return Err(Fail::exists()),
            (Some(_), Behavior::Replace) if folder_there => return Err(Fail::exists()),
            (Some(index), Behavior::Replace) => {
                drive.replace(index, content, times, app);
                (index, false)
            }
            (taken, _) => {
                let name =
                    if taken.is_some() { drive.free_name(parent, name, false) } else { name.to_owned() };
                let times = times.unwrap_or(Times::both(app.at));
                let index = drive.add(parent, &name, Kind::File(content), times, app);
                if drive.requires_checkout
                    && let Some(item) = drive.item_mut(index)
                {
                    item.extra_mut().checked_out = true;
                }
                (index, true)
            }
        };
        self.after_commit(drive_index, placed.0);
        Ok(placed)
    }

    fn after_commit(&mut self, drive: usize, item: u32) {
        match self.rewriting(drive) {
            Rewriting::Off => {}
            Rewriting::Immediate => self.enrich(drive, item),
            Rewriting::After(delay) => self.schedule(signed(delay), Event::Rewrite { drive, item }),
        }
    }

    /// Rewrites a file if it is one that the library can take apart.
    pub(crate) fn enrich(&mut self, drive: usize, item: u32) {
        let now = self.seconds();
        let Some(drive) = self.drive_mut(drive) else { return };
        let Some(found) = drive.item(item).filter(|found| !found.deleted) else { return };
        let (Some(library), Some(content)) = (&drive.library, found.served()) else { return };
        if let Some(rewritten) = enriched(library, &found.name, &content) {
            drive.rewrite(item, rewritten, now);
        }
    }

    /// Starts a copy and gives the id of its monitor.
    pub(crate) fn start_copy(&mut self, order: CopyOrder) -> String {
        let guid = self.fresh().text();
        let lasts: SignedDuration = signed(self.config.copy_duration);
        let monitor =
            Monitor { started: self.now, ends: self.later(lasts), outcome: Outcome::Running, order };
        self.monitors.insert(guid.clone(), monitor);
        self.schedule(lasts, Event::FinishCopy(guid.clone()));
        guid
    }

    /// Carries a copy out; called when its time is over.
    pub(crate) fn finish_copy(&mut self, guid: &str) {
        let Some(order) = self.monitors.get(guid).map(|monitor| monitor.order.clone()) else { return };
        let outcome = match self.copy_tree(&order) {
            Ok(item) => Outcome::Done { drive: order.to.0, item },
            Err(fail) => Outcome::Failed { code: fail.code, message: fail.message },
        };
        if let Some(monitor) = self.monitors.get_mut(guid) {
            monitor.outcome = outcome;
        }
    }

    fn copy_tree(&mut self, order: &CopyOrder) -> Result<u32, Fail> {
        let (to_drive, to_parent) = order.to;
        let source = self.drive(order.from.0).and_then(|drive| drive.item(order.from.1)).cloned();
        let source = source.filter(|item| !item.deleted).ok_or_else(Fail::not_found)?;
        if let Some(content) = source.content() {
            // Times are not kept: the copy is dated now.
            let given = (content.clone(), None);
            return Ok(self.place(to_drive, to_parent, &order.name, order.behavior, given)?.0);
        }
        let app = self.app();
        let target = self.drive(to_drive).ok_or_else(Fail::not_found)?;
        if target.child(to_parent, &order.name).is_some() {
            return Err(Fail::exists());
        }
        let root = self
            .drive_mut(to_drive)
            .map(|drive| drive.add_folder(to_parent, &order.name, Times::both(app.at), app))
            .ok_or_else(Fail::not_found)?;
        let mut pending = vec![(order.from.1, root)];
        let mut copied = 0;
        while let Some((from, to)) = pending.pop() {
            let children: Vec<u32> = self
                .drive(order.from.0)
                .and_then(|drive| drive.item(from))
                .and_then(|item| item.folder())
                .map(|folder| folder.children.values().copied().collect())
                .unwrap_or_default();
            for child in children {
                copied += 1;
                if copied > COPY_LIMIT {
                    return Err(Fail::new(413, "maxItemsExceeded", "The copy has too many items."));
                }
                let Some(item) = self.drive(order.from.0).and_then(|drive| drive.item(child)).cloned() else {
                    continue;
                };
                if let Some(content) = item.content() {
                    self.place(to_drive, to, &item.name, Behavior::Fail, (content.clone(), None))?;
                } else if let Some(drive) = self.drive_mut(to_drive) {
                    let folder = drive.add_folder(to, &item.name, Times::both(app.at), app);
                    pending.push((child, folder));
                }
            }
        }
        Ok(root)
    }
}

pub(crate) fn full() -> Fail {
    Fail::new(507, "quotaLimitReached", "Insufficient Space Available")
}
