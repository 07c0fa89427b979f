//! The one error of this crate.
//!
//! Variants are named by what whoever reads them has to do about it. No variant carries a password, a
//! key or plain content; names of files and of remotes do appear.

/// Why something could not be sealed, opened, named or configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The object is shorter than the 32 bytes of a header.
    #[error("object of {bytes} bytes is too short to be sealed: a header alone has 32")]
    TooShort {
        /// Bytes that there were.
        bytes: u64,
    },
    /// The object does not begin as sealed ones do.
    #[error("object does not begin with the mark of a sealed file")]
    NotSealed,
    /// The last block has no content behind its tag: something was cut off.
    #[error("object is cut off: block {block} ends within its first 16 bytes")]
    TruncatedBlock {
        /// Number of the block, from 0.
        block: u64,
    },
    /// A block was altered, cut off, or sealed with another key. Which of them, only another object tells.
    #[error("block {block} does not open: another key, or a damaged or shortened object")]
    Unauthentic {
        /// Number of the block, from 0.
        block: u64,
    },
    /// A nonce was not written as 48 hexadecimal digits.
    #[error("nonce is not 48 hexadecimal digits")]
    NonceUnreadable,
    /// A name that cannot be encoded: empty, with a slash, or too long.
    #[error("name of {bytes} bytes cannot be sealed: {why}")]
    NameRefused {
        /// Bytes of the name.
        bytes: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A name that was not made by this cipher.
    #[error("\"{name}\" is no sealed name: {why}")]
    NameUnreadable {
        /// The name as it was found.
        name: String,
        /// At which step it failed.
        why: &'static str,
    },
    /// `rclone.conf` cannot be understood.
    #[error("rclone configuration is unreadable at line {line}: {why}")]
    ConfigUnreadable {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `rclone.conf` is encrypted and no password was given.
    #[error("rclone configuration is encrypted and RCLONE_CONFIG_PASS is not set")]
    ConfigPasswordMissing,
    /// `rclone.conf` is encrypted with another password.
    #[error("password does not open the encrypted rclone configuration")]
    ConfigPasswordWrong,
    /// `rclone.conf` is encrypted in a way that is not known here.
    #[error("rclone configuration is encrypted in an unknown version \"{version}\"")]
    ConfigVersion {
        /// The first line of the encrypted part.
        version: String,
    },
    /// No remote of that name.
    #[error("rclone configuration has no remote \"{name}\" (it has: {})", list(known))]
    RemoteMissing {
        /// The name that was asked for.
        name: String,
        /// The names that are there.
        known: Vec<String>,
    },
    /// No remote of the type crypt at all.
    #[error("rclone configuration has no remote of the type crypt (it has: {})", list(known))]
    NoCryptRemote {
        /// The names that are there.
        known: Vec<String>,
    },
    /// The remote is of another type.
    #[error("remote \"{name}\" is of the type \"{kind}\", not crypt")]
    RemoteNotCrypt {
        /// Name of the remote.
        name: String,
        /// Its type.
        kind: String,
    },
    /// The remote has no password.
    #[error("remote \"{name}\" has no password")]
    PasswordMissing {
        /// Name of the remote.
        name: String,
    },
    /// The remote's password is the empty text: everybody has that key.
    #[error("remote \"{name}\" has an empty password, which seals nothing")]
    PasswordEmpty {
        /// Name of the remote.
        name: String,
    },
    /// A password stands there in plain, or was damaged.
    #[error("{key} of remote \"{name}\" is not obscured as `rclone obscure` does it")]
    PasswordNotObscured {
        /// Name of the remote.
        name: String,
        /// Key of the value: `password` or `password2`.
        key: &'static str,
    },
    /// An option has a value that rclone does not know.
    #[error("option {key} = \"{value}\" of remote \"{name}\" is not known (use {expected})")]
    OptionInvalid {
        /// Name of the remote.
        name: String,
        /// Key of the option.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A text that is not in the form of `rclone obscure`.
    #[error("text is not obscured as `rclone obscure` does it")]
    NotObscured,
    /// Reading or writing failed.
    #[error("bytes could not be {verb}")]
    Io {
        /// "read" or "written".
        verb: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
