use landfall_core::state::Reason;

use rust_i18n::t;

use super::*;

const ERRORS: &str = include_str!("../../../../docs/errors.md");
const REASONS: &str = include_str!("../../../../docs/reasons.md");

#[test]
fn the_gravest_exit_wins_in_the_documented_order() {
    let order = [130, 2, 3, 5, 8, 7, 6, 1, 0];
    let mut exits = [
        Exit::Complete,
        Exit::Usage,
        Exit::Interrupted,
        Exit::Findings,
        Exit::Storage,
        Exit::Credentials,
        Exit::Unknown,
        Exit::Destination,
        Exit::Incomplete,
    ];
    exits.sort();
    exits.reverse();
    assert_eq!(exits.map(|e| i32::from(e.number())), order);
}

#[test]
fn every_code_is_explained_in_both_languages_and_in_the_docs() {
    for code in Code::ALL {
        for part in ["title", "remedy"] {
            let key = format!("code.{code}.{part}");
            let en = t!(&key, locale = "en");
            let ja = t!(&key, locale = "ja");
            assert!(!en.contains("code.LF") && !en.is_empty(), "{key} has no English text");
            assert!(!ja.contains("code.LF") && en != ja, "{key} has no Japanese text");
        }
        assert!(ERRORS.lines().any(|line| line.starts_with(&format!("## {code} "))), "{code} has no section");
    }
    let known: Vec<String> = Code::ALL.iter().map(ToString::to_string).collect();
    for line in ERRORS.lines().filter_map(|line| line.strip_prefix("## LF")) {
        let number = line.split_whitespace().next().unwrap();
        assert!(known.contains(&format!("LF{number}")), "LF{number} is explained and does not exist");
    }
}

#[test]
fn every_reason_is_explained_in_both_languages_and_in_the_docs() {
    for reason in Reason::ALL {
        let key = format!("reason.{reason}");
        let (en, ja) = (t!(&key, locale = "en"), t!(&key, locale = "ja"));
        assert!(!en.contains("reason.") && !ja.contains("reason.") && en != ja, "{key} has no text");
        let heading = format!("### `{reason}`");
        assert!(REASONS.lines().any(|line| line.starts_with(&heading)), "{reason} has no section");
    }
}

#[test]
fn both_languages_have_the_same_keys() {
    let keys = |text: &'static str| -> Vec<String> {
        let mut path: Vec<(usize, String)> = Vec::new();
        let mut found = Vec::new();
        for line in text.lines().filter(|l| !l.trim_start().starts_with('#') && l.contains(':')) {
            let indent = line.len() - line.trim_start().len();
            let Some((key, rest)) = line.trim().split_once(':') else { continue };
            path.retain(|(depth, _)| *depth < indent);
            path.push((indent, key.to_owned()));
            if !rest.trim().is_empty() {
                found.push(path.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join("."));
            }
        }
        found.sort();
        found
    };
    assert_eq!(keys(include_str!("../../locales/en.yml")), keys(include_str!("../../locales/ja.yml")));
}

#[test]
fn codes_lead_to_their_exit() {
    let exit = |code| CommandError::new(code, "x").exit.number();
    assert_eq!(exit(Code::UnknownJob), 2);
    assert_eq!(exit(Code::WrongSecret), 3);
    assert_eq!(exit(Code::DestinationFull), 5);
    assert_eq!(exit(Code::JobBusy), 8);
    assert_eq!(exit(Code::Unreachable), 7);
    assert_eq!(exit(Code::AuditDiffers), 6);
    assert_eq!(exit(Code::LogRow), 2);
    assert_eq!(exit(Code::SealConfig), 2);
    assert_eq!(exit(Code::WrongSealKey), 3);
    assert_eq!(exit(Code::HubTokenRefused), 3);
    assert_eq!(exit(Code::RepositoryDenied), 3);
    assert_eq!(exit(Code::CatalogueShape), 2);
    assert_eq!(exit(Code::CatalogueBusy), 7);
    assert_eq!(exit(Code::Findings), 6);
    assert_eq!(exit(Code::CouldNotLook), 7);
    assert_eq!(exit(Code::CatalogueConflict), 1);
    let bare = StoreError::new(ErrorKind::Full, "upload", "録音.wav", "no space");
    assert_eq!(CommandError::from(bare).code, Code::DestinationFull);
}
