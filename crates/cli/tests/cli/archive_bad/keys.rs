//! The key of the seal: without the right one nothing is sent.

use super::refused;
use crate::support::ServedArchive;

#[test]
fn without_the_right_key_nothing_is_sent() {
    let sim = ServedArchive::start(&["--files", "60"]);
    let toml = sim.bench.read("landfall.toml");
    let conf = sim.bench.read("rclone.conf");
    let before = sim.bytes();
    let run = || sim.bench.landfall(&["run", "tweets"]);
    let unsealed: Vec<&str> = toml.lines().filter(|line| !line.starts_with("seal")).collect();
    sim.bench.write("landfall.toml", &(unsealed.join("\n") + "\n"));
    refused(&run(), 2, "LF0102", "no key, no upload");
    sim.bench.write("landfall.toml", &toml.replace("\"rclone.conf\"", "\"鍵.conf\""));
    refused(&run(), 2, "LF0110", "鍵.conf");
    sim.bench.write("landfall.toml", &toml.replace("\"secret\"", "\"disk\""));
    refused(&run(), 2, "LF0110", "not crypt");
    sim.bench.write("landfall.toml", &toml);
    sim.bench.write(
        "rclone.conf",
        &conf.replace("directory_name_encryption = false", "directory_name_encryption = true"),
    );
    refused(&run(), 2, "LF0110", "directory_name_encryption");
    // "potato" as `rclone obscure` hides it: another key than the archive's.
    let other: Vec<String> = conf
        .lines()
        .map(|line| match line.starts_with("password =") {
            true => "password = IMEUm2sCRswfwtjsQojXl6wPcIn4tw".to_owned(),
            false => line.to_owned(),
        })
        .collect();
    sim.bench.write("rclone.conf", &(other.join("\n") + "\n"));
    refused(&run(), 3, "LF0214", "key");
    sim.bench.write("rclone.conf", "\u{0}\u{1}");
    refused(&run(), 2, "LF0110", "rclone.conf");
    assert!(sim.bytes() == before, "the user's files were changed");
}

#[test]
fn an_rclone_conf_that_cannot_be_read_is_named_with_what_is_missing() {
    let sim = ServedArchive::start(&["--files", "60"]);
    let before = sim.bytes();
    let conf = sim.bench.path("rclone.conf");
    // Encrypted, and nobody says the password; then the wrong one.
    let encrypted = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\n\
        L/nEjlkR4Xb3RGYuNN1Dy5SkIvJm0JcCh1vYoZPpLq2nUj2pWZ1g3sXy8Ue7LG4o9HHcVdk7xQ==\n";
    sim.bench.write("rclone.conf", encrypted);
    let run = || sim.bench.landfall(&["run", "tweets"]);
    refused(&run(), 2, "LF0103", "RCLONE_CONFIG_PASS");
    let output = sim.bench.command(&["run", "tweets"]).env("RCLONE_CONFIG_PASS", "違う鍵").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("LF0110") && said.contains("rclone.conf"), "{said}");
    assert!(!said.contains("違う鍵"), "{said}");
    for garbage in ["[secret", "\u{feff}<html></html>", "[secret]\ntype = crypt\npassword = ***\n"] {
        sim.bench.write("rclone.conf", garbage);
        refused(&run(), 2, "LF0110", "rclone.conf");
    }
    std::fs::remove_file(&conf).unwrap();
    std::fs::create_dir(&conf).unwrap();
    refused(&run(), 2, "LF0110", "rclone.conf");
    assert!(sim.bytes() == before, "the user's files were changed");
}

#[cfg(unix)]
#[test]
fn an_rclone_conf_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let sim = ServedArchive::start(&["--files", "60"]);
    let conf = sim.bench.path("rclone.conf");
    std::fs::set_permissions(&conf, std::fs::Permissions::from_mode(0o000)).unwrap();
    let output = sim.bench.landfall_without_powers(&["run", "tweets"]);
    refused(&output, 2, "LF0110", "rclone.conf");
    assert!(output.stderr.contains("ermission denied"), "{}", output.stderr);
}
