//! A resolver that is a command of the user's: request lines in, answer lines out.
//!
//! Owns starting it (an argument list, no shell; an environment of listed names only), its time, and what
//! an answer is worth: lines in any order, garbage skipped and counted, an id without an answer at the end
//! *unanswered*, whatever the exit status says, for the tools behind such commands exit 0 on failure.
//! Killed or timed out, it takes its children with it. Refuses to know which tool it is.

mod child;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::Clock;

use super::super::{Ask, Price, Resolved, Resolver};
use super::answer::{Line, Says};
use super::gate::Gate;
use super::unaskable;
use child::{Ending, run};

/// Names that are passed on from the environment to every command. Tokens and passwords are not among them.
pub const ENVIRONMENT: &[&str] = &[
    "APPDATA",
    "HOME",
    "LANG",
    "LC_ALL",
    "LOCALAPPDATA",
    "PATH",
    "PATHEXT",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "USERPROFILE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
];

/// What every command is told besides: to report nothing to third parties, to fail rather than to wait
/// for ever where no account is free, to write UTF-8.
// Source: twscrape 0.20.1, read 2026-11 (TWS_TELEMETRY, DO_NOT_TRACK, TWS_RAISE_WHEN_NO_ACCOUNT).
const TOLD: &[(&str, &str)] = &[
    ("DO_NOT_TRACK", "1"),
    ("PYTHONIOENCODING", "utf-8"),
    ("PYTHONUNBUFFERED", "1"),
    ("TWS_RAISE_WHEN_NO_ACCOUNT", "1"),
    ("TWS_TELEMETRY", "0"),
];

/// How a command is run.
#[derive(Clone)]
pub struct CommandConfig {
    /// The program and its arguments; no shell reads them.
    pub argv: Vec<String>,
    /// Where it is run; the current folder where none is given.
    pub folder: Option<PathBuf>,
    /// The environment as the caller has it; only allowed names of it are passed on.
    pub environment: Vec<(String, String)>,
    /// Names passed on besides [`ENVIRONMENT`].
    pub allow: Vec<String>,
    /// Posts for one start of the command.
    pub batch: usize,
    /// Time for one post.
    pub each: Duration,
    /// Time for a start, besides that for its posts.
    pub grace: Duration,
}

impl CommandConfig {
    /// Batches of 50 posts, a minute for each post and one besides.
    #[must_use]
    pub fn new(argv: Vec<String>, environment: Vec<(String, String)>) -> Self {
        Self {
            argv,
            folder: None,
            environment,
            allow: Vec::new(),
            batch: 50,
            each: Duration::from_secs(60),
            grace: Duration::from_secs(60),
        }
    }

    /// The environment that the command gets.
    fn environment(&self) -> Vec<(String, String)> {
        let allowed = |name: &str| {
            ENVIRONMENT.iter().any(|known| known.eq_ignore_ascii_case(name))
                || self.allow.iter().any(|more| more == name)
        };
        let told = |name: &str| TOLD.iter().any(|(known, _)| *known == name);
        self.environment
            .iter()
            .filter(|(name, _)| allowed(name) && !told(name))
            .cloned()
            .chain(TOLD.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .collect()
    }

    fn time(&self, posts: usize) -> Duration {
        self.grace + self.each * u32::try_from(posts).unwrap_or(u32::MAX)
    }
}

impl std::fmt::Debug for CommandConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments and environment may hold secrets.
        f.debug_struct("CommandConfig").field("program", &self.argv.first()).finish_non_exhaustive()
    }
}

/// Asks a command; one start at a time, for what lies behind it has accounts and limits of its own.
#[derive(Debug)]
pub struct CommandResolver {
    config: CommandConfig,
    clock: Arc<dyn Clock>,
    gate: Gate,
    turn: tokio::sync::Mutex<()>,
}

impl CommandResolver {
    /// Makes one; nothing is started until something is asked.
    #[must_use]
    pub fn new(config: CommandConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock, gate: Gate::default(), turn: tokio::sync::Mutex::new(()) }
    }

    /// Starts the command once for these posts and gives what became of each id.
    async fn batch(&self, asks: &[&Ask]) -> BTreeMap<String, Resolved> {
        let mut heard = Heard::expecting(asks);
        let environment = self.config.environment();
        let ending = run(&self.config, environment, self.config.time(asks.len()), &mut heard).await;
        if heard.garbage > 0 {
            tracing::warn!(lines = heard.garbage, "the resolver printed lines that are no answers");
        }
        let now = self.clock.now();
        let mut rest = Resolved::Unanswered;
        match ending {
            Ending::Exited => {}
            Ending::Failed(detail) => tracing::warn!(detail, "the resolver ended badly"),
            Ending::Unstartable(detail) => {
                self.gate.give_up(&detail);
                rest = Resolved::Fatal { detail };
            }
        }
        if let Some(stated) = heard.limited {
            rest = Resolved::RateLimited { until: self.gate.pause(now, stated) };
        }
        if let Some(detail) = heard.fatal {
            self.gate.give_up(&detail);
            rest = Resolved::Fatal { detail };
        }
        asks.iter()
            .map(|ask| {
                let answer = heard.answers.remove(&ask.id).flatten();
                (ask.id.clone(), answer.unwrap_or_else(|| rest.clone()))
            })
            .collect()
    }
}

#[async_trait]
impl Resolver for CommandResolver {
    async fn resolve(&self, asks: &[Ask]) -> Vec<Resolved> {
        let _turn = self.turn.lock().await;
        let mut distinct: Vec<&Ask> = Vec::new();
        for ask in asks {
            if unaskable(ask).is_none() && !distinct.iter().any(|known| known.id == ask.id) {
                distinct.push(ask);
            }
        }
        let mut known = BTreeMap::new();
        for batch in distinct.chunks(self.config.batch.max(1)) {
            match self.gate.closed(self.clock.now()) {
                Some(closed) => known.extend(batch.iter().map(|ask| (ask.id.clone(), closed.clone()))),
                None => known.extend(self.batch(batch).await),
            }
        }
        asks.iter()
            .map(|ask| {
                let answer = unaskable(ask).or_else(|| known.get(&ask.id).cloned());
                answer.unwrap_or(Resolved::Unanswered)
            })
            .collect()
    }

    fn price(&self) -> Option<Price> {
        None
    }
}

/// What a command has said so far.
#[derive(Debug, Default)]
struct Heard {
    /// Every id that was asked for; the first answer counts.
    answers: BTreeMap<String, Option<Resolved>>,
    /// The lines to ask with.
    requests: Vec<String>,
    /// That it must rest; until when, where it says so.
    limited: Option<Option<jiff::Timestamp>>,
    fatal: Option<String>,
    garbage: u64,
}

impl Heard {
    fn expecting(asks: &[&Ask]) -> Self {
        Self {
            answers: asks.iter().map(|ask| (ask.id.clone(), None)).collect(),
            requests: asks.iter().map(|ask| super::answer::request(ask)).collect(),
            ..Self::default()
        }
    }

    /// Takes one line; `None` stands for one that was too long.
    fn take(&mut self, line: Option<&[u8]>) {
        match line.map(<[u8]>::trim_ascii) {
            Some([]) => {}
            Some(line) => match super::answer::read(line) {
                Some(Line::Answer { id, says }) => self.answer(&id, says),
                Some(Line::Fatal(detail)) => {
                    self.fatal.get_or_insert(detail);
                }
                None => self.garbage += 1,
            },
            None => self.garbage += 1,
        }
    }

    fn answer(&mut self, id: &str, says: Says) {
        // An answer about a post that nobody asked for is as good as none.
        let Some(slot) = self.answers.get_mut(id) else {
            self.garbage += 1;
            return;
        };
        match says {
            Says::This(resolved) => {
                slot.get_or_insert(resolved);
            }
            Says::RateLimited(until) => self.limited = self.limited.max(Some(until)),
        }
    }

    /// True where nothing more is to be learned.
    fn is_over(&self) -> bool {
        self.fatal.is_some() || self.answers.values().all(Option::is_some)
    }
}

#[cfg(test)]
mod tests;
