//! What is not proven, what was never moved, which names differ, and what verifies found.

use super::Page;
use crate::language::{group, moment};
use crate::report::{Group, List, Row};
use landfall_core::ByteSize;

impl Page<'_> {
    pub(super) fn open(&mut self) {
        self.heading("page.open.title");
        let groups: Vec<&Group> = self.report.groups.iter().filter(|g| g.standing != "skipped").collect();
        if groups.is_empty() {
            self.paragraph("page.open.none");
            return;
        }
        self.paragraph("page.open.about");
        self.groups(&groups, true);
        self.paragraph("page.open.names");
    }

    pub(super) fn skipped(&mut self) {
        self.heading("page.skipped.title");
        let groups: Vec<&Group> = self.report.groups.iter().filter(|g| g.standing == "skipped").collect();
        if groups.is_empty() {
            self.paragraph("page.skipped.none");
            return;
        }
        self.paragraph("page.skipped.about");
        self.groups(&groups, false);
        self.paragraph("page.skipped.names");
    }

    fn groups(&mut self, groups: &[&Group], states: bool) {
        self.html.raw("<div class=\"wide\"><table>");
        self.headings(&["page.why_title", "page.next_title", "page.files", "page.bytes"], 2);
        for one in groups {
            let reason = one.reason.as_deref();
            let (why, next) =
                (self.language.why(&one.standing, reason), self.language.next(&one.standing, reason));
            self.html.element("<tr><td>", &why, "");
            let word = match (states, reason) {
                (true, Some(reason)) => format!("{}, {reason}", one.standing),
                (true, None) => one.standing.clone(),
                (false, _) => reason.unwrap_or_default().to_owned(),
            };
            self.html.element(" <span class=\"soft state\">(", &word, ")</span></td>");
            self.html.raw("<td>").prose(&next).raw("</td>").figure(&group(one.figure.files));
            self.html.figure(&ByteSize(one.figure.bytes).to_string()).raw("</tr>\n");
        }
        self.html.raw("</tbody></table></div>\n");
    }

    /// The names, after everything that is to be read: they may be hundreds.
    pub(super) fn annexes(&mut self) {
        let report = self.report;
        let all = [report.open.total, report.skipped.total, report.renamed.total, report.findings.list.total];
        if all == [0; 4] && report.left_behind.is_none() {
            return;
        }
        self.html.raw("<div class=\"annexes\">\n");
        if report.open.total > 0 {
            self.annex("page.annex.open");
            self.rows(&report.open);
        }
        if report.skipped.total > 0 {
            self.annex("page.annex.skipped");
            self.rows(&report.skipped);
        }
        if report.renamed.total > 0 {
            self.annex("page.annex.renamed");
            self.names();
        }
        if report.findings.list.total > 0 {
            self.annex("page.annex.findings");
            self.subjects();
        }
        self.left_annexes();
        self.html.raw("</div>\n");
    }

    pub(super) fn annex(&mut self, key: &str) {
        let title = self.say(key);
        self.html.element("<h2>", &title, "</h2>\n");
    }

    fn rows(&mut self, list: &List<Row>) {
        let many = self.report.sources.len() > 1;
        self.html.raw("<div class=\"wide\"><table class=\"names\">");
        self.headings(&["page.file", "page.reason", "page.bytes"], 2);
        for row in &list.first {
            self.html.raw("<tr><td>");
            if many {
                self.html.raw("<span class=\"soft\">").name(&row.source).raw("</span><br>");
            }
            self.html.name(&row.path).raw("</td><td>");
            let word = row.reason.as_deref().unwrap_or(&row.standing);
            self.html.text(word);
            if !row.detail.is_empty() {
                self.html.raw("<br><span class=\"soft\">").name(&row.detail).raw("</span>");
            }
            self.html.raw("</td>").figure(&ByteSize(row.bytes).to_string()).raw("</tr>\n");
        }
        self.html.raw("</tbody></table></div>\n");
        self.rest(list.total, list.first.len());
    }

    pub(super) fn renamed(&mut self) {
        self.heading("page.renamed.title");
        let list = &self.report.renamed;
        if self.report.asked.seal.is_some() {
            self.paragraph("page.renamed.sealed");
        }
        if list.total == 0 {
            self.paragraph("page.renamed.none");
            return;
        }
        self.told("page.renamed.about", &[("files", &group(list.total))]);
    }

    fn names(&mut self) {
        let list = &self.report.renamed;
        self.html.raw("<div class=\"wide\"><table class=\"names pair\">");
        self.headings(&["page.renamed.source", "page.renamed.there"], 2);
        for one in &list.first {
            self.html.raw("<tr><td>").name(&one.path).raw("</td><td>").name(&one.there);
            if one.afterwards {
                let text = self.say("page.renamed.afterwards");
                self.html.element("<br><span class=\"soft\">", &text, "</span>");
            }
            self.html.raw("</td></tr>\n");
        }
        self.html.raw("</tbody></table></div>\n");
        self.rest(list.total, list.first.len());
    }

    pub(super) fn findings(&mut self) {
        self.heading("page.findings.title");
        let found = &self.report.findings;
        if found.open.is_empty() {
            self.paragraph("page.findings.none");
        } else {
            self.told("page.findings.about", &[("job", &self.report.job)]);
            self.html.raw("<table>");
            self.headings(&["page.findings.kind", "page.number"], 1);
            for (word, number) in &found.open {
                self.html.raw("<tr><td>").name(word);
                if let Some(text) = self.language.known(&format!("finding.{word}")) {
                    self.html.element(" <span class=\"soft\">", &text, "</span>");
                }
                self.html.raw("</td>").figure(&group(*number)).raw("</tr>\n");
            }
            self.html.raw("</tbody></table>\n");
        }
        if found.settled > 0 {
            self.told("page.findings.settled", &[("number", &group(found.settled))]);
        }
    }

    fn subjects(&mut self) {
        let list = &self.report.findings.list;
        self.html.raw("<div class=\"wide\"><table class=\"names\">");
        self.headings(&["page.findings.subject", "page.findings.kind", "page.date"], 3);
        for one in &list.first {
            self.html.raw("<tr><td>").name(&one.subject).raw("</td><td>").name(&one.finding);
            if !one.words.is_empty() {
                self.html.raw("<br><span class=\"soft\">").name(&one.words).raw("</span>");
            }
            self.html.element("</td><td class=\"whole\">", &moment(one.at), "</td></tr>\n");
        }
        self.html.raw("</tbody></table></div>\n");
        let (total, shown) = (list.total, list.first.len() as u64);
        if total > shown {
            self.told("page.findings.cut", &[("shown", &group(shown)), ("total", &group(total))]);
        }
    }
}
