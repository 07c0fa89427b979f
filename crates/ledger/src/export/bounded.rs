//! A list for a report: everything is counted, only the first are kept.

/// How many notices of one kind a report keeps; the rest is only counted.
const KEPT: usize = 1000;

/// Notices about single rows: all counted, the first 1000 kept as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    total: u64,
    first: Vec<String>,
}

impl Noticed {
    /// How many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The first of them, in the order they were met.
    #[must_use]
    pub fn first(&self) -> &[String] {
        &self.first
    }

    pub(super) fn add(&mut self, text: impl FnOnce() -> String) {
        self.total += 1;
        if self.first.len() < KEPT {
            self.first.push(text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_and_the_first_are_kept() {
        let mut noticed = Noticed::default();
        for n in 0..1500 {
            noticed.add(|| format!("行 {n}"));
        }
        assert_eq!((noticed.total(), noticed.first().len()), (1500, 1000));
        assert_eq!(noticed.first()[0], "行 0");
    }
}
