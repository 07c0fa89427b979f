//! What stays behind at the sources: sharing, earlier versions, labels, and what of that is not known.

use std::collections::BTreeMap;

use super::Page;
use crate::language::{group, moment};
use crate::left::{Behind, LetIn, audience};

impl<'a> Page<'a> {
    fn behind(&self) -> Option<&'a Behind> {
        self.report.left_behind.as_ref()
    }

    pub(super) fn left(&mut self) {
        let Some(behind) = self.behind() else { return };
        self.heading("page.left.title");
        self.paragraph("page.left.about");
        self.left_when(behind);
        if behind.files + behind.folders == 0 {
            return;
        }
        self.html.raw("<table>");
        self.headings(&["page.left.what", "page.number"], 1);
        let shared = [
            ("page.left.shared_files", behind.shared_files),
            ("page.left.shared_folders", behind.shared_folders),
        ];
        for (key, number) in shared {
            let text = self.say(key);
            self.counted_row(&text, number);
        }
        for (word, number) in &behind.grants {
            let to = self.say(&format!("page.left.{word}"));
            let text = self.tell("page.left.grants", &[("to", &to)]);
            self.counted_row(&text, *number);
        }
        for (key, number) in [("page.left.aged", behind.aged), ("page.left.older", behind.older)] {
            let text = self.say(key);
            self.counted_row(&text, number);
        }
        self.label_rows("page.left.sensitivity", &behind.sensitivity);
        self.label_rows("page.left.retention", &behind.retention);
        self.html.raw("</tbody></table>\n");
        self.left_unknown(behind);
    }

    fn left_when(&mut self, behind: &Behind) {
        let (begun, files, folders) = (moment(behind.begun), group(behind.files), group(behind.folders));
        let values = [("begun", begun.as_str()), ("files", &files), ("folders", &folders)];
        match behind.ended {
            _ if behind.files + behind.folders + behind.unreached_files == 0 => {}
            Some(ended) => {
                let ended = moment(ended);
                self.told("page.left.captured", &[&values[..], &[("ended", &ended)]].concat());
            }
            None => self.told("page.left.cut_off", &values),
        }
        if let Some(at) = behind.repeated {
            self.told("page.left.repeated", &[("time", &moment(at))]);
        }
        if let Some(at) = behind.outdated {
            self.told("page.left.outdated", &[("time", &moment(at))]);
        }
        for (key, labels) in
            [("page.left.silent", &behind.silent), ("page.left.unreached", &behind.unreached)]
        {
            if let Some(first) = labels.first() {
                let (names, number) = (first.clone(), group(labels.len() as u64));
                self.told(key, &[("first", &names), ("number", &number)]);
            }
        }
        if behind.gone > 0 {
            self.told("page.left.gone", &[("number", &group(behind.gone))]);
        }
    }

    fn counted_row(&mut self, text: &str, number: u64) {
        self.html.element("<tr><td>", text, "</td>").figure(&group(number)).raw("</tr>\n");
    }

    fn label_rows(&mut self, key: &str, labels: &BTreeMap<String, u64>) {
        let text = self.say(key);
        for (label, number) in labels {
            self.html.element("<tr><td>", &text, ": ").name(label).raw("</td>");
            self.html.figure(&group(*number)).raw("</tr>\n");
        }
    }

    fn left_unknown(&mut self, behind: &Behind) {
        if behind.unknown == 0 {
            self.paragraph("page.left.all_known");
            return;
        }
        self.told("page.left.unknown", &[("number", &group(behind.unknown))]);
        self.html.raw("<table>");
        self.headings(&["page.left.not_known", "page.number"], 1);
        for (word, number) in &behind.unknown_by {
            let text = self.say(&format!("page.left.aspect.{word}"));
            self.html.element("<tr><td>", &text, "</td>").figure(&group(*number)).raw("</tr>\n");
        }
        self.html.raw("</tbody></table>\n");
    }

    /// The names.
    pub(super) fn left_annexes(&mut self) {
        let Some(behind) = self.behind() else { return };
        if behind.let_in.total > 0 {
            self.annex("page.left.annex.sharing");
            self.begin_names(&["page.file", "page.left.who", "page.left.role"]);
            for one in &behind.let_in.first {
                self.place(&one.source, &one.path, one.folder);
                self.html.raw("</td><td>");
                self.who(one);
                self.html.raw("</td><td>").name(&one.grant.role).raw("</td></tr>\n");
            }
            self.end_names(behind.let_in.total, behind.let_in.first.len());
        }
        if behind.versions.total > 0 {
            self.annex("page.left.annex.versions");
            self.begin_names(&["page.file", "page.left.older"]);
            for one in &behind.versions.first {
                self.place(&one.source, &one.path, false);
                self.html.raw("</td><td>").text(&group(one.older)).raw("</td></tr>\n");
            }
            self.end_names(behind.versions.total, behind.versions.first.len());
        }
        if behind.labels.total > 0 {
            self.annex("page.left.annex.labels");
            self.begin_names(&["page.file", "page.left.sensitivity", "page.left.retention"]);
            for one in &behind.labels.first {
                self.place(&one.source, &one.path, one.folder);
                for label in [&one.sensitivity, &one.retention] {
                    self.html.raw("</td><td>").name(label.as_deref().unwrap_or("–"));
                }
                self.html.raw("</td></tr>\n");
            }
            self.end_names(behind.labels.total, behind.labels.first.len());
        }
        if behind.unasked.total > 0 {
            self.annex("page.left.annex.unknown");
            self.begin_names(&["page.file", "page.left.not_known"]);
            for one in &behind.unasked.first {
                self.place(&one.source, &one.path, one.folder);
                let what = self.say(&format!("page.left.aspect.{}", one.what));
                self.html.element("</td><td>", &what, "<br><span class=\"soft\">").name(&one.why);
                self.html.raw("</span></td></tr>\n");
            }
            self.end_names(behind.unasked.total, behind.unasked.first.len());
        }
    }

    fn begin_names(&mut self, keys: &[&str]) {
        self.html.raw("<div class=\"wide\"><table class=\"names\">");
        self.headings(keys, keys.len());
    }

    fn end_names(&mut self, total: u64, shown: usize) {
        self.html.raw("</tbody></table></div>\n");
        let shown = shown as u64;
        if total > shown {
            self.told("page.left.cut", &[("shown", &group(shown)), ("total", &group(total))]);
        }
    }

    /// Begins a row with a thing's name; a folder's ends in a slash, for what is said of it holds below.
    fn place(&mut self, source: &str, path: &str, folder: bool) {
        self.html.raw("<tr><td>");
        if self.report.sources.len() > 1 {
            self.html.raw("<span class=\"soft\">").name(source).raw("</span><br>");
        }
        self.html.name(path);
        if folder {
            self.html.raw("/");
        }
    }

    fn who(&mut self, one: &LetIn) {
        let grant = &one.grant;
        if grant.people.is_empty() || audience(grant.audience) != "people" {
            let text = self.say(&format!("page.left.{}", audience(grant.audience)));
            self.html.text(&text);
        }
        for (at, person) in grant.people.iter().enumerate() {
            if at > 0 {
                self.html.raw("<br>");
            }
            let name = if person.name.is_empty() { &person.mail } else { &person.name };
            self.html.name(name);
            if !person.name.is_empty() && !person.mail.is_empty() {
                self.html.raw(" <span class=\"soft\">").name(&person.mail).raw("</span>");
            }
        }
        let how = self.say(if grant.link { "page.left.link" } else { "page.left.direct" });
        self.html.element("<br><span class=\"soft\">", &how, "");
        if let Some(at) = grant.expires {
            let until = self.tell("page.left.until", &[("time", &moment(at))]);
            self.html.raw(", ").text(&until);
        }
        self.html.raw("</span>");
    }
}
