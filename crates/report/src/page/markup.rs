//! Markup that nothing breaks out of: tags are static texts of ours, everything else is escaped.

/// HTML under way.
#[derive(Debug, Default)]
pub(super) struct Html(String);

/// Characters of a name that are shown; the CSV has all.
const LONGEST: usize = 600;

impl Html {
    /// Markup of ours, as it is.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text of anybody.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        text.chars().for_each(|c| self.push(c));
        self
    }

    /// Text of the catalogue's: what stands between backticks is code.
    pub(super) fn prose(&mut self, text: &str) -> &mut Self {
        for (at, part) in text.split('`').enumerate() {
            match at % 2 {
                0 => self.text(part),
                _ => self.element("<code>", part, "</code>"),
            };
        }
        self
    }

    /// Somebody's name for something: kept apart in its direction of writing, cut where it has no end.
    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.raw("<bdi class=\"name\">");
        for (at, c) in name.chars().enumerate() {
            if at == LONGEST {
                self.raw("…");
                break;
            }
            self.push(c);
        }
        self.raw("</bdi>")
    }

    /// A whole number within a drawing.
    pub(super) fn number(&mut self, number: i64) -> &mut Self {
        self.0.push_str(&number.to_string());
        self
    }

    /// An element that holds text; both parts of the tag are ours.
    pub(super) fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.raw(open).text(text).raw(close)
    }

    /// A paragraph.
    pub(super) fn paragraph(&mut self, text: &str) -> &mut Self {
        self.raw("<p>").prose(text).raw("</p>\n")
    }

    /// A cell with a number.
    pub(super) fn figure(&mut self, text: &str) -> &mut Self {
        self.element("<td class=\"n\">", text, "</td>")
    }

    /// Everything.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn push(&mut self, c: char) {
        match c {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            c if unseen(c) => {
                self.0.push_str("<span class=\"unseen\">U+");
                self.0.push_str(&format!("{:04X}", u32::from(c)));
                self.0.push_str("</span>");
            }
            c => self.0.push(c),
        }
    }
}

/// Characters that are not seen and change what is: controls, marks of direction, invisible separators.
pub(super) fn unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'
                | '\u{ffff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_breaks_out_and_what_is_not_seen_is_shown() {
        let mut html = Html::default();
        html.name("<script>alert('会議')</script>&\" \u{202e}gpj.exe\0\n👩‍👩‍👧𠮷");
        assert_eq!(
            html.finish(),
            "<bdi class=\"name\">&lt;script&gt;alert(&#39;会議&#39;)&lt;/script&gt;&amp;&quot; \
             <span class=\"unseen\">U+202E</span>gpj.exe<span class=\"unseen\">U+0000</span>\
             <span class=\"unseen\">U+000A</span>👩‍👩‍👧𠮷</bdi>"
        );
        let mut html = Html::default();
        html.name(&"長".repeat(5000));
        assert!(html.finish().chars().count() < 700);
    }
}
