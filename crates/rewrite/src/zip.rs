//! A zip archive read as a judge reads it: every byte belongs to a member or to the directory, and both
//! descriptions of a member agree.
//!
//! Readers of archives are lenient, and each in another way; what one of them shows another may not see. So this
//! one refuses whatever two readers could take differently: doubled names, gaps, overlaps, contradicting headers,
//! bytes before, between and after. Source: PKWARE APPNOTE 6.3.10.

mod directory;
mod member;

pub(crate) use directory::Directory;
pub(crate) use member::Unpacked;
