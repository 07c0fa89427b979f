//! How the files were proven, and when each was proven last, in three senses that are never mixed.

use super::{Page, plot};
use crate::language::{group, moment};
use crate::report::{Age, Ages};
use landfall_core::ByteSize;

impl Page<'_> {
    pub(super) fn proven(&mut self) {
        self.heading("page.proven.title");
        let report = self.report;
        let totals = &report.totals;
        self.told(
            "page.proven.sum",
            &[
                ("proven", &group(totals.proven.files)),
                ("all", &group(totals.all.files)),
                ("bytes", &ByteSize(totals.proven.bytes).to_string()),
            ],
        );
        if let Some(files) = report.legs.get("accepted") {
            self.told("page.proven.accepted", &[("files", &group(*files))]);
        }
        self.counted("page.proven.how", "proof", &["hash", "bytes", "parts", "unknown"], &report.proofs);
        self.paragraph("page.proven.source");
        let legs = ["matched", "unpublished", "contradicted", "accepted", "unknown"];
        self.counted("page.proven.leg", "leg", &legs, &report.legs);
        let ways = ["stream", "spool", "copy", "already_there", "unknown"];
        self.counted("page.proven.way", "way", &ways, &report.ways);
        let key = match totals.with_sha256 == totals.proven.files {
            true => "page.proven.sha256_all",
            false => "page.proven.sha256",
        };
        if totals.proven.files > 0 {
            self.told(key, &[("files", &group(totals.with_sha256))]);
        }
        if totals.gone_landed.files > 0 {
            let bytes = ByteSize(totals.gone_landed.bytes).to_string();
            self.told("page.proven.gone", &[("files", &group(totals.gone_landed.files)), ("bytes", &bytes)]);
        }
    }

    /// A table of words with what each means and how many files there are; rows without files are left out.
    fn counted(
        &mut self,
        heading: &str,
        family: &str,
        words: &[&str],
        counts: &std::collections::BTreeMap<String, u64>,
    ) {
        if counts.is_empty() {
            return;
        }
        self.html.raw("<table>");
        self.headings(&[heading, "page.meaning", "page.files"], 2);
        for word in words {
            let Some(files) = counts.get(*word) else { continue };
            let means = self.say(&format!("page.{family}.{word}"));
            self.html.element("<tr><td>", word, "</td>").element("<td>", &means, "</td>");
            self.html.figure(&group(*files)).raw("</tr>\n");
        }
        self.html.raw("</tbody></table>\n");
    }

    pub(super) fn freshness(&mut self) {
        self.heading("page.fresh.title");
        self.paragraph("page.fresh.about");
        let fresh = &self.report.freshness;
        self.html.raw("<div class=\"ages\">\n");
        for (key, ages) in [
            ("page.fresh.bytes", &fresh.bytes),
            ("page.fresh.hash", &fresh.hash),
            ("page.fresh.unchanged", &fresh.unchanged),
        ] {
            self.ages(key, ages);
        }
        self.html.raw("</div>\n");
        self.paragraph("page.fresh.honest");
    }

    fn ages(&mut self, key: &str, ages: &Ages) {
        let title = self.say(key);
        self.html.element("<div><h3>", &title, "</h3>\n<table><tbody>\n");
        let most = ages.ages.iter().map(|age| age.files).chain([ages.never]).max().unwrap_or_default();
        // Ages that nothing reaches are left out at the old end.
        let kept = ages.ages.iter().rposition(|age| age.files > 0).map_or(1, |at| at + 1);
        for age in ages.ages.iter().take(kept) {
            let label = self.age(age);
            self.age_row(&label, age.files, most, false);
        }
        let never = self.say("page.fresh.never");
        self.age_row(&never, ages.never, most, true);
        self.html.raw("</tbody></table>\n");
        if let (Some(oldest), Some(newest)) = (ages.oldest, ages.newest) {
            let text =
                self.tell("page.fresh.span", &[("oldest", &moment(oldest)), ("newest", &moment(newest))]);
            self.html.element("<p class=\"note\">", &text, "</p>");
        }
        self.html.raw("</div>\n");
    }

    fn age(&self, age: &Age) -> String {
        match age.below_days {
            Some(1) => self.say("page.fresh.day"),
            Some(days @ 0..365) => self.tell("page.fresh.days", &[("days", &days.to_string())]),
            Some(days) => self.tell("page.fresh.years", &[("years", &(days / 365).to_string())]),
            None => self.say("page.fresh.older"),
        }
    }

    fn age_row(&mut self, label: &str, files: u64, most: u64, never: bool) {
        self.html
            .element("<tr><td class=\"whole\">", label, "</td>")
            .figure(&group(files))
            .raw("<td class=\"bar\">");
        plot::bar(&mut self.html, files, most, never);
        self.html.raw("</td></tr>\n");
    }
}
