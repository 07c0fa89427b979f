//! Identifiers as OneDrive and SharePoint form them.
//!
//! Owns GUIDs in .NET byte order, drive ids, item ids and site ids (`graph.md`, section 2). Item GUIDs are a
//! reversible function of (drive, index), so that a million items need no index by id. Refuses to know trees.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::content::mix;

/// A GUID, kept in the byte order in which .NET writes it (first three groups little-endian).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Guid([u8; 16]);

/// The GUID of the root item in every business drive and library.
const ROOT: Guid =
    Guid([0xbe, 0xc6, 0x8c, 0xea, 0xdb, 0xff, 0xd7, 0x43, 0x97, 0x6f, 0xbc, 0x7d, 0xa4, 0x45, 0xc6, 0x39]);

const MULTIPLIER: u32 = 0x9e37_79b1;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Guid {
    /// A GUID that is a function of a number; version 4 in form.
    pub(crate) fn derived(seed: u64) -> Self {
        let (a, b) = (mix(seed), mix(seed ^ 0x5bd1_e995_7f4a_7c15));
        let mut bytes = [0; 16];
        for (cell, byte) in bytes.iter_mut().zip(a.to_le_bytes().into_iter().chain(b.to_le_bytes())) {
            *cell = byte;
        }
        bytes[7] = (bytes[7] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// Lower case, with hyphens.
    pub(crate) fn text(self) -> String {
        let b = self.0;
        format!(
            "{:02x}{:02x}{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}",
            b[3],
            b[2],
            b[1],
            b[0],
            b[5],
            b[4],
            b[7],
            b[6],
            b[8],
            b[9],
            b[10],
            b[11],
            b[12],
            b[13],
            b[14],
            b[15]
        )
    }

    /// Upper case, as eTags show it.
    pub(crate) fn upper(self) -> String {
        self.text().to_ascii_uppercase()
    }
}

/// The id space of one drive: its own id and those of its items.
#[derive(Clone, Debug)]
pub(crate) struct IdSpace {
    seed: u64,
    tag: [u8; 4],
}

impl IdSpace {
    pub(crate) fn new(seed: u64) -> Self {
        let [a, b, c, d, ..] = mix(seed ^ 0x7467).to_le_bytes();
        Self { seed, tag: [a, b, c, d] }
    }

    /// `b!` and 48 bytes of three GUIDs.
    pub(crate) fn drive_id(site: Guid, web: Guid, list: Guid) -> String {
        let mut bytes = Vec::with_capacity(48);
        bytes.extend(site.0);
        bytes.extend(web.0);
        bytes.extend(list.0);
        format!("b!{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The `UniqueId` of the item at an index; index 0 is the root.
    pub(crate) fn guid(&self, index: u32) -> Guid {
        if index == 0 {
            return ROOT;
        }
        let mut guid = Guid::derived(self.seed ^ (u64::from(index) << 20));
        let shown = index.wrapping_mul(MULTIPLIER) ^ self.key();
        for (cell, byte) in guid.0.iter_mut().zip(shown.to_le_bytes()) {
            *cell = byte;
        }
        guid
    }

    /// The index of a `UniqueId` of this drive; whether such an item exists is for the caller.
    pub(crate) fn index_of_guid(&self, guid: Guid) -> Option<u32> {
        if guid == ROOT {
            return Some(0);
        }
        let [a, b, c, d, ..] = guid.0;
        let shown = u32::from_le_bytes([a, b, c, d]) ^ self.key();
        let index = shown.wrapping_mul(inverse(MULTIPLIER));
        (self.guid(index) == guid).then_some(index)
    }

    /// `01` and base32 of the drive's tag and the GUID.
    pub(crate) fn item_id(&self, index: u32) -> String {
        let mut bytes = [0u8; 20];
        let guid = self.guid(index);
        for (cell, byte) in bytes.iter_mut().zip(self.tag.into_iter().chain(guid.0)) {
            *cell = byte;
        }
        let mut out = String::with_capacity(34);
        out.push_str("01");
        for group in bytes.chunks_exact(5) {
            let wide = group.iter().fold(0u64, |acc, byte| (acc << 8) | u64::from(*byte));
            for k in (0..8).rev() {
                let digit = usize::try_from((wide >> (5 * k)) & 31).unwrap_or(0);
                out.push(BASE32.get(digit).map_or('A', |b| char::from(*b)));
            }
        }
        out
    }

    /// The index that an item id of this drive stands for.
    pub(crate) fn index_of(&self, id: &str) -> Option<u32> {
        let digits = id.strip_prefix("01").filter(|rest| rest.len() == 32)?;
        let mut bytes = Vec::with_capacity(20);
        for group in digits.as_bytes().chunks_exact(8) {
            let mut wide = 0u64;
            for byte in group {
                let digit = BASE32.iter().position(|b| b == byte)?;
                wide = (wide << 5) | digit as u64;
            }
            let [.., a, b, c, d, e] = wide.to_be_bytes();
            bytes.extend([a, b, c, d, e]);
        }
        let (tag, guid) = bytes.split_first_chunk::<4>()?;
        let guid = Guid(<[u8; 16]>::try_from(guid).ok()?);
        if *tag != self.tag {
            return None;
        }
        self.index_of_guid(guid)
    }

    fn key(&self) -> u32 {
        u32::from_le_bytes(self.tag).rotate_left(7)
    }
}

/// The inverse of an odd number modulo 2^32, by Newton's iteration.
fn inverse(odd: u32) -> u32 {
    let mut x = odd;
    for _ in 0..5 {
        x = x.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(x)));
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_ids_go_there_and_back() {
        let space = IdSpace::new(42);
        for index in [0, 1, 2, 1000, 999_999, u32::MAX - 1] {
            let id = space.item_id(index);
            assert_eq!(id.len(), 34);
            assert_eq!(space.index_of(&id), Some(index));
            assert_eq!(IdSpace::new(43).index_of(&id), None, "another drive knows it not");
        }
    }

    #[test]
    fn every_root_ends_alike() {
        assert!(IdSpace::new(1).item_id(0).ends_with("6Y2GOVW7725BZO354PWSELRRZ"));
        assert_eq!(ROOT.text(), "ea8cc6be-ffdb-43d7-976f-bc7da445c639");
    }

    #[test]
    fn drive_ids_have_sixty_six_characters() {
        let id = IdSpace::drive_id(Guid::derived(1), Guid::derived(2), Guid::derived(3));
        assert_eq!(id.len(), 66);
        assert!(id.starts_with("b!"));
    }

    #[test]
    fn a_forged_id_is_unknown() {
        let space = IdSpace::new(42);
        let id = space.item_id(7);
        let last = if id.ends_with('A') { 'B' } else { 'A' };
        let forged = format!("{}{last}", &id[..33]);
        assert_eq!(space.index_of(&forged), None);
    }
}
