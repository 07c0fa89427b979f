//! Where `rclone.conf` lies.
//!
//! Owns the order of places. Does not look whether anything is there, and reads no variable itself.
//! Source: order observed with rclone 1.75.2.

use std::path::{Path, PathBuf};

const NAME: &str = "rclone.conf";

/// What the places depend on; the caller finds it out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places<'a> {
    /// A path given by hand (`--config`).
    pub given: Option<&'a Path>,
    /// The folder that the program `rclone` lies in.
    pub program_folder: Option<&'a Path>,
    /// The home folder of the user.
    pub home: Option<&'a Path>,
}

impl Places<'_> {
    /// The places, the first that exists being the one; `lookup` gives variables of the environment. A given
    /// path, or else `RCLONE_CONFIG`, is the only place.
    pub fn paths(&self, lookup: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
        let variable = |name| lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let named = self.given.map(Path::to_path_buf).or_else(|| variable("RCLONE_CONFIG"));
        if let Some(path) = named {
            return vec![path];
        }
        let folder = |path: PathBuf| path.join("rclone").join(NAME);
        let mut paths: Vec<PathBuf> =
            self.program_folder.map(|folder| folder.join(NAME)).into_iter().collect();
        if cfg!(windows) {
            paths.extend(variable("APPDATA").map(folder));
        }
        paths.extend(variable("XDG_CONFIG_HOME").map(folder));
        if let Some(home) = self.home {
            paths.push(folder(home.join(".config")));
            paths.push(home.join(".rclone.conf"));
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_rclone() {
        let places = Places { home: Some(Path::new("/家")), ..Places::default() };
        let none = places.paths(|_| None);
        assert_eq!(none, [Path::new("/家/.config/rclone/rclone.conf"), Path::new("/家/.rclone.conf")]);
        let xdg = places.paths(|name| (name == "XDG_CONFIG_HOME").then(|| "/x".to_owned()));
        assert_eq!(xdg.first().unwrap(), Path::new("/x/rclone/rclone.conf"));
        assert_eq!(xdg.len(), 3);
        let beside = Places { program_folder: Some(Path::new("/opt")), ..places };
        assert_eq!(beside.paths(|_| None).first().unwrap(), Path::new("/opt/rclone.conf"));
    }

    #[test]
    fn a_named_file_is_the_only_place() {
        let set = |name: &str| (name == "RCLONE_CONFIG").then(|| "/e".to_owned());
        assert_eq!(Places::default().paths(set), [Path::new("/e")]);
        let given = Places { given: Some(Path::new("/g")), ..Places::default() };
        assert_eq!(given.paths(set), [Path::new("/g")]);
        let empty = |name: &str| (name == "RCLONE_CONFIG").then(String::new);
        assert!(Places::default().paths(empty).is_empty());
    }
}
