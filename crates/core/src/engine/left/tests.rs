use super::*;
use crate::store::{Audience, Person};

fn grant(id: &str, role: &str) -> Grant {
    Grant {
        id: id.into(),
        audience: Audience::People,
        people: vec![Person { name: "山田 花子".into(), mail: String::new() }],
        role: role.into(),
        link: false,
        expires: None,
        inherited: false,
    }
}

fn left(grants: &[Grant]) -> LeftBehind {
    LeftBehind { grants: grants.to_vec(), ..LeftBehind::default() }
}

fn own(left: &LeftBehind) -> Vec<(&str, &str)> {
    left.own().map(|grant| (grant.id.as_str(), grant.role.as_str())).collect()
}

#[test]
fn a_grant_of_the_nearest_folder_above_is_no_grant_of_the_things_own() {
    let mut above = Above::default();
    above.learn(1, "", &left(&[grant("ada", "owner")]));
    let mut folder = left(&[grant("ada", "owner"), grant("ken", "read")]);
    above.mark(1, parent_of("会議"), &mut folder);
    assert_eq!(own(&folder), [("ken", "read")]);
    above.learn(1, "会議", &folder);

    // Two levels below, another right for the same person, and one more person.
    let mut file =
        left(&[grant("ada", "owner"), grant("ken", "write"), grant("ken", "read"), grant("y", "read")]);
    above.mark(1, Some("会議/2026年/一月"), &mut file);
    assert_eq!(own(&file), [("ken", "write"), ("y", "read")]);
    // Another source has another drive.
    let mut other = left(&[grant("ken", "read")]);
    above.mark(2, Some("会議"), &mut other);
    assert_eq!(own(&other), [("ken", "read")]);
    assert_eq!((parent_of("a/b"), parent_of("a"), parent_of("")), (Some("a"), Some(""), None));
}

fn unknown(kind: ErrorKind) -> Look<LeftBehind> {
    Look::Unknown(StoreError::new(kind, "ask about", "録音.wav", "refused"))
}

#[test]
fn one_refusal_is_unknown_and_an_outage_ends_the_capture_for_now() {
    let fine = || Look::Present(LeftBehind::default());
    assert_eq!(
        give_up(vec![fine(), unknown(ErrorKind::Denied), unknown(ErrorKind::Interrupted)]).unwrap().len(),
        3
    );
    assert!(give_up(Vec::new()).unwrap().is_empty());
    assert!(
        give_up(vec![unknown(ErrorKind::Denied), unknown(ErrorKind::Denied)]).is_ok(),
        "refused for good"
    );
    let outage = give_up(vec![unknown(ErrorKind::Interrupted), unknown(ErrorKind::Throttled)]);
    assert_eq!(outage.unwrap_err().kind, ErrorKind::Interrupted);
    let signed_out =
        StoreError::new(ErrorKind::Unauthenticated, "ask about", "x", "401").with_code(Code::TokenRefused);
    let outcome = give_up(vec![fine(), Look::Unknown(signed_out)]);
    assert_eq!(outcome.unwrap_err().code, Some(Code::TokenRefused));
}
