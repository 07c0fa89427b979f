//! The closed list of error codes that a person sees, each with a page in `docs/errors.md`.
//!
//! A code is stable for ever: its number is never reused. The texts (title, remedy) stand in the
//! command line's catalogue, so this module holds numbers and names only.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal),* $(,)?) => {
        /// A stable error code, printed as `LF0123`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Code {
            $($(#[$doc])* $name = $number),*
        }

        impl Code {
            /// Every code there is, ascending.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number without its prefix.
            #[must_use]
            pub fn number(self) -> u16 {
                match self { $(Self::$name => $number),* }
            }
        }
    };
}

codes! {
    /// No job of that name stands in the configuration.
    UnknownJob = 101,
    /// The configuration is not well formed or has an unknown key.
    BadConfig = 102,
    /// An environment variable that is needed is not set.
    MissingVariable = 103,
    /// A flag's value makes no sense.
    BadArgument = 104,
    /// The file of users cannot be used.
    BadUserList = 105,
    /// The destination lies inside the source.
    DestinationInsideSource = 106,
    /// The job's source or destination is no longer what it was.
    TargetChanged = 107,
    /// There is no configuration file.
    NoConfig = 108,
    /// An endpoint is neither https nor loopback.
    InsecureEndpoint = 109,
    /// The seal's configuration (`rclone.conf`) cannot be used.
    SealConfig = 110,
    /// The job was closed: its source is gone for good.
    SourceClosed = 111,
    /// The client secret is wrong.
    WrongSecret = 201,
    /// The client secret has expired.
    SecretExpired = 202,
    /// The application is not known in the tenant.
    UnknownApp = 203,
    /// The tenant does not exist.
    UnknownTenant = 204,
    /// The certificate or federated token was not accepted.
    AssertionRejected = 205,
    /// The assertion is outside its validity: clocks differ.
    ClockSkew = 206,
    /// The scope was refused.
    BadScope = 207,
    /// Consent, assignment or conditional access stands in the way.
    NoConsent = 208,
    /// Graph refuses a fresh token.
    TokenRefused = 209,
    /// A permission is missing.
    PermissionMissing = 210,
    /// The certificate file cannot be used.
    BadCertificate = 211,
    /// The login endpoint answered something unexpected.
    LoginFailed = 212,
    /// The Hub refuses the token.
    HubTokenRefused = 213,
    /// The seal's key is not the one that the destination was sealed with.
    WrongSealKey = 214,
    /// The user has no OneDrive.
    NoOneDrive = 301,
    /// The site does not exist.
    SiteNotFound = 302,
    /// The library does not exist.
    LibraryNotFound = 303,
    /// The source folder does not exist.
    SourceNotFound = 304,
    /// The destination path is a file.
    DestinationIsFile = 305,
    /// The destination is full.
    DestinationFull = 306,
    /// The destination is locked or archived.
    DestinationLocked = 307,
    /// The drive is gone.
    DriveGone = 308,
    /// The library asks for columns that an upload cannot fill.
    RequiredColumns = 309,
    /// The repository does not exist, or the token cannot see it.
    RepositoryNotFound = 310,
    /// The token may not write to the repository.
    RepositoryDenied = 311,
    /// The catalogue lacks a table or a column.
    CatalogueShape = 313,
    /// The catalogue's database cannot be opened or used.
    CatalogueUnusable = 321,
    /// The service cannot be reached.
    Unreachable = 401,
    /// The service throttled for too long.
    ThrottledTooLong = 402,
    /// The service answered something unexpected.
    UnexpectedAnswer = 403,
    /// The resolver cannot work.
    ResolverFailed = 404,
    /// Another program has the catalogue's database locked.
    CatalogueBusy = 421,
    /// Another process works on this job.
    JobBusy = 501,
    /// The ledger is damaged.
    LedgerCorrupt = 502,
    /// The ledger was written by a newer program.
    LedgerNewer = 503,
    /// The ledger cannot be reached or opened.
    LedgerUnreachable = 504,
    /// The key of the ledger's secrets is lost.
    LedgerKeyLost = 505,
    /// The lease on the job was lost.
    LeaseLost = 506,
    /// The spool cannot be written.
    SpoolUnusable = 507,
    /// The disk under the spool is full.
    SpoolFull = 508,
    /// The state folder cannot be written.
    StateFolder = 509,
    /// A log file cannot be read.
    LogUnreadable = 601,
    /// A log file has other columns.
    LogColumns = 602,
    /// A log file has an unknown status.
    LogStatus = 603,
    /// A log file has a row that cannot be understood.
    LogRow = 604,
    /// Not everything has made landfall.
    Incomplete = 701,
    /// Two listings of the source disagree.
    AuditDiffers = 702,
    /// The work was interrupted and can go on.
    Interrupted = 703,
    /// A verify found what should not be so.
    Findings = 704,
    /// Looking failed, so that nothing is known.
    CouldNotLook = 705,
    /// The user's database was changed by another program in between, and was left as it is.
    CatalogueConflict = 706,
    /// A defect of Landfall.
    Internal = 901,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LF{:04}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_are_never_shared() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        assert_eq!(Code::UnknownJob.to_string(), "LF0101");
    }
}
