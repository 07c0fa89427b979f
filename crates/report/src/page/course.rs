//! Sizes and kinds, the course over time, runs, verifies and drills, and each source where there are many.

use super::plot::Measure;
use super::{Page, plot};
use crate::language::{group, moment};
use crate::report::{LISTED, Run, SizeClass};
use landfall_core::ByteSize;
use serde_json::Value;

/// Runs that the page shows.
const RUNS: usize = 30;
/// Figures of one summary that are shown.
const FIGURES: usize = 24;
/// Commands that look and move nothing.
const CHECKS: [&str; 2] = ["verify", "drill"];

impl Page<'_> {
    pub(super) fn contents(&mut self) {
        self.heading("page.contents.title");
        let classes = &self.report.sizes;
        let (Some(first), Some(last)) = (
            classes.iter().position(|class| class.figure.files > 0),
            classes.iter().rposition(|class| class.figure.files > 0),
        ) else {
            self.paragraph("page.contents.none");
            return;
        };
        let most = classes.iter().map(|class| class.figure.files).max().unwrap_or_default();
        self.html.raw("<table class=\"short\">");
        self.headings(&["page.contents.size", "page.files", "page.bytes", "page.blank"], 1);
        for (at, class) in classes.iter().enumerate().skip(first).take(last - first + 1) {
            let label = self.size(at.checked_sub(1).and_then(|before| classes.get(before)), class);
            self.html.element("<tr><td class=\"whole\">", &label, "</td>").figure(&group(class.figure.files));
            self.html.figure(&ByteSize(class.figure.bytes).to_string()).raw("<td class=\"bar\">");
            plot::bar(&mut self.html, class.figure.files, most, false);
            self.html.raw("</td></tr>\n");
        }
        self.html.raw("</tbody></table>\n<table class=\"short\">");
        self.headings(&["page.contents.kind", "page.files", "page.bytes", "page.blank"], 1);
        let most = self.report.kinds.iter().map(|kind| kind.figure.files).max().unwrap_or_default();
        for kind in &self.report.kinds {
            self.html.raw("<tr><td>");
            match kind.extension.as_deref() {
                None => {
                    let text = self.say("page.contents.other");
                    self.html.text(&text);
                }
                Some("") => {
                    let text = self.say("page.contents.bare");
                    self.html.text(&text);
                }
                Some(extension) => {
                    self.html.raw(".").name(extension);
                }
            }
            self.html.raw("</td>").figure(&group(kind.figure.files));
            self.html.figure(&ByteSize(kind.figure.bytes).to_string()).raw("<td class=\"bar\">");
            plot::bar(&mut self.html, kind.figure.files, most, false);
            self.html.raw("</td></tr>\n");
        }
        self.html.raw("</tbody></table>\n");
    }

    fn size(&self, before: Option<&SizeClass>, class: &SizeClass) -> String {
        let from = before.and_then(|class| class.below).map(|edge| ByteSize(edge).to_string());
        let to = class.below.map(|edge| ByteSize(edge).to_string());
        match (from, to) {
            (None, _) => self.say("page.contents.empty"),
            (Some(from), Some(to)) => self.tell("page.contents.range", &[("from", &from), ("to", &to)]),
            (Some(from), None) => self.tell("page.contents.above", &[("from", &from)]),
        }
    }

    pub(super) fn course(&mut self) {
        self.heading("page.course.title");
        let activity = &self.report.activity;
        if activity.intervals.is_empty() {
            self.paragraph("page.course.none");
        } else {
            let width = self.width(activity.seconds);
            self.told("page.course.about", &[("width", &width)]);
            self.drawing("page.course.files", Measure::Files);
            self.drawing("page.course.bytes", Measure::Bytes);
            let put_off: u64 = activity.intervals.iter().map(|interval| interval.throttled).sum();
            match put_off {
                0 => self.paragraph("page.course.calm"),
                _ => self.drawing("page.course.throttled", Measure::PutOff),
            }
        }
        self.runs();
    }

    fn drawing(&mut self, key: &str, measure: Measure) {
        let caption = self.say(key);
        self.html.element("<figure><figcaption>", &caption, "</figcaption>");
        plot::course(&mut self.html, &self.report.activity, measure);
        self.html.raw("</figure>\n");
    }

    fn width(&self, seconds: u64) -> String {
        let (number, unit) = match seconds {
            0..60 => (seconds, "seconds"),
            60..3600 => (seconds / 60, "minutes"),
            3600..86_400 => (seconds / 3600, "hours"),
            _ => (seconds / 86_400, "days"),
        };
        self.tell(&format!("page.course.{unit}"), &[("number", &number.to_string())])
    }

    fn runs(&mut self) {
        let moves = |run: &&Run| !CHECKS.contains(&run.command.as_str());
        let runs: Vec<&Run> = self.report.runs.iter().filter(moves).take(RUNS).collect();
        if runs.is_empty() {
            return;
        }
        let title = self.say("page.runs.title");
        self.html.element("<h3>", &title, "</h3>\n<div class=\"wide\"><table>");
        let headings = [
            "page.runs.command",
            "page.runs.began",
            "page.runs.ended",
            "page.files",
            "page.runs.read",
            "page.runs.throttled",
        ];
        self.headings(&headings, 3);
        for run in runs {
            let number = |key: &str| run.summary.get(key).and_then(Value::as_u64);
            let shown = |key: &str| number(key).map_or_else(|| "–".to_owned(), group);
            let ended = run.ended.map_or_else(|| self.say("page.runs.open"), moment);
            self.html.element("<tr><td>", &run.command, "</td>");
            self.html.element("<td class=\"whole\">", &moment(run.started), "</td>");
            self.html.element("<td class=\"whole\">", &ended, "</td>").figure(&shown("files"));
            let read = number("bytes").map_or_else(|| "–".to_owned(), |bytes| ByteSize(bytes).to_string());
            self.html.figure(&read).figure(&shown("throttled")).raw("</tr>\n");
        }
        self.html.raw("</tbody></table></div>\n");
        let about = self.say("page.runs.about");
        self.html.element("<p class=\"note\">", &about, "</p>\n");
    }

    pub(super) fn checks(&mut self) {
        self.heading("page.checks.title");
        let looks = |run: &&Run| CHECKS.contains(&run.command.as_str());
        let checks: Vec<&Run> = self.report.runs.iter().filter(looks).take(RUNS).collect();
        if checks.is_empty() {
            self.told("page.checks.none", &[("job", &self.report.job)]);
            return;
        }
        self.paragraph("page.checks.about");
        self.html.raw("<div class=\"wide\"><table>");
        self.headings(&["page.runs.command", "page.runs.began", "page.runs.ended", "page.checks.found"], 4);
        for run in checks {
            let ended = run.ended.map_or_else(|| self.say("page.runs.open"), moment);
            self.html.element("<tr><td>", &run.command, "</td>");
            self.html.element("<td class=\"whole\">", &moment(run.started), "</td>");
            self.html.element("<td class=\"whole\">", &ended, "</td><td>");
            self.html.name(&said(&run.summary)).raw("</td></tr>\n");
        }
        self.html.raw("</tbody></table></div>\n");
    }

    pub(super) fn sources(&mut self) {
        let sources = &self.report.sources;
        if sources.len() < 2 {
            return;
        }
        self.heading("page.sources.title");
        self.html.raw("<div class=\"wide\"><table>");
        let headings = [
            "page.source",
            "page.files",
            "page.proven_title",
            "page.open_title",
            "page.skipped_title",
            "page.bytes",
        ];
        self.headings(&headings, 1);
        for one in sources.iter().take(LISTED) {
            let open = one.all.files - one.proven.files + one.unsettled;
            self.html.raw("<tr><td>").name(&one.source).raw("</td>").figure(&group(one.all.files));
            self.html.figure(&group(one.proven.files)).figure(&group(open)).figure(&group(one.skipped));
            self.html.figure(&ByteSize(one.all.bytes).to_string()).raw("</tr>\n");
        }
        self.html.raw("</tbody></table></div>\n");
        self.rest(sources.len() as u64, sources.len().min(LISTED));
    }
}

/// The figures of a summary as it gives them: its numbers, and its counts by kind under their name.
fn said(summary: &Value) -> String {
    let Some(map) = summary.as_object() else { return "–".to_owned() };
    let mut parts = Vec::new();
    for (key, value) in map {
        match value {
            Value::Number(number) => parts.push(format!("{key} {number}")),
            Value::Bool(true) => parts.push(key.clone()),
            Value::Object(counts) => {
                let counts: Vec<String> = counts
                    .iter()
                    .filter(|(_, number)| number.as_u64().is_some_and(|number| number > 0))
                    .map(|(kind, number)| format!("{kind} {number}"))
                    .collect();
                if !counts.is_empty() {
                    parts.push(format!("{key} ({})", counts.join(", ")));
                }
            }
            _ => {}
        }
    }
    parts.truncate(FIGURES);
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_shown_as_it_is_given() {
        let summary = serde_json::json!({
            "job": "voices", "checked": 304, "absent": 2, "clean": false, "resumed": true,
            "findings": { "absent": 2, "changed": 0, "moved-by-user": 1 }, "kinds": {},
        });
        assert_eq!(said(&summary), "absent 2, checked 304, findings (absent 2, moved-by-user 1), resumed");
        assert_eq!(said(&Value::Null), "–");
    }
}
