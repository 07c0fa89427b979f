//! Bad input of the archive's commands: a clear error with its code and exit, and nothing done.

mod configuration;
mod database;
mod hub;
mod keys;
mod resolver;
mod stopped;

use crate::support::{Output, ServedArchive};

#[track_caller]
fn refused(output: &Output, exit: i32, code: &str, words: &str) {
    assert_eq!(output.code, exit, "{}\n{}", output.stdout, output.stderr);
    assert!(output.stderr.contains(code), "{code}: {}", output.stderr);
    assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
}

impl ServedArchive {
    /// A verify with one thing of the simulator's own configuration said otherwise.
    #[track_caller]
    fn verify_with(&self, from: &str, to: &str) -> Output {
        assert!(self.toml.contains(from), "{from}");
        self.bench.write("landfall.toml", &self.toml.replace(from, to));
        self.bench.landfall(&["verify", "tweets"])
    }

    /// Repairs and runs until nothing is open, then holds all of it against the answers.
    #[track_caller]
    fn settles(&self) {
        for command in [&["repair", "tweets", "--remove-leaks", "--json"][..], &["run", "tweets", "--json"]] {
            let output = self.bench.landfall(command);
            assert!(matches!(output.code, 0 | 1), "{command:?}: {}\n{}", output.stdout, output.stderr);
        }
        let last = self.bench.landfall(&["verify", "tweets", "--json"]);
        assert_eq!(last.code, 0, "{}\n{}", last.stdout, last.stderr);
        let check = self.check();
        assert_eq!(check["clean"], true, "{} {}", check["violated"], check["orphans"]);
    }
}
