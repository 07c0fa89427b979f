//! What comes first: the verdict, what was asked, and whether this is all there was.

use super::markup::unseen;
use super::{Page, plot};
use crate::language::{group, moment};
use landfall_core::ByteSize;

const STYLE: &str = include_str!("style.css");
/// Sources that are named; the section by source has more.
const SOURCES: usize = 10;

impl Page<'_> {
    pub(super) fn head(&mut self) {
        self.html.raw(match self.language.code {
            "ja" => "<!DOCTYPE html>\n<html lang=\"ja\">\n",
            _ => "<!DOCTYPE html>\n<html lang=\"en\">\n",
        });
        self.html.raw("<head>\n<meta charset=\"utf-8\">\n");
        self.html.raw("<meta http-equiv=\"Content-Security-Policy\" ");
        self.html.raw("content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
        self.html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        let title = self.tell("page.title", &[("job", &self.report.job)]);
        self.html.element("<title>", &plain(&title), "</title>\n");
        self.html.raw("<style>\n").raw(STYLE).raw("</style>\n</head>\n<body>\n");
    }

    pub(super) fn header(&mut self) {
        let report = self.report;
        let over = self.say("page.over");
        self.html.raw("<header>\n").element("<p class=\"over\">", &over, "</p>\n");
        self.html.raw("<h1>").name(&report.job).raw("</h1>\n");
        let made = self.tell("page.made", &[("time", &moment(report.made_at)), ("program", &report.program)]);
        self.html.element("<p class=\"made\">", &made, "</p>\n</header>\n");
        self.verdict();
    }

    fn verdict(&mut self) {
        let report = self.report;
        let totals = &report.totals;
        let (all, proven) = (group(totals.all.files), group(totals.proven.files));
        let bytes = ByteSize(totals.proven.bytes).to_string();
        let key = match (report.complete, totals.all.files, totals.open.files) {
            (true, ..) => "page.verdict.complete",
            (false, 0, _) => "page.verdict.nothing",
            (false, _, 0) => "page.verdict.but",
            _ => "page.verdict.incomplete",
        };
        let text = self.tell(key, &[("all", &all), ("proven", &proven), ("bytes", &bytes)]);
        self.html.element("<p class=\"verdict\">", &text, "</p>\n");
        let never = totals.skipped.files + totals.unsettled.files;
        let parts = [totals.proven.files, totals.open.files, never];
        plot::whole(&mut self.html, parts);
        self.html.raw("<div class=\"legend\">");
        for ((key, fill), files) in [
            ("page.legend.proven", "#2f4a5f\"/></svg></span>"),
            ("page.legend.open", "#a8541c\"/></svg></span>"),
            ("page.legend.skipped", "#b9bec4\"/></svg></span>"),
        ]
        .into_iter()
        .zip(parts)
        {
            let text = self.tell(key, &[("files", &group(files))]);
            self.html.raw(
                "<span><span class=\"key\"><svg viewBox=\"0 0 1 1\"><rect width=\"1\" height=\"1\" fill=\"",
            );
            self.html.raw(fill).text(&text).raw("</span>");
        }
        self.html.raw("</div>\n");
        self.cautions();
    }

    /// What whoever reads only the first lines must know.
    fn cautions(&mut self) {
        let report = self.report;
        let mut cautions = Vec::new();
        if !report.unreached.is_empty() {
            cautions.push(self.tell("page.unreached", &[("number", &group(report.unreached.len() as u64))]));
        }
        if report.totals.gone_open.files > 0 {
            let number = group(report.totals.gone_open.files);
            cautions.push(self.tell("page.gone_open", &[("number", &number)]));
        }
        let findings: u64 = report.findings.open.values().sum();
        if findings > 0 {
            cautions.push(self.tell("page.open_findings", &[("number", &group(findings))]));
        }
        if report.moving {
            cautions.push(self.say("page.moving"));
        }
        for caution in cautions {
            self.html.raw("<p class=\"attention\">").prose(&caution).raw("</p>\n");
        }
        for source in &report.unreached {
            let html = &mut self.html;
            html.raw("<p class=\"attention\">")
                .name(&source.source)
                .raw(": ")
                .name(&source.why)
                .raw("</p>\n");
        }
    }

    pub(super) fn asked(&mut self) {
        self.heading("page.asked.title");
        let asked = &self.report.asked;
        self.html.raw("<dl>\n");
        let more = asked.sources.len().saturating_sub(SOURCES);
        let shown: Vec<&str> = asked.sources.iter().take(SOURCES).map(String::as_str).collect();
        self.term("page.asked.sources", &shown);
        if more > 0 {
            let text = self.tell("page.asked.more", &[("number", &group(more as u64))]);
            self.html.element("<dt></dt><dd>", &text, "</dd>\n");
        }
        self.term("page.asked.destination", &[&asked.destination]);
        self.term("page.asked.identity", &[&self.report.identity]);
        if asked.filters.is_empty() {
            let text = self.say("page.asked.no_filters");
            self.term("page.asked.filters", &[&text]);
        } else {
            let filters: Vec<&str> = asked.filters.iter().map(String::as_str).collect();
            self.term("page.asked.filters", &filters);
        }
        let no_seal = self.say("page.asked.no_seal");
        self.term("page.asked.seal", &[asked.seal.as_deref().unwrap_or(&no_seal)]);
        let rules: Vec<&str> = asked.rules.iter().map(String::as_str).collect();
        if !rules.is_empty() {
            self.term("page.asked.rules", &rules);
        }
        self.html.raw("</dl>\n");
    }

    fn term(&mut self, key: &str, lines: &[&str]) {
        let text = self.say(key);
        self.html.element("<dt>", &text, "</dt><dd>");
        for (at, line) in lines.iter().filter(|line| !line.is_empty()).enumerate() {
            if at > 0 {
                self.html.raw("<br>");
            }
            self.html.name(line);
        }
        self.html.raw("</dd>\n");
    }

    pub(super) fn audit(&mut self) {
        self.heading("page.audit.title");
        let report = self.report;
        if !report.unreached.is_empty() {
            self.paragraph("page.audit.unreached");
        }
        let Some(audit) = &report.audit else {
            self.told("page.audit.none", &[("job", &report.job)]);
            return;
        };
        let (files, folders) = (group(audit.files), group(audit.folders));
        let bytes = ByteSize(audit.bytes).to_string();
        let ended = moment(audit.at);
        match audit.complete_as_of {
            Some(at) => self.told(
                "page.audit.complete",
                &[("time", &moment(at)), ("files", &files), ("bytes", &bytes), ("folders", &folders)],
            ),
            None if audit.different > 0 => {
                let number = group(audit.different);
                self.told("page.audit.differs", &[("time", &ended), ("number", &number)]);
            }
            None => {
                let number = group(audit.changed_meanwhile);
                self.told("page.audit.changed", &[("time", &ended), ("number", &number)]);
            }
        }
        self.html.raw("<ol>");
        for key in ["page.audit.first", "page.audit.second"] {
            let text = self.say(key);
            self.html.element("<li>", &text, "</li>");
        }
        self.html.raw("</ol>\n");
        if report.totals.outside > 0 {
            self.told("page.audit.outside", &[("files", &group(report.totals.outside))]);
        }
        if let Some(usage) = audit.usage {
            self.told("page.audit.usage", &[("bytes", &ByteSize(usage).to_string())]);
        }
        for difference in &audit.differences {
            self.html.raw("<p class=\"soft\">").name(difference).raw("</p>\n");
        }
        self.paragraph("page.audit.since");
    }

    pub(super) fn words(&mut self) {
        self.heading("page.words.title");
        self.html.raw("<dl>\n");
        for word in ["proven", "open", "skipped", "seal", "limits"] {
            let (term, text) =
                (self.say(&format!("page.words.{word}")), self.say(&format!("page.words.{word}_is")));
            self.html.element("<dt>", &term, "</dt>").element("<dd>", &text, "</dd>\n");
        }
        self.html.raw("</dl>\n");
    }

    pub(super) fn footer(&mut self) {
        self.html.raw("<footer>\n");
        let made = self.tell(
            "page.end",
            &[("program", &self.report.program), ("events", &group(self.report.activity.events))],
        );
        self.html.element("<p class=\"made\">", &made, "</p>\n</footer>\n");
    }
}

/// A title cannot hold elements, so what is not seen is left out of it.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !unseen(*c)).collect()
}
