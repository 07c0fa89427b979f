//! The kinds of findings: one closed list, each with the pattern of the reference that it belongs to.

/// What a verify saw that should not be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// A sealed object is recorded and is not there, nor anywhere else it could be.
    Absent,
    /// The recorded object is not there, and lies under another prefix or in another repository.
    WrongPath,
    /// An unsealed path is recorded, and nothing lies there.
    UnsealedPath,
    /// An unsealed path is recorded and a plain file really lies there: everyone who may read can see it.
    Leak,
    /// The object is there, and its name says that it is a file of another post.
    Mispaired,
    /// The object is there, and is not what was proven when it was recorded.
    Changed,
    /// The object is there and could never be shown to hold the file's bytes.
    Unproven,
    /// The recorded text is no URL of a place we know.
    ForeignUrl,
    /// A backup is recorded and the media URLs are lost.
    LostMedia,
    /// A column is no list of strings.
    Malformed,
    /// One URL is recorded twice.
    Doubled,
}

impl Finding {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Absent,
        Self::WrongPath,
        Self::UnsealedPath,
        Self::Leak,
        Self::Mispaired,
        Self::Changed,
        Self::Unproven,
        Self::ForeignUrl,
        Self::LostMedia,
        Self::Malformed,
        Self::Doubled,
    ];

    /// The word in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::WrongPath => "wrong-path",
            Self::UnsealedPath => "unsealed-path",
            Self::Leak => "leak",
            Self::Mispaired => "mispaired",
            Self::Changed => "changed",
            Self::Unproven => "unproven",
            Self::ForeignUrl => "foreign-url",
            Self::LostMedia => "lost-media",
            Self::Malformed => "malformed",
            Self::Doubled => "doubled",
        }
    }

    /// Reads a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|finding| finding.name() == text)
    }

    /// The pattern of the reference, as `--pattern` names it.
    #[must_use]
    pub fn pattern(self) -> &'static str {
        match self {
            Self::Absent | Self::Changed | Self::Unproven => "1",
            Self::WrongPath => "1b",
            Self::UnsealedPath | Self::Leak => "2",
            Self::LostMedia => "3",
            Self::Mispaired => "5",
            Self::Malformed | Self::Doubled | Self::ForeignUrl => "6",
        }
    }

    /// Under which subject it is settled. What was settled about one object holds for no other, nor for another
    /// kind of finding: a file that could never be compared may still be lost one day.
    #[must_use]
    pub(crate) fn settled_as(self, subject: &str, sha256: Option<&str>) -> String {
        match self {
            Self::Changed | Self::Unproven => {
                format!("{subject} {} {}", self.name(), sha256.unwrap_or_default())
            }
            _ => subject.to_owned(),
        }
    }

    /// True for what is wrong with one recorded URL that is not there.
    #[must_use]
    pub fn is_absence(self) -> bool {
        matches!(self, Self::Absent | Self::WrongPath | Self::UnsealedPath)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_there_and_back() {
        for finding in Finding::ALL {
            assert_eq!(Finding::parse(finding.name()), Some(finding));
        }
        assert_eq!(Finding::parse("fine"), None);
    }
}
