//! Other people's programs judge what this crate writes: minisign, `sha256sum` and openssl.
//!
//! Where one of them is not installed its test fails and says so: nothing is skipped unseen.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use landfall_evidence::lists::{Bag, BagInfo, Sums};
use landfall_evidence::manifest::{AtSource, Entry, FilePath, Held, Object, Proof, ProofKind};
use landfall_evidence::minisign::{Cost, KeyId, Prehash, PublicKey, SecretKey, Signature};
use landfall_evidence::{FileDigest, QuickXorHash, Sha256, time_stamp_request};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Where a program is, by PATH.
fn program(name: &str, package: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is not installed, so nobody judges our files: apt-get install {package}")
        })
}

/// Runs it in a folder with a text on its standard input.
fn run(program: &Path, folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn passes(output: &Output) -> String {
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

fn put(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn get(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn key() -> SecretKey {
    SecretKey::from_seed(KeyId(*b"landfall"), &Zeroizing::new([42; 32]))
}

#[test]
fn minisign_accepts_what_we_sign() {
    let (minisign, folder) = (program("minisign", "minisign"), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let content = "目録\n".repeat(100_000);
    let signature = key().sign(Prehash::of(content.as_bytes()).unwrap(), "署名", "録音 7 件").unwrap();
    put(folder, "m.jsonl", &content);
    put(folder, "m.jsonl.minisig", signature.to_text());
    put(folder, "key.pub", key().public().to_text());
    let said = passes(&run(&minisign, folder, &["-V", "-H", "-p", "key.pub", "-m", "m.jsonl"], ""));
    assert!(said.contains("Trusted comment: 録音 7 件"), "{said}");
    let line = key().public().line();
    passes(&run(&minisign, folder, &["-V", "-P", &line, "-m", "m.jsonl"], ""));

    put(folder, "m.jsonl", content.replacen('目', "自", 1));
    assert!(!run(&minisign, folder, &["-V", "-p", "key.pub", "-m", "m.jsonl"], "").status.success());
    put(folder, "m.jsonl", &content);
    put(folder, "m.jsonl.minisig", signature.to_text().replace("7 件", "8 件"));
    assert!(!run(&minisign, folder, &["-V", "-p", "key.pub", "-m", "m.jsonl"], "").status.success());
}

#[test]
fn we_accept_what_minisign_signs_with_a_key_of_its_own() {
    let (minisign, folder) = (program("minisign", "minisign"), tempfile::tempdir().unwrap());
    let folder = folder.path();
    passes(&run(&minisign, folder, &["-G", "-W", "-p", "key.pub", "-s", "key"], ""));
    put(folder, "m.jsonl", "目録\n");
    passes(&run(&minisign, folder, &["-S", "-s", "key", "-m", "m.jsonl"], ""));
    let public = PublicKey::parse(&get(folder, "key.pub")).unwrap();
    let secret = SecretKey::parse(&get(folder, "key"), None).unwrap();
    assert_eq!(secret.public(), public);
    let signature = Signature::parse(&get(folder, "m.jsonl.minisig")).unwrap();
    // minisign's own comment: time, file and kind, with tabs between them.
    let trusted = signature.verify(&public, Prehash::of("目録\n".as_bytes()).unwrap()).unwrap();
    assert!(trusted.starts_with("timestamp:") && trusted.ends_with("\thashed"), "{trusted}");
    assert!(signature.verify(&public, Prehash::of(&b"x"[..]).unwrap()).is_err());
}

#[test]
fn minisign_signs_with_our_secret_keys_plain_and_under_a_password() {
    let (minisign, folder) = (program("minisign", "minisign"), tempfile::tempdir().unwrap());
    let folder = folder.path();
    put(folder, "m.jsonl", "目録\n");
    let password = SecretString::from("合言葉");
    let under = key().to_text_under(&password, &[9; 32], Cost::INTERACTIVE).unwrap();
    put(folder, "plain", key().to_text().expose_secret());
    put(folder, "under", under.expose_secret());
    for (file, input) in [("plain", ""), ("under", "合言葉\n")] {
        passes(&run(&minisign, folder, &["-S", "-s", file, "-m", "m.jsonl", "-t", file], input));
        let signature = Signature::parse(&get(folder, "m.jsonl.minisig")).unwrap();
        let content = Prehash::of("目録\n".as_bytes()).unwrap();
        assert_eq!(signature.verify(&key().public(), content).unwrap(), file);
    }
    assert!(!run(&minisign, folder, &["-S", "-s", "under", "-m", "m.jsonl"], "違う\n").status.success());
}

const NAMES: [&str; 12] = [
    "録音/一.wav",
    "改\n行.txt",
    "円\\記号.txt",
    "\\",
    "戻\rり.txt",
    "末尾\r",
    "-rf",
    "*星",
    " 空 白 ",
    "100%.txt",
    "%0A",
    "が/か\u{3099}.txt",
];

fn entry(path: &str, content: &str) -> Entry {
    Entry {
        path: FilePath::new(path).unwrap(),
        size: content.len() as u64,
        digest: FileDigest::Sha256(Sha256::of(content.as_bytes())),
        held: None,
        id: path.to_owned(),
        proof: Proof {
            kind: ProofKind::Bytes,
            accepted: false,
            unchanged_at: None,
            hash_at: None,
            bytes_at: None,
        },
        source: AtSource::default(),
    }
}

/// Every name with its own content, then one with a weak digest and two whose bytes at the destination differ.
fn entries() -> Vec<Entry> {
    let weak = FileDigest::QuickXorHash(QuickXorHash::new([1; 20]));
    let known = FileDigest::Sha256(Sha256::of("書き直し".as_bytes()));
    let held = |digest| Some(Held::Rewritten(Object { size: 12, digest }));
    let mut all: Vec<Entry> = NAMES.iter().map(|name| entry(name, name)).collect();
    all.push(Entry { digest: weak, ..entry("弱\\い.mov", "") });
    all.push(Entry { held: held(weak), ..entry("書\n類.docx", "元") });
    all.push(Entry { held: held(known), ..entry("表.xlsx", "元") });
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

#[test]
fn sha256sum_takes_our_sums_whatever_the_names() {
    let (sha256sum, folder) = (program("sha256sum", "coreutils"), tempfile::tempdir().unwrap());
    let folder = folder.path();
    let mut lists = Sums::new(Vec::new(), Vec::new());
    for entry in entries() {
        lists.entry(&entry).unwrap();
    }
    let (sums, others) = lists.finish().unwrap();
    NAMES.iter().for_each(|name| put(folder, name, name));
    put(folder, "表.xlsx", "書き直し");
    put(folder, "SHA256SUMS", &sums);
    let said = passes(&run(&sha256sum, folder, &["-c", "--strict", "SHA256SUMS"], ""));
    assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), 13, "{said}");
    assert_eq!(
        String::from_utf8(others).unwrap(),
        "\\quickXorHash AQEBAQEBAQEBAQEBAQEBAQEBAQE=  弱\\\\い.mov\n\
         \\quickXorHash AQEBAQEBAQEBAQEBAQEBAQEBAQE=  書\\n類.docx\n"
    );
    put(folder, "録音/一.wav", "別");
    assert!(!run(&sha256sum, folder, &["-c", "--quiet", "SHA256SUMS"], "").status.success());
}

#[test]
fn sha256sum_writes_the_same_lines() {
    let (sha256sum, folder) = (program("sha256sum", "coreutils"), tempfile::tempdir().unwrap());
    for name in NAMES {
        put(folder.path(), name, name);
        let mut lists = Sums::new(Vec::new(), Vec::new());
        lists.entry(&entry(name, name)).unwrap();
        let ours = lists.finish().unwrap().0;
        let theirs = run(&sha256sum, folder.path(), &["--", name], "");
        passes(&theirs);
        assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs.stdout), "{name:?}");
    }
}

/// The rules of RFC 8493, read by code that shares nothing with the writer.
#[test]
fn a_bag_holds_what_the_rfc_asks_for() {
    let mut bag = Bag::new(Vec::new(), Vec::new());
    for entry in entries() {
        bag.entry(&entry).unwrap();
    }
    let labels = vec![("Source-Organization".to_owned(), "山田商店: 本社".to_owned())];
    let info = BagInfo { date: Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC).date(), labels };
    let (tags, manifest, others) = bag.finish(&info).unwrap();
    let manifest = String::from_utf8(manifest).unwrap();
    assert_eq!(tags.declaration, "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");

    let mut bytes = 0;
    let mut seen = Vec::new();
    for line in manifest.split_terminator('\n') {
        let (sum, path) = line.split_once("  ").unwrap();
        let path = path.strip_prefix("data/").unwrap();
        let name = path.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%");
        let content = if name == "表.xlsx" { "書き直し" } else { &name };
        assert_eq!(sum, Sha256::of(content.as_bytes()).to_string(), "{name:?}");
        bytes += content.len();
        seen.push(name);
    }
    let mut due: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    due.push("表.xlsx".to_owned());
    due.sort();
    assert_eq!(seen, due);
    let text = "Source-Organization: 山田商店: 本社\nBagging-Date: 1970-01-01\nPayload-Oxum: ";
    assert_eq!(tags.info, format!("{text}{bytes}.13\n"));

    let tagged: Vec<String> = [
        ("bag-info.txt", tags.info.as_bytes()),
        ("bagit.txt", tags.declaration.as_bytes()),
        ("landfall-without-sha256.txt", &others),
        ("manifest-sha256.txt", manifest.as_bytes()),
    ]
    .iter()
    .map(|(name, content)| format!("{}  {name}\n", Sha256::of(content)))
    .collect();
    assert_eq!(tags.tag_manifest, tagged.concat());
}

#[test]
fn a_label_that_would_break_bag_info_is_refused() {
    for (label, value) in [("", "x"), ("a:b", "x"), ("a", "x\nPayload-Oxum: 0.0"), ("a\r", "x"), (" a", "x")]
    {
        let labels = vec![(label.to_owned(), value.to_owned())];
        let info = BagInfo { date: jiff::civil::date(2026, 11, 22), labels };
        assert!(Bag::new(Vec::new(), Vec::new()).finish(&info).is_err(), "{label:?}: {value:?}");
    }
}

#[test]
fn openssl_reads_our_request_for_a_time_stamp() {
    let (openssl, folder) = (program("openssl", "openssl"), tempfile::tempdir().unwrap());
    let content = "目録\n";
    put(folder.path(), "m.jsonl", content);
    for (nonce, text) in [(0xfedc_ba98_7654_3210, "0xFEDCBA9876543210"), (1, "0x01"), (0x80, "0x80")] {
        put(folder.path(), "m.tsq", time_stamp_request(&Sha256::of(content.as_bytes()), nonce));
        let said = passes(&run(&openssl, folder.path(), &["ts", "-query", "-in", "m.tsq", "-text"], ""));
        for due in
            ["Version: 1", "Hash Algorithm: sha256", "Certificate required: yes", &format!("Nonce: {text}")]
        {
            assert!(said.contains(due), "{due} is missing:\n{said}");
        }
        // Its own request for the same file and without nonce has the same imprint.
        let arguments =
            ["ts", "-query", "-data", "m.jsonl", "-sha256", "-cert", "-no_nonce", "-out", "theirs.tsq"];
        passes(&run(&openssl, folder.path(), &arguments, ""));
        let (ours, theirs) = (
            std::fs::read(folder.path().join("m.tsq")).unwrap(),
            std::fs::read(folder.path().join("theirs.tsq")).unwrap(),
        );
        // Behind the outer length up to the imprint's end, and the wish for the certificate.
        assert_eq!(ours[2..56], theirs[2..56]);
        assert_eq!(ours[ours.len() - 3..], theirs[theirs.len() - 3..]);
    }
}
