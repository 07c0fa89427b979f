//! The accounts whose posts are archived.
//!
//! Owns handles, display names and how often each posts: one account has most of it, as in the wild, the rest follow
//! Zipf. Refuses to know posts.

use fastrand::Rng;

/// An account.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// The handle, which is also the folder on the Hub.
    pub(crate) handle: String,
    /// Free text; the folder of the oldest local files.
    pub(crate) display: String,
}

/// Accounts that are in every archive: case twins, a handle of 15 characters, display names in Japanese, with
/// characters that no folder may have, and with dots at the end.
const KNOWN: &[(&str, &str)] = &[
    ("ixora_mass", "Ixora"),
    ("alice_draws", "Alice"),
    ("Alice_Draws", "Alice (本物)"),
    ("hanako_art", "花子/お絵かき"),
    ("bob_clips", "Bob"),
    ("carol_log", "Carol"),
    ("taro_movie", "太郎の動画: 夏祭り🎆"),
    ("exactly15chars_", "Fifteen..."),
    ("yuki_photo", "雪「写真」"),
    ("dave_99", "Dave"),
];

impl Person {
    /// The folder of the oldest local files. Not sanitised twice: what comes out has no character that is replaced.
    pub(crate) fn folder(&self) -> String {
        let safe = self.display.chars().map(|c| if "<>:\"|?*\\/".contains(c) { '_' } else { c });
        let safe = safe.collect::<String>();
        let trimmed = safe.trim_matches([' ', '.']);
        if trimmed.is_empty() { "unknown".to_owned() } else { trimmed.to_owned() }
    }
}

/// The accounts of an archive of so many files: 10 to 60.
pub(crate) fn people(files: u64) -> Vec<Person> {
    let count = (files / 40).clamp(KNOWN.len() as u64, 60);
    let made = (KNOWN.len() as u64..count).map(|n| (format!("user_{n:03}"), format!("利用者 {n}")));
    let known = KNOWN.iter().map(|(handle, display)| ((*handle).to_owned(), (*display).to_owned()));
    known.chain(made).map(|(handle, display)| Person { handle, display }).collect()
}

/// Draws an account: the first in 60 of 100, the others by Zipf.
pub(crate) fn draw(rng: &mut Rng, count: usize) -> usize {
    if count < 2 || rng.u32(..100) < 60 {
        return 0;
    }
    let total = (1..count).map(|rank| 1.0 / rank_weight(rank)).sum::<f64>();
    let mut left = rng.f64() * total;
    for rank in 1..count {
        left -= 1.0 / rank_weight(rank);
        if left <= 0.0 {
            return rank;
        }
    }
    count - 1
}

fn rank_weight(rank: usize) -> f64 {
    f64::from(u32::try_from(rank).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_of_display_names() {
        let folders = people(5000).iter().map(Person::folder).collect::<Vec<_>>();
        assert!(folders.contains(&"花子_お絵かき".to_owned()));
        assert!(folders.contains(&"Fifteen".to_owned()));
        assert!(folders.contains(&"太郎の動画_ 夏祭り🎆".to_owned()));
        assert_eq!(folders.len(), 60);
    }

    #[test]
    fn the_first_account_has_most_of_it() {
        let mut rng = Rng::with_seed(3);
        let mut counts = [0; 12];
        for _ in 0..10_000 {
            counts[draw(&mut rng, 12)] += 1;
        }
        assert!((5500..6500).contains(&counts[0]), "{counts:?}");
        assert!(counts[1] > counts[5] && counts[11] > 0, "{counts:?}");
    }
}
