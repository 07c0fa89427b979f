//! The only place that prints: results on standard output, everything else on standard error.
//!
//! On a terminal progress is drawn as bars, elsewhere as plain lines. With `--json` standard output has
//! the final object and nothing else. Texts come from the catalogue; nothing is decided here.

mod progress;
mod summary;
mod table;

pub(crate) use progress::{Gauge, show as show_progress, show_working};
pub(crate) use summary::{
    RunSummary, SourceSummary, complete, departures, proofs, renamed_after_landing, skipped, states, table,
    ways,
};
pub(crate) use table::{Cells, count, moment, span};

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use indicatif::MultiProgress;
use landfall_core::Code;
use rust_i18n::t;

use crate::args::{Global, Json};
use crate::error::{CommandError, Exit};

/// Where things are shown. Clones show at the same place.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    json: bool,
    quiet: bool,
    terminal: bool,
    bars: MultiProgress,
    /// The first thing that standard output would not take.
    refused: Arc<OnceLock<std::io::Error>>,
}

impl Screen {
    /// By the flags and by what standard error is.
    pub(crate) fn new(global: &Global) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            json: global.json == Json::Object,
            quiet: global.quiet,
            terminal,
            bars: MultiProgress::new(),
            refused: Arc::default(),
        }
    }

    /// True where standard error is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// True where progress is wanted at all.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// True where the result is one JSON object.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// The bars, for whoever draws one.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes for the log, above the bars.
    pub(crate) fn log_writer(&self) -> impl Fn() -> LogWriter + Send + Sync + use<> {
        let bars = self.bars.clone();
        move || LogWriter { bars: bars.clone() }
    }

    /// A line of the result for people; not with `--json`.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            self.out(&format!("{}\n", text.as_ref()));
        }
    }

    /// A remark beside the result; not with `--quiet`.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.bars.suspend(|| put(&mut std::io::stderr().lock(), text.as_ref()));
        }
    }

    /// The final object, where `--json` asks for it.
    pub(crate) fn result(&self, value: &serde_json::Value) {
        if self.json {
            self.out(&format!("{value}\n"));
        }
    }

    /// Text as it is, for what other programs read (completions, exports, the simulator's line).
    pub(crate) fn raw(&self, text: &str) {
        self.out(text);
    }

    /// Writes to standard output. A reader that has gone away wants no more; any other failure is kept
    /// for [`Self::refused`], since the result then did not come through.
    fn out(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            // Only the first one counts.
            let _kept = self.refused.set(error);
        }
    }

    /// The error to end with where standard output did not take everything.
    pub(crate) fn refused(&self) -> Option<CommandError> {
        let error = self.refused.get()?;
        Some(CommandError::new(Code::StateFolder, format!("write standard output: {error}")))
    }

    /// An error that ends the command: on standard error for people, and as the final object.
    pub(crate) fn error(&self, error: &CommandError) {
        self.show_error(error);
        self.result(&serde_json::json!({ "error": error.json(), "exit": error.exit.number() }));
    }

    /// An error, only for people.
    pub(crate) fn show_error(&self, error: &CommandError) {
        let text = format!(
            "error[{}]: {}\n  {}\n{} {}\n{} docs/errors.md#{}",
            error.code,
            error.title(),
            error.detail.replace('\n', "\n  "),
            t!("error.next"),
            error.remedy(),
            t!("error.more"),
            error.code.to_string().to_lowercase()
        );
        self.bars.suspend(|| put(&mut std::io::stderr().lock(), &text));
    }

    /// Says that a request to stop was heard.
    pub(crate) fn stopping(&self) {
        let text = t!("progress.stopping");
        self.bars.suspend(|| put(&mut std::io::stderr().lock(), &text));
    }
}

/// The text of a key that is put together, in the user's language.
pub(crate) fn word(key: &str) -> String {
    t!(key).into_owned()
}

/// The same in English, for machines.
pub(crate) fn english(key: &str) -> String {
    t!(key, locale = "en").into_owned()
}

/// Writes a line; a reader that has gone away wants no more.
fn put(out: &mut dyn Write, text: &str) {
    let _gone = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Standard error, above the bars.
#[derive(Debug)]
pub(crate) struct LogWriter {
    bars: MultiProgress,
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bars.suspend(|| std::io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Shows what clap says: help and versions are results, everything else is a mistake in usage.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _gone = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Complete.into() }
}
