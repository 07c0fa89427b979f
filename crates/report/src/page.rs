//! The page: one self-contained HTML document, to be read by somebody who was not there.
//!
//! No script, nothing from the network (a policy in the page forbids both), drawings within the text. Owns
//! the order of what is said; texts come from the language, and every name passes [`markup`].

mod course;
mod front;
mod left;
mod markup;
mod missing;
mod plot;
mod proofs;

use crate::language::{Language, group};
use crate::report::Report;
use markup::Html;

/// A page under way.
struct Page<'a> {
    report: &'a Report,
    language: &'a Language<'a>,
    html: Html,
    section: u64,
}

/// The whole page.
#[must_use]
pub fn page(report: &Report, language: &Language<'_>) -> String {
    let mut page = Page { report, language, html: Html::default(), section: 0 };
    page.head();
    page.header();
    page.asked();
    page.audit();
    page.proven();
    page.open();
    page.skipped();
    page.freshness();
    page.contents();
    page.course();
    page.renamed();
    page.checks();
    page.findings();
    page.left();
    page.sources();
    page.words();
    page.footer();
    page.annexes();
    page.html.raw("</body>\n</html>\n");
    page.html.finish()
}

impl Page<'_> {
    fn say(&self, key: &str) -> String {
        self.language.say(key)
    }

    fn tell(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.language.tell(key, values)
    }

    /// Begins a section.
    fn heading(&mut self, key: &str) {
        self.section += 1;
        let title = format!("{}. {}", self.section, self.say(key));
        self.html.element("<h2>", &title, "</h2>\n");
    }

    fn paragraph(&mut self, key: &str) {
        let text = self.say(key);
        self.html.paragraph(&text);
    }

    fn told(&mut self, key: &str, values: &[(&str, &str)]) {
        let text = self.tell(key, values);
        self.html.paragraph(&text);
    }

    /// A row of headings; those behind the first `texts` stand over numbers.
    fn headings(&mut self, keys: &[&str], texts: usize) {
        self.html.raw("<thead><tr>");
        for (at, key) in keys.iter().enumerate() {
            let text = self.say(key);
            self.html.raw(if at < texts { "<th>" } else { "<th class=\"n\">" }).text(&text).raw("</th>");
        }
        self.html.raw("</tr></thead>\n<tbody>\n");
    }

    /// Says what a list leaves out.
    fn rest(&mut self, total: u64, shown: usize) {
        let shown = shown as u64;
        if total > shown {
            let text = self.tell("page.cut", &[("shown", &group(shown)), ("total", &group(total))]);
            self.html.element("<p class=\"note\">", &text, "</p>\n");
        }
    }
}
