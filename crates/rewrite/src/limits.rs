//! How much of a stranger's file is looked at before it is called hostile.

/// Bounds that hold for each of the two files by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members, streams or segments of one file.
    pub members: usize,
    /// Decompressed bytes of one file, all members together.
    pub total: u64,
    /// Decompressed bytes for each compressed one, asked of a member once it has grown past [`Limits::ratio_from`].
    pub ratio: u64,
    /// Bytes up to which a member may be compressed as well as it likes.
    pub ratio_from: u64,
    /// Bytes of what is held in memory as a whole: an archive's directory, a list of relations, a PDF's update.
    pub held: u64,
    /// Bytes of an HTML file, which is held in memory.
    pub text: u64,
}

impl Default for Limits {
    /// Ten thousand members, 16 GiB, 512 to 1 past 16 MiB, 8 MiB held, 32 MiB of HTML.
    fn default() -> Self {
        Self {
            members: 10_000,
            total: 16 << 30,
            // Deflate ends at about 1,030 to 1. Sheets full of one number reach 100 to 1.
            ratio: 512,
            ratio_from: 16 << 20,
            held: 8 << 20,
            text: 32 << 20,
        }
    }
}
