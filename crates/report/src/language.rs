//! Texts by key, in one language; whoever asks for a page or a table hands them in.

/// One language: its code and where its texts come from.
#[derive(Clone, Copy)]
pub struct Language<'a> {
    /// `en` or `ja`; stands in the page's `lang`.
    pub code: &'a str,
    /// The text of a key, with `%{name}` where a value goes.
    pub lookup: &'a (dyn Fn(&str) -> String + Sync),
}

impl std::fmt::Debug for Language<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Language({})", self.code)
    }
}

impl Language<'_> {
    pub(crate) fn say(&self, key: &str) -> String {
        (self.lookup)(key)
    }

    /// The text of a key that may have none: then the catalogue gives the key itself back.
    pub(crate) fn known(&self, key: &str) -> Option<String> {
        Some(self.say(key)).filter(|text| !text.ends_with(key))
    }

    /// Fills values in, in one pass: a value that looks like a placeholder stays what it is.
    pub(crate) fn tell(&self, key: &str, values: &[(&str, &str)]) -> String {
        let template = self.say(key);
        let mut text = String::with_capacity(template.len() + 32);
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once("%{") {
            text.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                text.push_str("%{");
                rest = after;
                continue;
            };
            match values.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => text.push_str(value),
                None => text.push_str(name),
            }
            rest = tail;
        }
        text.push_str(rest);
        text
    }

    /// Why a row is as it is: its reason's words, else those of its state.
    pub(crate) fn why(&self, standing: &str, reason: Option<&str>) -> String {
        match reason {
            Some(reason) => self.say(&format!("reason.{reason}")),
            None => self.say(&format!("page.why.{standing}")),
        }
    }

    /// What somebody can do about it.
    pub(crate) fn next(&self, standing: &str, reason: Option<&str>) -> String {
        match reason {
            Some(reason) => self.say(&format!("next.{reason}")),
            None => self.say(&format!("page.next.{standing}")),
        }
    }
}

/// A number with groups: `1,234,567`.
pub(crate) fn group(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment to the minute, UTC: `2026-01-31 12:00`.
pub(crate) fn moment(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_read_as_a_placeholder() {
        let lookup = |_: &str| "%{a} と %{b}、%{c}、%{".to_owned();
        let language = Language { code: "ja", lookup: &lookup };
        assert_eq!(language.tell("x", &[("a", "%{b}"), ("b", "会議")]), "%{b} と 会議、c、%{");
    }
}
