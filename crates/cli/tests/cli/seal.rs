//! `landfall seal` against what rclone 1.75.2 made (crates/seal/tests/vectors, `pattern` contents).

use std::process::Command;

use crate::support::{Bench, Output};

/// A remote with the password that rclone hid.
const POTATO: &str = "[secret]\ntype = crypt\nremote = /x\npassword = IMEUm2sCRswfwtjsQojXl6wPcIn4tw\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("rclone.conf", POTATO);
    bench
}

fn seal(bench: &Bench, words: &[&str]) -> Output {
    let mut args = vec!["seal"];
    args.extend(words);
    args.extend(["--config", "rclone.conf", "--remote", "secret"]);
    bench.landfall(&args)
}

#[test]
fn names_are_those_of_rclone_in_both_directions() {
    let bench = bench();
    for (plain, sealed) in [
        ("1", "9cmn80lns8obm4t3koceogil20"),
        (".hidden", "545pu3tdebb172nih8gkfk8c6c"),
        ("写真 2024-05-01.jpg", "hslfjit6c3i5o4cji50q1fkb5i8vtvb07f5vnj772mll2fjjv3q0"),
    ] {
        assert_eq!(seal(&bench, &["name", plain]).stdout.trim_end(), sealed);
        assert_eq!(seal(&bench, &["name", "--decode", sealed]).stdout.trim_end(), plain);
    }
    let foreign = seal(&bench, &["name", "--decode", "abc"]);
    assert_eq!((foreign.code, foreign.stdout.as_str()), (2, ""), "{}", foreign.stderr);
    assert_eq!(seal(&bench, &["name", "a/b"]).code, 2);
}

#[test]
fn what_is_sealed_opens_to_the_same_bytes_and_nothing_is_overwritten() {
    let bench = bench();
    let plain: Vec<u8> = (0..200_000_u32).map(|i| (i * 131 + (i >> 8) * 17 + 7).to_le_bytes()[0]).collect();
    std::fs::write(bench.path("動画.mp4"), &plain).unwrap();
    let sealed = seal(&bench, &["encrypt", "動画.mp4", "封.bin"]);
    assert_eq!(sealed.code, 0, "{}", sealed.stderr);
    let bytes = std::fs::read(bench.path("封.bin")).unwrap();
    assert_eq!(bytes.len(), 200_000 + 32 + 4 * 16);
    assert!(bytes.starts_with(b"RCLONE\0\0"));
    assert_eq!(seal(&bench, &["decrypt", "封.bin", "戻.mp4"]).code, 0);
    assert_eq!(std::fs::read(bench.path("戻.mp4")).unwrap(), plain);
    assert_eq!(seal(&bench, &["decrypt", "封.bin", "戻.mp4"]).code, 2);
    let again = seal(&bench, &["encrypt", "動画.mp4", "封2.bin"]);
    assert_eq!(again.code, 0);
    assert_ne!(std::fs::read(bench.path("封2.bin")).unwrap(), bytes, "a nonce served twice");
}

#[test]
fn another_key_and_a_damaged_file_leave_nothing_behind() {
    let bench = bench();
    bench.write("録音.txt", "こんにちは");
    assert_eq!(seal(&bench, &["encrypt", "録音.txt", "封"]).code, 0);
    let mut bytes = std::fs::read(bench.path("封")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(bench.path("壊"), bytes).unwrap();
    let damaged = seal(&bench, &["decrypt", "壊", "出"]);
    assert_eq!(damaged.code, 3, "{}", damaged.stderr);
    assert!(damaged.stderr.contains("LF0214"), "{}", damaged.stderr);
    assert!(!bench.path("出").exists());
    assert_eq!(seal(&bench, &["decrypt", "録音.txt", "出"]).code, 2);
    assert!(!bench.path("出").exists());
}

#[test]
fn an_encrypted_configuration_of_rclone_opens_with_its_password() {
    // Source: crypt-vectors.json, encrypted_config; its remote "c" has a password that is not obscured.
    let bench = Bench::new();
    bench.write(
        "rclone.conf",
        "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nFgIT/VybAKvRm1jYbOfR9DJVwb9+RWoGGWDkKrj/d6tWljZ4M9KNk9XW3XxaxlE8dJRpFs9ZD6i2QmErC6hNNlU6upzomxdDwYLXmxRMg/CLnCAlNKV7cFdk5KzrfA0TeGsZ09o8r8VEgP4=",
    );
    let ask = |password: Option<&str>| {
        let args = ["seal", "name", "x", "--config", "rclone.conf", "--remote", "c"];
        let mut command: Command = bench.command(&args);
        if let Some(password) = password {
            command.env("RCLONE_CONFIG_PASS", password);
        }
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    assert!(ask(None).contains("RCLONE_CONFIG_PASS"));
    assert!(ask(Some("違う")).contains("password does not open"));
    assert!(ask(Some("パスTest123")).contains("not obscured"));
}
