//! The real texts of both languages, read from the files of the command line, so that none is missing.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use landfall_report::Language;

pub(crate) type Lookup = Box<dyn Fn(&str) -> String + Sync + Send>;

const EN: &str = include_str!("../../../cli/locales/en.yml");
const JA: &str = include_str!("../../../cli/locales/ja.yml");

pub(crate) static ENGLISH: LazyLock<Lookup> = LazyLock::new(|| lookup(EN));
pub(crate) static JAPANESE: LazyLock<Lookup> = LazyLock::new(|| lookup(JA));

pub(crate) fn language<'a>(code: &'a str, lookup: &'a LazyLock<Lookup>) -> Language<'a> {
    Language { code, lookup: &***lookup }
}

fn lookup(text: &'static str) -> Lookup {
    let texts = read(text);
    Box::new(move |key| texts.get(key).unwrap_or_else(|| panic!("{key} has no text")).clone())
}

/// Reads what the files use of YAML: nested keys, each text in double quotes on its line.
fn read(text: &str) -> BTreeMap<String, String> {
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut texts = BTreeMap::new();
    for line in text.lines() {
        let Some((key, rest)) = line.trim().split_once(':') else { continue };
        let indent = line.len() - line.trim_start().len();
        path.retain(|(depth, _)| *depth < indent);
        path.push((indent, key));
        if let Some(rest) = rest.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            let key = path.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(".");
            texts.insert(key, rest.replace("\\\"", "\"").replace("\\n", "\n"));
        }
    }
    texts
}

#[test]
fn every_reason_has_a_next_step_in_both_languages() {
    for reason in landfall_core::state::Reason::ALL {
        let key = format!("next.{reason}");
        assert_ne!(ENGLISH(&key), JAPANESE(&key), "{key} is not translated");
    }
}

#[test]
fn both_languages_fill_in_the_same_values() {
    let values = |text: &str| {
        let mut names: Vec<String> =
            text.split("%{").skip(1).map(|part| part.split('}').next().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let (english, japanese) = (read(EN), read(JA));
    for (key, text) in english.iter().filter(|(key, _)| key.starts_with("page.") || key.starts_with("next."))
    {
        assert_eq!(values(text), values(&japanese[key]), "{key}");
    }
}
