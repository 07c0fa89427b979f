//! The closed list of reason codes, each explained in `docs/reasons.md`.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// Why a row is as it is: one word of a closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name),*
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word in tables, CSV and JSON.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Reads a word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// Skipped: a shortcut to another drive; its content is not this drive's.
    Shortcut = "shortcut",
    /// Skipped or failed: the service holds it back as infected.
    Malware = "malware",
    /// Skipped: a filter leaves it out.
    Filtered = "filtered",
    /// Skipped: its parent folder was never listed, so it has no path.
    Orphan = "orphan",
    /// Skipped: neither file nor folder (a socket, a device, a symbolic link).
    Special = "special",
    /// Skipped: its name at the source cannot be a path (`..`, a slash, NUL, not Unicode).
    HostileName = "hostile-name",

    /// The destination cannot hold a character of the name.
    NameIllegal = "name-illegal",
    /// The name is reserved at the destination.
    NameReserved = "name-reserved",
    /// The whole path is too long for the destination.
    NameTooLong = "name-too-long",
    /// Another file of the job has the same name by case or composition.
    NameCollision = "name-collision",
    /// The file is larger than the destination takes.
    TooLarge = "too-large",
    /// A file stands where a folder of the path must be.
    FolderIsFile = "folder-is-file",

    /// Present, and waiting for its proof.
    Unproven = "unproven",
    /// Present, and the destination has not published a hash yet.
    HashPending = "hash-pending",
    /// Present, ours, and rewritten by the destination after the upload (Office, PDF, HTML).
    Rewritten = "rewritten",
    /// A different object that is not ours stands at that path.
    DifferentAtDestination = "different-at-destination",
    /// Our own upload, but what the destination holds is not what we sent.
    CorruptAtDestination = "corrupt-at-destination",
    /// The object that was there is gone.
    AbsentAtDestination = "absent-at-destination",
    /// The object that was proven has changed.
    ChangedAtDestination = "changed-at-destination",

    /// What was proven lies under another path of the job's part of the destination, and no person put it there.
    Misplaced = "misplaced",
    /// The same content lies beside it once more, under a name that copying programs make.
    Doubled = "doubled",
    /// A person changed the content.
    Edited = "edited",
    /// A person moved or renamed it.
    MovedByUser = "moved-by-user",
    /// A person deleted it.
    DeletedByUser = "deleted-by-user",
    /// A person's deletion that was accepted: it is not there, and that is as it should be.
    DeletionAccepted = "deletion-accepted",
    /// Gone at the source, and taken to the recycle bin by a mirror.
    Mirrored = "mirrored",
    /// It is there and in no ledger.
    Foreign = "foreign",
    /// It holds the file's bytes and not its times.
    WrongTimes = "wrong-times",
    /// It has more versions than moving it made.
    ExtraVersions = "extra-versions",

    /// The source's bytes changed while they were read.
    SourceChanged = "source-changed",
    /// Renamed or moved at the source after it had landed; it keeps its earlier name at the destination.
    RenamedAtSource = "renamed-at-source",
    /// The source no longer has the file.
    SourceGone = "source-gone",
    /// The source refuses to give the bytes.
    SourceDenied = "source-denied",
    /// The bytes read are not what the source's digest says.
    SourceMismatch = "source-mismatch",
    /// The source's size or digest is false, shown by two equal reads (labelled files).
    SourceContradicted = "source-contradicted",

    /// Our own earlier upload still holds the name; it is waited for.
    UploadReserved = "upload-reserved",
    /// The destination is full.
    DestinationFull = "destination-full",
    /// Somebody has the destination locked.
    Locked = "locked",
    /// The destination refuses the write.
    DestinationDenied = "destination-denied",
    /// The destination refuses the request for good.
    Rejected = "rejected",
    /// The service throttled.
    Throttled = "throttled",
    /// The connection or the service failed.
    Interrupted = "interrupted",
    /// The spool has no room or cannot be written.
    SpoolFailed = "spool-failed",

    /// Skipped for now: the media of the post has not been fetched yet.
    AwaitingMedia = "awaiting-media",
    /// Skipped: the post was deleted or its author is gone.
    PostDeleted = "post-deleted",
    /// Skipped: the post is protected or hidden by age; it is asked for again after some days.
    PostProtected = "post-protected",
    /// Skipped: the media is no longer where it was published, in any size.
    MediaGone = "media-gone",
    /// Skipped: the recorded URL is not one that may be fetched.
    MediaRefused = "media-refused",
    /// Skipped: what the URL gives is no media (a page, a playlist, nothing at all).
    MediaNotMedia = "media-not-media",
    /// Skipped: the media is larger than the limit.
    MediaTooLarge = "media-too-large",
    /// The recorded local file is not there.
    LocalFileMissing = "local-file-missing",
    /// The local file has no bytes.
    LocalFileEmpty = "local-file-empty",
    /// The local file is not what it was when it was recorded.
    LocalFileChanged = "local-file-changed",
    /// More than one local file could be meant; a person has to say which.
    LocalFileAmbiguous = "local-file-ambiguous",
    /// Skipped: a column of the post is no list of texts, so nothing can be said about its media.
    RowUnreadable = "row-unreadable",
    /// The resolver gave no answer yet.
    Unresolved = "unresolved",
    /// The name cannot be sealed so that it comes back as it was.
    NameNotSealable = "name-not-sealable",

    /// Set so by a log file.
    Imported = "imported",
    /// Looking failed; nothing is known.
    Unknown = "unknown",
}

impl Reason {
    /// What a verify may find about a file of the ledger or beside it.
    pub const FINDINGS: [Self; 10] = [
        Self::AbsentAtDestination,
        Self::ChangedAtDestination,
        Self::Misplaced,
        Self::Doubled,
        Self::Edited,
        Self::MovedByUser,
        Self::DeletedByUser,
        Self::Foreign,
        Self::WrongTimes,
        Self::ExtraVersions,
    ];

    /// True for a finding with which the proof itself no longer holds; the others leave it.
    #[must_use]
    pub fn lapses(self) -> bool {
        matches!(
            self,
            Self::AbsentAtDestination
                | Self::ChangedAtDestination
                | Self::Misplaced
                | Self::Edited
                | Self::MovedByUser
                | Self::DeletedByUser
        )
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
