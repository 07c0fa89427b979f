//! `landfall init`: a configuration to begin with, every line explained.

use landfall_core::Code;
use rust_i18n::t;
use serde_json::json;

use crate::args::Init;
use crate::error::{CommandError, Exit};
use crate::wiring::Context;

/// Writes the configuration where none is.
pub(crate) fn init(context: &Context, args: &Init) -> Result<Exit, CommandError> {
    let path = context.config_path();
    let text = template(&args.job);
    if args.dry_run {
        context.screen.line(text.trim_end());
        context
            .screen
            .result(&json!({ "config": path.display().to_string(), "written": false, "text": text }));
        return Ok(Exit::Complete);
    }
    let refuse = |what: String| CommandError::new(Code::BadArgument, format!("{}: {what}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| refuse(error.to_string()))?;
    }
    let created = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    match created.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(refuse("is there already and is not overwritten".to_owned()));
        }
        Err(error) => return Err(refuse(error.to_string())),
    }
    context.screen.line(t!("init.written", path = path.display(), job = args.job));
    context.screen.result(&json!({ "config": path.display().to_string(), "written": true }));
    Ok(Exit::Complete)
}

fn template(job: &str) -> String {
    let quoted = format!("{job:?}");
    let name =
        if job.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) { job } else { &quoted };
    format!(
        r#"# Landfall's configuration. Secrets never stand here: put AZURE_TENANT_ID, AZURE_CLIENT_ID and
# AZURE_CLIENT_SECRET into the environment, or into a file named .env beside this one.

[ledger]
url = "sqlite:landfall.db"              # or postgres://user@host/database

[jobs.{name}]
# Where from. One of: user, drive (an id), site_url (a personal site), users (a CSV file, one user a line).
source      = {{ kind = "onedrive", user = "ada@contoso.com", path = "/Recordings" }}
# Where to. {{user}} in the path stands for the name before the @.
destination = {{ kind = "sharepoint", site = "contoso.sharepoint.com/sites/Archive", library = "Documents", path = "/Voices" }}
# include  = ["*.wav"]                  # rclone's filter words: include, exclude, min_size, max_size, since
# names    = "refuse"                   # or "map": names that cannot land get the nearest one that can
# via      = "stream"                   # or "spool", or "copy" within one tenant
# on_conflict = "keep"                  # or "replace", "rename"

# An archive of posts, sealed and backed up to a dataset of the Hugging Face Hub (HF_TOKEN in .env):
# [jobs.tweets]
# source      = {{ kind = "catalogue", database = "sqlite:data/eventmonitor.db", tables = ["all_tweets", "log_only_tweets"], roots = {{ images = "images", videos = "videos" }} }}
# seal        = {{ kind = "rclone-crypt", config = "rclone.conf", remote = "secret" }}
# destination = {{ kind = "huggingface", repo = "datasets/me/EventMonitor" }}

# [quota]
# licences = 1000                       # how many licences the tenant has: decides the pace
"#
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_init_writes_is_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("landfall.toml");
        for job in ["voices", "録音"] {
            std::fs::write(&path, super::template(job)).unwrap();
            let config = crate::config::Config::load(&path).unwrap();
            assert_eq!(config.job(job).unwrap().path, "Voices");
        }
        let archive: Vec<String> = super::template("voices")
            .lines()
            .skip_while(|line| *line != "# [jobs.tweets]")
            .take(4)
            .map(|line| line.trim_start_matches("# ").to_owned())
            .collect();
        std::fs::write(&path, archive.join("\n")).unwrap();
        assert!(crate::config::Config::load(&path).unwrap().job("tweets").unwrap().seal.is_some());
    }
}
