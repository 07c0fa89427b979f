//! The checks of an archive's job: key, database, folders, resolver, token, repository, and whether the key fits.
//!
//! Each is tried where those before it allow. The resolver is started once with nothing to do; nothing is
//! written anywhere.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::Code;
use landfall_core::ledger::Ledger;
use landfall_seal::{CHECK_BYTES, KeyCheck, Remote, check_block};
use landfall_stores::catalogue::Narrowing;
use landfall_stores::hub::{EntryKind, HubApi, RepoInfo, Walk};
use rust_i18n::t;
use tokio::process::Command;

use super::{Chart, Finding};
use crate::config::{CataloguePlace, Config, DatasetPlace, JobConfig, ResolverSpec};
use crate::credentials;
use crate::environment::Environment;
use crate::error::CommandError;
use crate::ui::count;
use crate::wiring::{Graphs, catalogue, hub, resolver, seal, seal_remote};

/// How long a resolver may take to end that is given nothing to do.
const START: Duration = Duration::from_secs(10);
/// Objects that the key is tried on.
const TRIED: usize = 3;
/// Pages of a listing that are looked through for sealed objects.
const PAGES: usize = 5;

/// A job of an archive under examination.
pub(super) struct Patient<'a> {
    pub(super) config: &'a Config,
    pub(super) job: &'a JobConfig,
    pub(super) place: &'a CataloguePlace,
    pub(super) dataset: &'a DatasetPlace,
    pub(super) environment: &'a Environment,
}

impl Patient<'_> {
    /// Carries out all checks.
    pub(super) async fn examine(
        &self,
        chart: &mut Chart<'_>,
        graphs: &mut Graphs,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<(), CommandError> {
        let remote = self.key(chart);
        chart.note("database", self.database().await);
        for folder in [&self.place.roots.images, &self.place.roots.videos] {
            let there = folder.is_dir();
            let shown = folder.display().to_string();
            let missing = || Finding::Worry(t!("doctor.no_folder", path = shown.as_str()).into_owned());
            chart.note("roots", if there { Finding::Fine(shown.clone()) } else { missing() });
        }
        chart.note("resolver", self.resolver().await);
        let api = match hub(self.environment, graphs, ledger).await {
            Ok(api) => api,
            Err(error) => {
                chart.note("token", error.into());
                return Ok(());
            }
        };
        let Some(info) = self.repository(chart, &api).await else { return Ok(()) };
        if let Some(remote) = remote {
            let fits = self.fits(&api, &info, &remote).await;
            chart.note("fits", fits.unwrap_or_else(Finding::from));
        }
        Ok(())
    }

    fn key(&self, chart: &mut Chart<'_>) -> Option<Remote> {
        let spec = self.job.seal.as_ref()?;
        let opened = seal(spec, self.environment)
            .and_then(|_| seal_remote(spec.config.as_deref(), spec.remote.as_deref(), self.environment));
        match opened {
            Ok((path, remote)) => {
                let text = format!("{}, {}: {}", path.display(), remote.name, remote.cipher().options());
                chart.note("seal", Finding::Fine(text));
                Some(remote)
            }
            Err(error) => {
                chart.note("seal", error.into());
                None
            }
        }
    }

    async fn database(&self) -> Finding {
        let state = self.config.state_folder(&self.job.name);
        let opened = catalogue(self.place, Narrowing::default(), state, self.environment).await;
        let counted = match opened {
            Ok(catalogue) => catalogue.counts().await.map_err(CommandError::from),
            Err(error) => return error.into(),
        };
        match counted {
            Ok(tables) => {
                let line = |table: &landfall_stores::catalogue::Counts| {
                    t!(
                        "doctor.table",
                        table = table.table,
                        posts = count(table.posts),
                        backup = count(table.with_backup),
                        backlog = count(table.backlog)
                    )
                    .into_owned()
                };
                let unreadable: u64 = tables.iter().map(|table| table.unreadable).sum();
                let text = tables.iter().map(line).collect::<Vec<_>>().join("; ");
                match unreadable {
                    0 => Finding::Fine(text),
                    rows => {
                        Finding::Worry(format!("{text}; {}", t!("doctor.unreadable", rows = count(rows))))
                    }
                }
            }
            Err(error) => error.into(),
        }
    }

    async fn resolver(&self) -> Finding {
        if let Err(error) = resolver(self.place, self.config, self.environment) {
            return error.into();
        }
        let argv = match &self.place.resolver {
            None => return Finding::Unseen(t!("doctor.no_resolver").into_owned()),
            Some(ResolverSpec::XApi { .. }) => return Finding::Unseen(t!("doctor.x_api").into_owned()),
            Some(ResolverSpec::Command { argv, .. }) => argv,
        };
        let Some((program, arguments)) = argv.split_first() else {
            return Finding::Unseen(t!("doctor.no_resolver").into_owned());
        };
        let failed =
            |what: String| CommandError::new(Code::ResolverFailed, format!("{program}: {what}")).into();
        let started = Command::new(program)
            .args(arguments)
            .current_dir(&self.config.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return failed(error.to_string()),
        };
        match tokio::time::timeout(START, child.wait()).await {
            Ok(Ok(_)) => Finding::Fine(t!("doctor.starts", command = argv.join(" ")).into_owned()),
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => Finding::Worry(t!("doctor.hangs", command = argv.join(" ")).into_owned()),
        }
    }

    /// Token, repository and the right to write; nothing where there is no repository to look into.
    async fn repository(&self, chart: &mut Chart<'_>, api: &HubApi) -> Option<RepoInfo> {
        let repo = &self.dataset.repo;
        let probe = match api.probe(repo).await {
            Ok(probe) => probe,
            Err(error) => {
                chart.note("token", CommandError::from(error).into());
                return None;
            }
        };
        chart.note(
            "token",
            match &probe.account {
                Some(account) => {
                    let role = account.role.as_deref().unwrap_or("-");
                    Finding::Fine(t!("doctor.account", name = account.name, role = role).into_owned())
                }
                None => credentials::no_hub_token().into(),
            },
        );
        chart.note(
            "repository",
            match &probe.repo {
                Some(info) if info.private => {
                    Finding::Fine(t!("doctor.private", repo = repo, head = info.sha).into_owned())
                }
                Some(_) => Finding::Worry(t!("doctor.public", repo = repo).into_owned()),
                None => Finding::Worry(t!("doctor.no_repository", repo = repo).into_owned()),
            },
        );
        chart.note(
            "writing",
            match probe.may_write {
                Some(true) => Finding::Fine(t!("doctor.may_write").into_owned()),
                Some(false) => {
                    CommandError::new(Code::RepositoryDenied, format!("the token may not write to {repo}"))
                        .into()
                }
                None => Finding::Unseen(t!("doctor.fine_grained").into_owned()),
            },
        );
        probe.repo
    }

    /// Tries the key on what the dataset already holds.
    async fn fits(&self, api: &HubApi, info: &RepoInfo, remote: &Remote) -> Result<Finding, CommandError> {
        let repo = &self.dataset.repo;
        let mut walk = Walk::new(api, repo, &info.sha);
        let (mut tried, mut wrong) = (0, 0);
        for _ in 0..PAGES {
            let Some(step) = walk.next().await? else { break };
            // Plain files are known by their extension, and not worth a request.
            let sealed = step.entries.iter().filter(|entry| {
                let name = entry.path.rsplit('/').next().unwrap_or_default();
                entry.kind == EntryKind::File && entry.size > 48 && !name.contains('.')
            });
            for entry in sealed.take(TRIED - tried) {
                let first = api.header(repo, &info.sha, &entry.path, 0..CHECK_BYTES as u64).await?;
                match check_block(remote.cipher(), &first) {
                    KeyCheck::Fits => {
                        return Ok(Finding::Fine(t!("doctor.opens", path = entry.path).into_owned()));
                    }
                    KeyCheck::WrongKey => {
                        tried += 1;
                        wrong += 1;
                    }
                    KeyCheck::NotSealed | KeyCheck::TooShort => {}
                }
            }
            if tried >= TRIED {
                break;
            }
        }
        if wrong == 0 {
            return Ok(Finding::Unseen(t!("doctor.nothing_sealed").into_owned()));
        }
        let detail = format!("{wrong} objects of {repo} do not open with remote {:?}", remote.name);
        Ok(CommandError::new(Code::WrongSealKey, detail).into())
    }
}
