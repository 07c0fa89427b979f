//! A sequence into which pieces may be inserted: with those taken out, the original is back byte for byte.

use crate::error::{Reason, RewriteError, differs};
use crate::hash::{Mark, Marker};
use crate::input::Input;
use crate::judge::Verdict;
use crate::parts::{Body, How, Insertion, Part};

/// A file taken apart: stretches that nobody may touch, and pieces of kinds that a service inserts.
#[derive(Default)]
pub(crate) struct Frame {
    rest: Vec<(&'static str, Marker)>,
    at: u64,
    pub(crate) pieces: Vec<Insertion>,
}

impl Frame {
    /// Adds bytes to the stretch of this name, which begins here unless it is the last one.
    pub(crate) fn feed(&mut self, name: &'static str, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        match self.rest.last_mut() {
            Some((last, marker)) if *last == name => marker.feed(bytes),
            _ => {
                let mut marker = Marker::default();
                marker.feed(bytes);
                self.rest.push((name, marker));
            }
        }
    }

    /// Adds a range of the file.
    pub(crate) fn pass(
        &mut self,
        input: &mut Input<'_>,
        name: &'static str,
        at: u64,
        len: u64,
    ) -> Result<(), RewriteError> {
        input.each(at, len, |piece| {
            self.feed(name, piece);
            Ok(())
        })
    }

    /// Notes a piece of an ownable kind.
    pub(crate) fn piece(&mut self, name: &str, mark: Mark) {
        self.pieces.push(Insertion { at: self.at, name: name.to_owned(), mark });
    }

    pub(crate) fn body(self) -> Body {
        Body::Frame { rest: self.stretches(), pieces: self.pieces.clone() }
    }

    fn stretches(&self) -> Vec<Part> {
        let part = |(name, marker): &(&'static str, Marker)| Part {
            name: (*name).to_owned(),
            mark: marker.clone().mark(),
            owned: false,
            entries: None,
        };
        self.rest.iter().map(part).collect()
    }
}

/// Compares with the first reading of the destination that fits; there are several where it is open how much white
/// space came with a piece. The refusal is that of the first reading.
pub(crate) fn judge(
    verdict: &mut Verdict,
    rest: &[Part],
    pieces: &[Insertion],
    readings: &[Frame],
    replaceable: bool,
) -> Result<(), RewriteError> {
    let fits = readings.iter().find(|frame| difference(rest, &frame.stretches()).is_ok());
    let Some(frame) = fits.or(readings.first()) else { return Ok(()) };
    difference(rest, &frame.stretches())?;
    rest.iter().for_each(|part| verdict.same(&part.mark));
    let mut later = frame.pieces.iter();
    let (mut gone, mut added) = (Vec::new(), Vec::new());
    for piece in pieces {
        // A piece of the original is found again, at its place, behind any number of insertions.
        let mut ahead = later.clone();
        if ahead.any(|other| other == piece) {
            let skipped = later.len() - ahead.len() - 1;
            added.extend(later.by_ref().take(skipped));
            later.next();
            verdict.same(&piece.mark);
        } else {
            gone.push(piece);
        }
    }
    added.extend(later);
    for piece in gone {
        // Only another one of its kind may stand for it, and only where the service replaces its own.
        let other = added.iter().position(|new| replaceable && new.name == piece.name);
        let Some(new) = other.map(|index| added.remove(index)) else {
            return Err(differs(Reason::Missing, &piece.name, Some(piece.mark), None));
        };
        verdict.change(&piece.name, How::Changed, Some(piece.mark), Some(new.mark));
    }
    for piece in added {
        verdict.change(&piece.name, How::Added, None, Some(piece.mark));
    }
    Ok(())
}

/// The first stretch that is not the same.
fn difference(before: &[Part], after: &[Part]) -> Result<(), RewriteError> {
    for (index, part) in before.iter().enumerate() {
        let found = after.get(index).filter(|found| found.name == part.name);
        match found {
            None => return Err(differs(Reason::Missing, &part.name, Some(part.mark), None)),
            Some(found) if found.mark != part.mark => {
                return Err(differs(Reason::Differs, &part.name, Some(part.mark), Some(found.mark)));
            }
            Some(_) => {}
        }
    }
    match after.get(before.len()) {
        Some(extra) => Err(differs(Reason::NotOwned, &extra.name, None, Some(extra.mark))),
        None => Ok(()),
    }
}
