//! What a check of a manifest says: each step by itself, and in the end what the shell is told.

use std::error::Error as _;
use std::path::Path;

use landfall_core::ByteSize;
use landfall_evidence::manifest::ManifestError;
use rust_i18n::t;
use serde_json::{Value, json};

use super::chain::Walked;
use super::check::{Checked, Compared, Signed};
use super::signature_path;
use crate::error::Exit;
use crate::ui::{self, Screen, count};

/// Lines that are named on a screen; `--json` has the first thousand.
const SHOWN: usize = 20;

/// Shows it all and says how it ends.
pub(super) fn tell(screen: &Screen, file: &Path, checked: &Checked) -> Exit {
    let exit = exit(checked);
    if screen.is_json() {
        screen.result(&object(file, checked, exit));
        return exit;
    }
    match &checked.signature {
        Signed::Unasked => screen.line(match signature_path(file) {
            beside if beside.is_file() => {
                let (beside, file) = (beside.display(), file.display());
                t!("manifest.check.signature_beside", beside = beside, file = file)
            }
            _ => t!("manifest.check.signature_unasked"),
        }),
        Signed::Fits(trusted) => screen.line(t!("manifest.check.signature_fits", trusted = trusted)),
        Signed::Wrong(why) => screen.line(t!("manifest.check.signature_wrong", why = why)),
    }
    match &checked.form {
        Err(error) => screen.line(t!("manifest.check.form_wrong", why = why(error))),
        Ok((header, trailer)) => {
            screen.line(t!(
                "manifest.check.form",
                job = header.job,
                moment = ui::moment(header.moment),
                files = count(trailer.counts.files),
                bytes = ByteSize(trailer.counts.bytes),
                sha256 = count(trailer.counts.sha256)
            ));
            if header.unproven > 0 || header.skipped > 0 {
                let (unproven, skipped) = (count(header.unproven), count(header.skipped));
                screen.line(t!("manifest.left_out", unproven = unproven, skipped = skipped));
            }
            tell_chain(screen, header.chain.seq, checked.chain.as_ref());
        }
    }
    if checked.same_configuration == Some(false) {
        screen.line(t!("manifest.check.configuration"));
    }
    match &checked.compared {
        Some(compared) => tell_lines(screen, compared),
        None if checked.form.is_ok() => screen.line(t!("manifest.check.lines_unasked")),
        None => {}
    }
    exit
}

fn tell_chain(screen: &Screen, covered: u64, chain: Option<&Walked>) {
    let covered = count(covered);
    screen.line(match chain {
        None => t!("manifest.check.chain_unasked"),
        Some(Walked::Holds(head)) => t!("manifest.check.chain", seq = covered, newest = count(head.seq)),
        Some(Walked::Breaks { after, broken }) => {
            t!(
                "manifest.check.chain_broken",
                first = count(after + 1),
                last = count(broken.seq),
                why = broken.why
            )
        }
    });
}

fn tell_lines(screen: &Screen, compared: &Compared) {
    screen.line(t!(
        "manifest.check.lines",
        lines = count(compared.lines),
        held = count(compared.held),
        size = count(compared.same_size),
        lapsed = count(compared.lapsed)
    ));
    for (path, lapse) in compared.named.iter().take(SHOWN) {
        screen.line(format!("  {path}: {}", ui::word(&format!("manifest.lapse.{}", lapse.name()))));
    }
    let more = compared.lapsed.saturating_sub(SHOWN as u64);
    if more > 0 {
        screen.line(t!("manifest.check.more", number = count(more)));
    }
    if compared.newer > 0 {
        screen.line(t!("manifest.check.newer", number = count(compared.newer)));
    }
}

/// Anything that is wrong is a finding; what nobody looked at is none.
fn exit(checked: &Checked) -> Exit {
    let wrong = matches!(checked.signature, Signed::Wrong(_))
        || checked.form.is_err()
        || matches!(checked.chain, Some(Walked::Breaks { .. }))
        || checked.compared.as_ref().is_some_and(|compared| compared.lapsed > 0);
    if wrong { Exit::Findings } else { Exit::Complete }
}

fn why(error: &ManifestError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

fn object(file: &Path, checked: &Checked, exit: Exit) -> Value {
    let (signature, trusted) = match &checked.signature {
        Signed::Unasked => ("unasked", None),
        Signed::Fits(trusted) => ("fits", Some(trusted)),
        Signed::Wrong(why) => ("wrong", Some(why)),
    };
    let chain = checked.chain.as_ref().map(|walked| match walked {
        Walked::Holds(head) => json!({ "holds": true, "events": head.seq }),
        Walked::Breaks { after, broken } => {
            json!({ "holds": false, "from": after + 1, "to": broken.seq, "why": broken.why.to_string() })
        }
    });
    let form = match &checked.form {
        Err(error) => json!({ "holds": false, "line": error.line, "why": why(error) }),
        Ok((header, trailer)) => json!({
            "holds": true,
            "job": header.job,
            "tenant": header.tenant,
            "program": header.program,
            "moment": header.moment.to_string(),
            "files": trailer.counts.files,
            "bytes": trailer.counts.bytes,
            "with_sha256": trailer.counts.sha256,
            "unproven": header.unproven,
            "skipped": header.skipped,
            "head": { "seq": header.chain.seq, "link": header.chain.link.to_string() },
        }),
    };
    let lines = checked.compared.as_ref().map(|compared| {
        let named: Vec<Value> = compared
            .named
            .iter()
            .map(|(path, lapse)| json!({ "path": path, "lapse": lapse.name() }))
            .collect();
        json!({
            "compared": compared.lines,
            "held": compared.held,
            "same_size": compared.same_size,
            "lapsed": compared.lapsed,
            "named": named,
            "newer": compared.newer,
        })
    });
    json!({
        "manifest": file.display().to_string(),
        "signature": signature,
        "signature_says": trusted,
        "signature_beside": signature_path(file).is_file(),
        "form": form,
        "chain": chain,
        "same_configuration": checked.same_configuration,
        "lines": lines,
        "exit": exit.number(),
    })
}
