//! What is done to a file.

use std::collections::BTreeSet;

use bytes::Bytes;
use fastrand::Rng;

use crate::content::{Content, Piece, mix};
use crate::damage::job::{File, Landed, relative};
use crate::damage::{Damaged, Kind};
use crate::enrich::enriched;
use crate::names::fold;
use crate::world::World;
use crate::world::commit::FRAGMENT_UNIT;
use crate::world::drive::{Drive, Times};
use crate::world::item::{Editor, Hand, Kind as ItemKind};

/// How other formats begin than those that files are likely to have.
const HEADS: [&[u8]; 2] = [b"MZ\x90\x00\x03\x00\x00\x00", b"\x7fELF\x02\x01\x01\x00"];

/// The world while it is damaged.
pub(super) struct Scene<'a> {
    world: &'a mut World,
    landed: &'a Landed,
    versioned: bool,
    rng: Rng,
    people: Vec<Editor>,
    /// Where the job's files belong, and what stands elsewhere by now.
    taken: BTreeSet<(u32, Box<str>)>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(world: &'a mut World, landed: &'a Landed, versioned: bool, rng: Rng) -> Self {
        let people = world.colleagues.iter().map(|user| Editor::person(*user)).collect();
        Self { world, landed, versioned, rng, people, taken: landed.places.clone() }
    }

    /// Does it and says what a verifier should find; none where it turned out not to fit.
    pub(super) fn damage(&mut self, file: &File, kind: Kind) -> Option<Damaged> {
        let app = self.world.app();
        let who = self.people.get(self.rng.usize(..self.people.len().max(1))).copied();
        let person = Hand { who: who.unwrap_or(Editor::person(0)), at: app.at };
        let mut by = self.named(Editor::APP);
        let mut place = None;
        match kind {
            Kind::Deleted => {
                self.world.remove(self.landed.drive, file.item);
                by = "nobody".to_owned();
            }
            Kind::Truncated
            | Kind::Flipped
            | Kind::SwappedFragments
            | Kind::ZeroLength
            | Kind::OtherFormat => self.overwrite(file, kind, app)?,
            Kind::FlippedSilently => {
                self.rot(file)?;
                by = "nobody".to_owned();
            }
            Kind::Moved => place = Some(self.move_away(file, app)?),
            Kind::Renamed => place = Some(self.rename(file, app)?),
            Kind::Doubled => place = Some(self.double(file, app)?),
            Kind::RewrittenLate => {
                self.rewrite(file)?;
                by = "library".to_owned();
            }
            Kind::TimesLost => self.lose_times(file, app)?,
            Kind::FolderTimesLost => return None,
            Kind::ExtraVersion => self.write_again(file, app)?,
            Kind::Edited | Kind::MovedByUser | Kind::DeletedByUser | Kind::Foreign => {
                by = self.named(person.who);
                place = self.by_person(file, kind, person)?;
            }
        }
        let (name, expect, repairable) = kind.facts();
        let mut to = place.and_then(|item| Some(relative(self.drive()?, item, self.landed.depth)));
        let path = if kind == Kind::Foreign { to.take()? } else { file.path.clone() };
        let (kind, expect) = (name.to_owned(), expect.to_owned());
        Some(Damaged { path, kind, to, by, repairable, expect })
    }

    fn named(&self, editor: Editor) -> String {
        let user = editor.user().and_then(|index| self.world.users.get(index));
        user.map_or_else(|| "app".to_owned(), |user| user.display.clone())
    }

    fn drive(&self) -> Option<&Drive> {
        self.world.drive(self.landed.drive)
    }

    fn drive_mut(&mut self) -> Option<&mut Drive> {
        self.world.drive_mut(self.landed.drive)
    }

    fn content(&self, file: &File) -> Option<Content> {
        self.drive()?.item(file.item)?.content().cloned()
    }

    fn times(&self, file: &File) -> Option<Times> {
        let item = self.drive()?.item(file.item)?;
        Some(Times { created: item.fs_created, modified: item.fs_modified })
    }

    /// Bytes that are new to the world.
    fn fresh_seed(&mut self) -> u64 {
        mix(self.rng.u64(..))
    }

    fn overwrite(&mut self, file: &File, kind: Kind, hand: Hand) -> Option<()> {
        let content = self.content(file)?;
        let len = content.len();
        let bad = match kind {
            Kind::Truncated => Content::of_pieces(content.slice(0, self.rng.u64(1..len))),
            Kind::Flipped => flipped(&content, &mut self.rng)?,
            Kind::SwappedFragments => {
                let second = content.slice(FRAGMENT_UNIT, FRAGMENT_UNIT);
                let (first, rest) = (content.slice(0, FRAGMENT_UNIT), content.slice(2 * FRAGMENT_UNIT, len));
                Content::of_pieces([second, first, rest].concat())
            }
            Kind::OtherFormat => {
                let seed = self.fresh_seed();
                let head = HEADS.iter().find(|head| content.read(0, head.len()) != **head)?;
                let offset = head.len() as u64;
                let rest = Piece::Generated { seed, offset, len: len.checked_sub(offset)? };
                Content::of_pieces(vec![Piece::Literal(Bytes::from_static(head)), rest])
            }
            _ => Content::literal(Vec::new()),
        };
        let (versioned, times) = (self.versioned, self.times(file)?);
        let drive = self.drive_mut()?;
        if versioned {
            drive.replace(file.item, bad, Some(times), hand);
        } else {
            drive.overwrite(file.item, bad, hand);
        }
        Some(())
    }

    /// One bit of what a download serves; nothing else of the file tells.
    fn rot(&mut self, file: &File) -> Option<()> {
        let bad = flipped(&self.content(file)?, &mut self.rng)?;
        let extra = self.drive_mut()?.item_mut(file.item)?.extra_mut();
        extra.served = Some(bad);
        extra.sent = None;
        Some(())
    }

    /// A free place for a name: neither taken now nor where another of the job's files belongs.
    fn free(&mut self, folder: u32, name: &str) -> bool {
        let there = self.drive().is_some_and(|drive| drive.child(folder, name).is_some());
        !there && self.taken.insert((folder, fold(name)))
    }

    fn move_away(&mut self, file: &File, hand: Hand) -> Option<u32> {
        let name = self.drive()?.item(file.item)?.name.to_string();
        let mut others: Vec<u32> = self.landed.folders.clone();
        others.retain(|folder| *folder != file.parent);
        self.rng.shuffle(&mut others);
        let found = others.into_iter().find(|folder| self.free(*folder, &name));
        let folder = match found {
            Some(folder) => folder,
            None => self.folder_beside(file, hand)?,
        };
        self.drive_mut()?.relocate(file.item, folder, &name, hand);
        Some(file.item)
    }

    /// A folder of its own, where the job has no other that would do.
    fn folder_beside(&mut self, file: &File, hand: Hand) -> Option<u32> {
        let drive = self.drive()?;
        let name = drive.item(file.item)?.name.to_string();
        for n in 1..1000 {
            let folder = format!("別の場所 {n}");
            match self.drive()?.child(file.parent, &folder) {
                None => {
                    return Some(self.drive_mut()?.add_folder(
                        file.parent,
                        &folder,
                        Times::both(hand.at),
                        hand,
                    ));
                }
                Some(known) if self.drive()?.item(known)?.is_folder() && self.free(known, &name) => {
                    return Some(known);
                }
                Some(_) => {}
            }
        }
        None
    }

    fn rename(&mut self, file: &File, hand: Hand) -> Option<u32> {
        let (stem, extension) = self.stem(file)?;
        let names = (1..1000).map(|n| format!("{stem}_改名{n}{extension}"));
        let name = names.into_iter().find(|name| self.free(file.parent, name))?;
        self.drive_mut()?.relocate(file.item, file.parent, &name, hand);
        Some(file.item)
    }

    fn double(&mut self, file: &File, hand: Hand) -> Option<u32> {
        let (stem, extension) = self.stem(file)?;
        let brackets = self.rng.bool();
        let name = |n: u32| {
            if brackets { format!("{stem} ({n}){extension}") } else { format!("{stem} {n}{extension}") }
        };
        let name = (1..1000).map(name).find(|name| self.free(file.parent, name))?;
        let (content, times) = (self.content(file)?, self.times(file)?);
        let sent = self.drive()?.item(file.item)?.extra.as_ref().and_then(|extra| extra.sent.clone());
        let drive = self.drive_mut()?;
        let double = drive.add(file.parent, &name, ItemKind::File(content), times, hand);
        if sent.is_some() {
            drive.item_mut(double)?.extra_mut().sent = sent;
        }
        Some(double)
    }

    fn stem(&self, file: &File) -> Option<(String, String)> {
        let name = &*self.drive()?.item(file.item)?.name;
        let (stem, extension) = match name.rfind('.') {
            Some(dot) if dot > 0 => name.split_at(dot),
            _ => (name, ""),
        };
        Some((stem.to_owned(), extension.to_owned()))
    }

    /// Other columns than those that the library has: it comes back to this file alone.
    fn rewrite(&mut self, file: &File) -> Option<()> {
        let at = self.world.seconds();
        let drive = self.drive()?;
        let item = drive.item(file.item)?;
        let mut library = drive.library.as_deref()?.clone();
        library.set("保存期間".to_owned(), "十年".to_owned());
        let content = enriched(&library, &item.name, &item.served()?)?;
        self.drive_mut()?.rewrite(file.item, content, at);
        Some(())
    }

    fn lose_times(&mut self, file: &File, hand: Hand) -> Option<()> {
        let versioned = self.versioned;
        let drive = self.drive_mut()?;
        if versioned {
            drive.set_times(file.item, Times::both(hand.at), hand);
            return Some(());
        }
        let item = drive.item_mut(file.item)?;
        (item.fs_created, item.fs_modified) = (hand.at, hand.at);
        (item.modified, item.by) = (hand.at, hand.who);
        drive.touch(file.item);
        Some(())
    }

    /// Dates a folder as of now, as a copying program does that makes it anew.
    pub(super) fn lose_folder_times(&mut self, folder: u32) -> Option<Damaged> {
        let app = self.world.app();
        let path = relative(self.drive()?, folder, self.landed.depth);
        self.drive_mut()?.set_times(folder, Times::both(app.at), app);
        let (kind, expect, repairable) = Kind::FolderTimesLost.facts();
        let (kind, expect, by) = (kind.to_owned(), expect.to_owned(), self.named(app.who));
        Some(Damaged { path, kind, to: None, by, repairable, expect })
    }

    fn write_again(&mut self, file: &File, hand: Hand) -> Option<()> {
        let (content, times) = (self.content(file)?, self.times(file)?);
        let drive = self.drive_mut()?;
        let sent = drive.item(file.item)?.extra.as_ref().and_then(|extra| extra.sent.clone());
        drive.replace(file.item, content, Some(times), hand);
        drive.item_mut(file.item)?.extra_mut().sent = sent;
        Some(())
    }

    /// What people do; the item to name, where one is now elsewhere or new.
    fn by_person(&mut self, file: &File, kind: Kind, hand: Hand) -> Option<Option<u32>> {
        let seed = self.fresh_seed();
        let extra = self.rng.u64(1..4096);
        match kind {
            Kind::MovedByUser => return self.move_away(file, hand).map(Some),
            Kind::DeletedByUser => self.world.recycle(self.landed.drive, file.item, hand),
            Kind::Edited => {
                let created = self.times(file)?.created;
                let len = self.content(file)?.len() + extra;
                let times = Times { created, modified: hand.at };
                self.drive_mut()?.replace(file.item, Content::Generated { seed, len }, Some(times), hand);
            }
            _ => {
                let name = (1..100_000).map(|n| format!("個人メモ {n}.txt"));
                let name = name.into_iter().find(|name| self.free(file.parent, name))?;
                let content = ItemKind::File(Content::Generated { seed, len: 500 + extra });
                let times = Times::both(hand.at);
                return Some(Some(self.drive_mut()?.add(file.parent, &name, content, times, hand)));
            }
        }
        Some(None)
    }
}

/// The bytes with one bit turned.
fn flipped(content: &Content, rng: &mut Rng) -> Option<Content> {
    let len = content.len();
    let at = rng.u64(..len.max(1));
    let byte = *content.read(at, 1).first()? ^ (1 << rng.u8(..8));
    let middle = vec![Piece::Literal(Bytes::copy_from_slice(&[byte]))];
    Some(Content::of_pieces([content.slice(0, at), middle, content.slice(at + 1, len)].concat()))
}
