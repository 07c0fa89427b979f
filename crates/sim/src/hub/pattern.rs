//! `.gitattributes` and `.gitignore` as far as uploads ask for them.
//!
//! Owns the matching of paths by git's patterns: `*`, `?`, `**`, a slash that anchors, a slash at the end for
//! folders, `!` that takes back. Refuses to know character classes and nested files of patterns.

/// What a new repository is given. A part of the real list; every pattern in it is in the real one.
pub(crate) const DEFAULT_ATTRIBUTES: &str = "\
*.7z filter=lfs diff=lfs merge=lfs -text
*.arrow filter=lfs diff=lfs merge=lfs -text
*.bin filter=lfs diff=lfs merge=lfs -text
*.gz filter=lfs diff=lfs merge=lfs -text
*.h5 filter=lfs diff=lfs merge=lfs -text
*.npz filter=lfs diff=lfs merge=lfs -text
*.parquet filter=lfs diff=lfs merge=lfs -text
*.pt filter=lfs diff=lfs merge=lfs -text
*.rar filter=lfs diff=lfs merge=lfs -text
*.safetensors filter=lfs diff=lfs merge=lfs -text
*.tar filter=lfs diff=lfs merge=lfs -text
*.zip filter=lfs diff=lfs merge=lfs -text
*.zst filter=lfs diff=lfs merge=lfs -text
*tfevents* filter=lfs diff=lfs merge=lfs -text
# Audio files
*.flac filter=lfs diff=lfs merge=lfs -text
*.mp3 filter=lfs diff=lfs merge=lfs -text
*.ogg filter=lfs diff=lfs merge=lfs -text
*.wav filter=lfs diff=lfs merge=lfs -text
# Image files
*.bmp filter=lfs diff=lfs merge=lfs -text
*.gif filter=lfs diff=lfs merge=lfs -text
*.jpeg filter=lfs diff=lfs merge=lfs -text
*.jpg filter=lfs diff=lfs merge=lfs -text
*.png filter=lfs diff=lfs merge=lfs -text
*.tiff filter=lfs diff=lfs merge=lfs -text
*.webp filter=lfs diff=lfs merge=lfs -text
# Video files
*.mp4 filter=lfs diff=lfs merge=lfs -text
*.webm filter=lfs diff=lfs merge=lfs -text
";

/// Patterns in order; the last one that matches decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns(Vec<(String, bool)>);

impl Patterns {
    /// What LFS keeps, by the text of `.gitattributes`.
    pub(crate) fn attributes(text: &str) -> Self {
        let rules = lines(text).filter_map(|line| {
            let mut words = line.split_whitespace();
            let pattern = words.next()?.to_owned();
            let filters: Vec<&str> =
                words.filter(|word| word.ends_with("filter") || word.starts_with("filter=")).collect();
            Some((pattern, filters.last()? == &"filter=lfs"))
        });
        Self(rules.collect())
    }

    /// What is left out, by the text of `.gitignore`.
    pub(crate) fn ignore(text: &str) -> Self {
        let rules = lines(text).map(|line| match line.strip_prefix('!') {
            Some(taken_back) => (taken_back.to_owned(), false),
            None => (line.to_owned(), true),
        });
        Self(rules.collect())
    }

    /// Whether a path is meant, by itself or by a folder above it.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).collect();
        let mut meant = false;
        for (pattern, verdict) in &self.0 {
            let (pattern, folders_only) =
                pattern.strip_suffix('/').map_or((pattern.as_str(), false), |pattern| (pattern, true));
            let hit = ends.iter().any(|end| {
                let part = path.get(..*end).unwrap_or_default();
                (!folders_only || *end < path.len()) && fits(pattern, part)
            });
            if hit {
                meant = *verdict;
            }
        }
        meant
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A pattern with a slash inside is about the whole path, another one about the name.
fn fits(pattern: &str, path: &str) -> bool {
    if pattern.contains('/') {
        return glob(pattern.trim_start_matches('/').as_bytes(), path.as_bytes());
    }
    glob(pattern.as_bytes(), path.rsplit('/').next().unwrap_or_default().as_bytes())
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', b'/', rest @ ..] => {
            let mut starts = text.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
            glob(rest, text) || starts.any(|at| glob(rest, text.get(at..).unwrap_or_default()))
        }
        [b'*', b'*'] => true,
        [b'*', rest @ ..] => {
            let reach = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=reach).any(|at| glob(rest, text.get(at..).unwrap_or_default()))
        }
        [first, rest @ ..] => match text {
            [byte, text @ ..] => (first == byte || (*first == b'?' && *byte != b'/')) && glob(rest, text),
            [] => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_name_what_lfs_keeps() {
        let patterns = Patterns::attributes(DEFAULT_ATTRIBUTES);
        for path in ["a.zip", "録音/東京.wav", "x/events.out.tfevents.1"] {
            assert!(patterns.matches(path), "{path}");
        }
        for path in ["README.md", "zip", "a.zip.txt", ".gitattributes"] {
            assert!(!patterns.matches(path), "{path}");
        }
        let mine = Patterns::attributes("big/** filter=lfs -text\nbig/small.txt -filter\n*.txt text\n");
        assert!(mine.matches("big/x/録音") && !mine.matches("big/small.txt") && !mine.matches("x/big/y"));
    }

    #[test]
    fn ignored_are_files_by_name_and_everything_below_folders() {
        let patterns = Patterns::ignore("*.tmp\n!keep.tmp\nbuild/\n/top.txt\n**/cache/*.bin\n# comment\n");
        for path in
            ["a.tmp", "x/b.tmp", "build/x", "x/build/y/z", "top.txt", "a/b/cache/1.bin", "cache/2.bin"]
        {
            assert!(patterns.matches(path), "{path}");
        }
        for path in ["keep.tmp", "build", "x/top.txt", "cache/x/3.bin"] {
            assert!(!patterns.matches(path), "{path}");
        }
    }
}
