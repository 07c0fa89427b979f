//! Against files that minisign 0.11 made (`tests/minisign`); the program itself is asked in `tests/programs.rs`.

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::*;

const PUBLIC: &str = include_str!("../../tests/minisign/public.pub");
const PLAIN: &str = include_str!("../../tests/minisign/plain.key");
const SIGNATURE: &str = include_str!("../../tests/minisign/signature.minisig");
const LEGACY: &str = include_str!("../../tests/minisign/legacy.minisig");
/// Under the password `pw`, at minisign's own cost: opening it takes a gigabyte.
const PASSWORD: &str = include_str!("../../tests/minisign/password.key");
const PASSWORD_PUBLIC: &str = include_str!("../../tests/minisign/password.pub");
const CONTENT: &[u8] = "上陸\n".as_bytes();
/// As cheap as libsodium goes.
const CHEAP: Cost = Cost { work: 32_768, memory: 16 << 20 };

fn content() -> Prehash {
    Prehash::of(CONTENT).unwrap()
}

fn ours() -> SecretKey {
    SecretKey::from_seed(KeyId(*b"landfall"), &Zeroizing::new([7; 32]))
}

fn signed() -> Signature {
    ours().sign(content(), "署名", "2026-11-22T06:00:00Z\t録音").unwrap()
}

/// Exchanges one text for another that must be there.
fn edit(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1)
}

/// Flips the lowest bit of one byte of the payload on a line, counted from 0.
fn flip(text: &str, line: usize, byte: usize) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut bytes = engine.decode(&lines[line]).unwrap();
    bytes[byte] ^= 1;
    lines[line] = engine.encode(bytes);
    lines.join("\n") + "\n"
}

#[test]
fn files_of_minisign_are_read_and_written_as_they_were() {
    let public = PublicKey::parse(PUBLIC).unwrap();
    assert_eq!(public.id().to_string(), "C25904C454A65BD0");
    assert_eq!(public.to_text(), PUBLIC);
    assert_eq!(PublicKey::parse(&public.line()).unwrap(), public);
    assert_eq!(PublicKey::parse(&PUBLIC.replace('\n', "\r\n")).unwrap(), public);

    let secret = SecretKey::parse(PLAIN, None).unwrap();
    assert_eq!(secret.public(), public);
    assert_eq!(secret.to_text().expose_secret(), PLAIN);

    let signature = Signature::parse(SIGNATURE).unwrap();
    assert_eq!(signature.to_text(), SIGNATURE);
    assert_eq!(signature.verify(&public, content()).unwrap(), "録音 1 件");
    // Ed25519 has no chance in it: the same key, file and comments are the same signature.
    assert_eq!(secret.sign(content(), "署名", "録音 1 件").unwrap().to_text(), SIGNATURE);
}

#[test]
fn a_key_under_minisigns_own_password_opens() {
    let password = SecretString::from("pw");
    let secret = SecretKey::parse(PASSWORD, Some(&password)).unwrap();
    assert_eq!(secret.public(), PublicKey::parse(PASSWORD_PUBLIC).unwrap());
}

#[test]
fn a_password_must_be_there_and_right() {
    let password = SecretString::from("合言葉");
    let text = ours().to_text_under(&password, &[3; 32], CHEAP).unwrap();
    let text = text.expose_secret();
    assert_eq!(SecretKey::parse(text, Some(&password)).unwrap().public(), ours().public());
    assert!(matches!(SecretKey::parse(text, None), Err(MinisignError::PasswordMissing)));
    let wrong = SecretString::from("合言葉 ");
    assert!(matches!(SecretKey::parse(text, Some(&wrong)), Err(MinisignError::PasswordWrong)));
    // The secret half, the id, the checksum, the salt: damage looks like a wrong password.
    for byte in [10, 54, 70, 157] {
        let damaged = flip(text, 1, byte);
        let error = SecretKey::parse(&damaged, Some(&password)).unwrap_err();
        assert!(matches!(error, MinisignError::PasswordWrong), "{byte}: {error}");
    }
    let empty = ours().to_text_under(&SecretString::from(""), &[3; 32], CHEAP);
    assert!(matches!(empty, Err(MinisignError::PasswordEmpty)));
}

#[test]
fn a_hostile_key_file_does_not_choose_what_we_spend() {
    let password = SecretString::from("x");
    for cost in [
        Cost { work: u64::MAX, memory: u64::MAX },
        Cost { work: 1 << 40, memory: 16 << 20 },
        Cost { work: 1 << 40, memory: 1 << 40 },
    ] {
        let error = ours().to_text_under(&password, &[0; 32], cost).unwrap_err();
        assert!(matches!(error, MinisignError::TooCostly), "{cost:?}: {error}");
    }
}

#[test]
fn a_damaged_plain_key_is_refused() {
    for byte in [62, 93, 94, 125] {
        let error = SecretKey::parse(&flip(PLAIN, 1, byte), None).unwrap_err();
        assert!(matches!(error, MinisignError::KeyDamaged), "{byte}: {error}");
    }
    let error = SecretKey::parse(&flip(PLAIN, 1, 150), None).unwrap_err();
    assert!(matches!(error, MinisignError::KeyDamaged), "{error}");
    for byte in [0, 2, 4] {
        let error = SecretKey::parse(&flip(PLAIN, 1, byte), None).unwrap_err();
        assert!(matches!(error, MinisignError::Unreadable { .. }), "{byte}: {error}");
    }
}

#[test]
fn another_file_is_not_the_one_that_was_signed() {
    let key = ours().public();
    assert_eq!(signed().verify(&key, content()).unwrap(), "2026-11-22T06:00:00Z\t録音");
    for other in [&b""[..], "上陸".as_bytes(), "上陸\n\n".as_bytes()] {
        let error = signed().verify(&key, Prehash::of(other).unwrap()).unwrap_err();
        assert!(matches!(error, MinisignError::Content), "{error}");
    }
}

#[test]
fn a_wrong_key_is_named_and_a_key_that_borrows_the_id_does_not_fit() {
    let other = SecretKey::from_seed(KeyId(*b"LANDFALL"), &Zeroizing::new([7; 32])).public();
    let error = signed().verify(&other, content()).unwrap_err();
    assert!(matches!(error, MinisignError::OtherKey { .. }), "{error}");
    let borrowed = SecretKey::from_seed(KeyId(*b"landfall"), &Zeroizing::new([8; 32])).public();
    let error = signed().verify(&borrowed, content()).unwrap_err();
    assert!(matches!(error, MinisignError::Content), "{error}");
}

#[test]
fn a_changed_trusted_comment_is_found_and_an_untrusted_one_is_nobodys_word() {
    let key = ours().public();
    let text = signed().to_text();
    let changed = Signature::parse(&edit(&text, "録音", "録画")).unwrap();
    assert!(matches!(changed.verify(&key, content()), Err(MinisignError::TrustedComment)));
    // The comment of another signature of the same key, with its own second signature.
    let other = ours().sign(Prehash::of(&b"x"[..]).unwrap(), "", "別の注").unwrap().to_text();
    let mixed: Vec<&str> = text.lines().take(2).chain(other.lines().skip(2)).collect();
    let mixed = Signature::parse(&mixed.join("\n")).unwrap();
    assert!(matches!(mixed.verify(&key, content()), Err(MinisignError::TrustedComment)));
    let untrusted = Signature::parse(&edit(&text, "署名", "誰か")).unwrap();
    assert!(untrusted.verify(&key, content()).is_ok());
}

#[test]
fn every_flipped_byte_of_a_signature_is_found() {
    let (key, text) = (ours().public(), signed().to_text());
    for (line, length) in [(1, 74), (3, 64)] {
        for byte in 0..length {
            let flipped = flip(&text, line, byte);
            let checked =
                Signature::parse(&flipped).and_then(|s| s.verify(&key, content()).map(str::to_owned));
            assert!(checked.is_err(), "line {line}, byte {byte}");
        }
    }
}

#[test]
fn what_is_no_signature_or_of_the_legacy_kind_is_told_apart() {
    assert!(matches!(Signature::parse(LEGACY), Err(MinisignError::Legacy)));
    let text = signed().to_text();
    let lines: Vec<&str> = text.lines().collect();
    for count in 0..4 {
        let error = Signature::parse(&lines[..count].join("\n")).unwrap_err();
        assert!(matches!(error, MinisignError::Unreadable { .. }), "{count}: {error}");
    }
    for bad in [
        format!("{text}x\n"),
        text.replace("untrusted comment: ", ""),
        text.replace("\ntrusted", "\nTrusted"),
    ] {
        assert!(matches!(Signature::parse(&bad), Err(MinisignError::Unreadable { .. })), "{bad}");
    }
    for bad in ["", "untrusted comment: x\n", PLAIN, &format!("{PUBLIC}x"), "RWQ="] {
        assert!(matches!(PublicKey::parse(bad), Err(MinisignError::Unreadable { .. })), "{bad}");
    }
}

#[test]
fn a_weak_public_key_is_refused() {
    // The neutral element: signatures under it fit any content.
    let mut point = [0; 32];
    point[0] = 1;
    let line = encode(&[b"Ed".as_slice(), b"landfall", &point].concat());
    assert!(matches!(PublicKey::parse(&line), Err(MinisignError::Unreadable { .. })));
}

#[test]
fn comments_that_minisign_would_not_read_are_refused() {
    let sign = |untrusted: &str, trusted: &str| ours().sign(content(), untrusted, trusted).map(drop);
    for bad in ["a\nb", "a\rb", "\u{1b}[2J", "a\0"] {
        assert!(matches!(sign(bad, ""), Err(MinisignError::CommentRefused { .. })), "{bad:?}");
        assert!(matches!(sign("", bad), Err(MinisignError::CommentRefused { .. })), "{bad:?}");
    }
    assert!(sign(&"a".repeat(UNTRUSTED_LIMIT), &"b".repeat(TRUSTED_LIMIT)).is_ok());
    assert!(sign(&"a".repeat(UNTRUSTED_LIMIT + 1), "").is_err());
    assert!(sign("", &"b".repeat(TRUSTED_LIMIT + 1)).is_err());
}

#[test]
fn a_secret_key_does_not_print() {
    assert_eq!(format!("{:?}", ours()), "SecretKey(6C6C6166646E616C)");
}
