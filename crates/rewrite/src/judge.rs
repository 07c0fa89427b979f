//! The judgement: what of the original must be there unchanged, and what may differ.

use std::collections::BTreeMap;

use crate::error::{Reason, RewriteError, Side, differs, entries, refused};
use crate::format::Format;
use crate::hash::Mark;
use crate::input::{Input, ReadSeek};
use crate::limits::Limits;
use crate::parts::{Body, Change, Entries, How, Part, Parts, Proves, Rewrite, VERSION};
use crate::{frame, html, jpeg, ole, ooxml, pdf, png};

/// Shows that the destination's bytes are the original's, but for parts that the service owns.
///
/// # Errors
/// A refusal with the exact difference, or a failure to read, which says nothing of the file.
pub fn compare(
    format: Format,
    original: &mut dyn ReadSeek,
    destination: &mut dyn ReadSeek,
    limits: &Limits,
) -> Result<Rewrite, RewriteError> {
    compare_parts(&fingerprint(format, original, limits)?, destination, limits)
}

/// Keeps of an original what a later proof needs. It suffices for every format: of archives and compound files it
/// holds each part's name, size and SHA-256, of HTML, JPEG and PNG those of the file without pieces that could be
/// insertions, of PDF the whole file's.
///
/// # Errors
/// A refusal if the original itself is broken, hostile or over the limits, or a failure to read.
pub fn fingerprint(
    format: Format,
    original: &mut dyn ReadSeek,
    limits: &Limits,
) -> Result<Parts, RewriteError> {
    let mut input = Input::new(original, Side::Original)?;
    let whole = input.mark(0, input.len())?;
    let body = body(format, &mut input, limits)?;
    Ok(Parts { version: VERSION, format, whole, body })
}

/// Shows the same as [`compare`] by the original's fingerprint.
///
/// # Errors
/// As [`compare`]; also if the fingerprint is not of this version.
pub fn compare_parts(
    original: &Parts,
    destination: &mut dyn ReadSeek,
    limits: &Limits,
) -> Result<Rewrite, RewriteError> {
    if original.version != VERSION {
        let detail = format!("version {}", original.version);
        return Err(refused(Side::Original, Reason::NotThisFingerprint, "", detail));
    }
    let mut input = Input::new(destination, Side::Destination)?;
    let whole = input.mark(0, input.len())?;
    let mut verdict = Verdict::default();
    let proves = if whole == original.whole {
        verdict.same(&whole);
        Proves::Identical
    } else {
        verdict.judge(original, &mut input, limits)?
    };
    Ok(Rewrite {
        format: original.format,
        proves,
        original: original.whole,
        destination: whole,
        unchanged: verdict.unchanged,
        unchanged_bytes: verdict.bytes,
        changes: verdict.changes,
    })
}

fn body(format: Format, input: &mut Input<'_>, limits: &Limits) -> Result<Body, RewriteError> {
    Ok(match format {
        Format::Ooxml => Body::Members { parts: ooxml::parts(input, limits)? },
        Format::Ole => Body::Members { parts: ole::parts(input, limits)? },
        Format::Jpeg => jpeg::frame(input, limits)?.body(),
        Format::Png => png::frame(input, limits)?.body(),
        Format::Html => html::frames(input, limits)?.swap_remove(0).body(),
        Format::Pdf => {
            pdf::check(input)?;
            Body::Prefix
        }
    })
}

/// What has been seen so far.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) unchanged: u64,
    pub(crate) bytes: u64,
    pub(crate) changes: Vec<Change>,
}

impl Verdict {
    pub(crate) fn same(&mut self, mark: &Mark) {
        self.unchanged += 1;
        self.bytes += mark.size;
    }

    pub(crate) fn change(&mut self, part: &str, how: How, before: Option<Mark>, after: Option<Mark>) {
        self.changes.push(Change { part: part.to_owned(), how, before, after });
    }

    fn judge(
        &mut self,
        original: &Parts,
        input: &mut Input<'_>,
        limits: &Limits,
    ) -> Result<Proves, RewriteError> {
        match (&original.body, original.format) {
            (Body::Members { parts }, Format::Ooxml) => self.members(parts, &ooxml::parts(input, limits)?)?,
            (Body::Members { parts }, Format::Ole) => self.members(parts, &ole::parts(input, limits)?)?,
            (Body::Frame { rest, pieces }, Format::Jpeg | Format::Png | Format::Html) => {
                let frames = match original.format {
                    Format::Jpeg => vec![jpeg::frame(input, limits)?],
                    Format::Png => vec![png::frame(input, limits)?],
                    _ => html::frames(input, limits)?,
                };
                let replaceable = original.format == Format::Html;
                frame::judge(self, rest, pieces, &frames, replaceable)?;
                return Ok(Proves::WholeWithin);
            }
            (Body::Prefix, Format::Pdf) => {
                pdf::judge(self, &original.whole, input, limits)?;
                return Ok(Proves::WholeWithin);
            }
            _ => {
                return Err(refused(Side::Original, Reason::NotThisFingerprint, "", "another format's body"));
            }
        }
        Ok(Proves::EveryPart)
    }

    /// Every part of the original is there; what differs or was added is the service's.
    fn members(&mut self, before: &[Part], after: &[Part]) -> Result<(), RewriteError> {
        let mut there: BTreeMap<&str, &Part> = after.iter().map(|part| (part.name.as_str(), part)).collect();
        for part in before {
            let Some(found) = there.remove(part.name.as_str()) else {
                return Err(differs(Reason::Missing, &part.name, Some(part.mark), None));
            };
            if found.mark == part.mark {
                self.same(&part.mark);
                continue;
            }
            let (one, other) = (Some(part.mark), Some(found.mark));
            match (&part.entries, &found.entries) {
                (Some(old), Some(new)) => {
                    if let Some(detail) = shrunk(old, new) {
                        return Err(entries(&part.name, detail, one, other));
                    }
                }
                _ if part.owned && found.owned => {}
                _ => return Err(differs(Reason::Differs, &part.name, one, other)),
            }
            self.change(&part.name, How::Changed, one, other);
        }
        for part in there.values() {
            // A list of relations that holds nothing but the service's may come with them.
            let list = part.entries.as_ref().is_some_and(|entries| entries.others == 0);
            if !part.owned && !list {
                return Err(differs(Reason::NotOwned, &part.name, None, Some(part.mark)));
            }
            self.change(&part.name, How::Added, None, Some(part.mark));
        }
        Ok(())
    }
}

/// What is wrong between two lists, if anything is: the others must be the same, and none of the service's gone.
fn shrunk(old: &Entries, new: &Entries) -> Option<String> {
    if old.others != new.others {
        return Some(format!("{} entries that the service does not own, {} now", old.others, new.others));
    }
    if old.digest != new.digest {
        return Some("an entry that the service does not own was changed".to_owned());
    }
    let gone = old.owned.iter().find(|entry| new.owned.binary_search(entry).is_err());
    gone.map(|entry| format!("gone or changed: {entry}"))
}
