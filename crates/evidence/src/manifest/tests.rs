use super::*;
use crate::chain::JobIdentity;
use crate::digest::QuickXorHash;

pub(crate) fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(crate) fn header(files: u64) -> Header {
    Header {
        job: "録音".to_owned(),
        tenant: "contoso".to_owned(),
        program: "landfall 0.1.0".to_owned(),
        configuration: Sha256::of(b"[jobs]"),
        moment: moment(0),
        chain: Head::genesis(&JobIdentity { name: "録音", identity: "一" }),
        files,
        unproven: 2,
        skipped: 1,
    }
}

pub(crate) fn entry(path: &str, content: &str) -> Entry {
    Entry {
        path: FilePath::new(path).unwrap(),
        size: content.len() as u64,
        digest: FileDigest::Sha256(Sha256::of(content.as_bytes())),
        held: None,
        id: format!("b!一/{path}"),
        proof: Proof {
            kind: ProofKind::Hash,
            accepted: false,
            unchanged_at: Some(moment(9)),
            hash_at: Some(moment(1)),
            bytes_at: None,
        },
        source: AtSource {
            created: Some(moment(-5)),
            created_by: Some("山田 花子".to_owned()),
            modified: None,
            modified_by: None,
        },
    }
}

/// Every shape of line: weak digests, rewritten, sealed, names that need escapes.
pub(crate) fn entries() -> Vec<Entry> {
    let weak = FileDigest::QuickXorHash(QuickXorHash::new([9; 20]));
    let object = Object { size: 77, digest: weak };
    let mut all = vec![
        entry("一覧/改\n行.txt", "a"),
        entry("一覧/\\引用\".txt", "bb"),
        Entry { digest: weak, ..entry("コピー.mov", "copied") },
        Entry {
            held: Some(Held::Rewritten(object)),
            proof: Proof { kind: ProofKind::Parts, bytes_at: Some(moment(3)), ..entry("x", "").proof },
            ..entry("報告.docx", "office")
        },
        Entry { held: Some(Held::Sealed(object)), ..entry("秘密.jpg", "sealed") },
        Entry {
            proof: Proof {
                kind: ProofKind::Bytes,
                accepted: true,
                unchanged_at: None,
                hash_at: None,
                bytes_at: None,
            },
            ..entry("が.txt", "")
        },
        // The same name in the other composition is another path.
        entry("か\u{3099}.txt", "nfd"),
    ];
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

pub(crate) fn written() -> Vec<u8> {
    let all = entries();
    write(Vec::new(), &header(all.len() as u64), all).unwrap().1
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Line and reason of what is wrong; it must be wrong.
fn wrong(bytes: &[u8]) -> (u64, Wrong) {
    let error = check(bytes).unwrap_err();
    (error.line, error.why)
}

/// Replaces one text of one line, counted from 1.
fn edit(line: usize, from: &str, to: &str) -> Vec<u8> {
    let mut all = lines(&written());
    let text = String::from_utf8(all[line - 1].clone()).unwrap();
    assert!(text.contains(from), "{text}");
    all[line - 1] = text.replacen(from, to, 1).into_bytes();
    all.concat()
}

#[test]
fn what_is_written_is_read_and_the_same_entries_give_the_same_bytes() {
    let bytes = written();
    assert_eq!(bytes, written());
    let mut reader = ManifestReader::open(&bytes[..]).unwrap();
    assert_eq!(*reader.header(), header(7));
    let read: Vec<Entry> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(read, entries());
    let trailer = *reader.trailer().unwrap();
    assert_eq!(trailer.counts, Counts { files: 7, bytes: 24, hash: 5, read: 1, parts: 1, sha256: 6 });
    let before = lines(&bytes)[..8].concat();
    assert_eq!(trailer.sha256, Sha256::of(&before));
    assert_eq!(check(&bytes[..]).unwrap(), (header(7), trailer));
}

/// The format is a promise; `docs/evidence.md` shows these lines.
#[test]
fn the_lines_are_the_documented_ones() {
    let (_, bytes) = write(Vec::new(), &header(1), [entry("録音/一.wav", "abc")]).unwrap();
    let all: Vec<String> = lines(&bytes).into_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    let head = r#"{"manifest":"landfall","version":1,"about":{"job":"録音","tenant":"contoso","program":"landfall 0.1.0","configuration":"CONFIGURATION","moment":"2026-09-21T14:13:20Z","chain":{"seq":0,"link":"LINK"},"files":1,"unproven":2,"skipped":1},"check":""#;
    let head = head
        .replace("CONFIGURATION", &Sha256::of(b"[jobs]").to_string())
        .replace("LINK", &header(1).chain.link.to_string());
    let file = r#"{"n":2,"path":"録音/一.wav","size":3,"digest":{"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},"id":"b!一/録音/一.wav","proof":{"kind":"hash","unchanged_at":"2026-09-21T14:13:29Z","hash_at":"2026-09-21T14:13:21Z"},"source":{"created":"2026-09-21T14:13:15Z","created_by":"山田 花子"},"check":""#;
    // Checks are made here by other code than the writer's.
    let seal = |before: &str, body: &str| {
        let body = body.strip_suffix(",\"check\":\"").unwrap();
        let check = Sha256::of(format!("{before}{body}").as_bytes()).to_string();
        format!("{body},\"check\":\"{}\"}}\n", &check[..16])
    };
    assert_eq!(all[0], seal("", &head));
    assert_eq!(all[1], seal(&all[0], file));
    let sum = Sha256::of(all[..2].concat().as_bytes());
    let end = r#"{"counts":{"files":1,"bytes":3,"hash":1,"read":0,"parts":0,"sha256":1},"sha256":""#;
    assert_eq!(all[2], format!("{end}{sum}\"}}\n"));
    assert_eq!(all.len(), 3);
}

#[test]
fn a_changed_line_is_named_wherever_it_was_changed() {
    assert!(matches!(wrong(&edit(4, "\"size\":", "\"size\":1")), (4, Wrong::Changed)));
    assert!(matches!(wrong(&edit(8, "山田 花子", "山田 太郎")), (8, Wrong::Changed)));
    assert!(matches!(wrong(&edit(1, "\"unproven\":2", "\"unproven\":0")), (1, Wrong::Changed)));
    assert!(matches!(
        wrong(&edit(9, "\"parts\":1", "\"parts\":2")),
        (9, Wrong::Count { what: Misfit::Parts, .. })
    ));
    // A line that fits by itself, put in place of another: the next one tells.
    let mut other = entries();
    other[2].source.created_by = Some("山田 太郎".to_owned());
    let (_, other) = write(Vec::new(), &header(7), other).unwrap();
    let mut all = lines(&written());
    all[3] = lines(&other)[3].clone();
    assert!(matches!(wrong(&all.concat()), (5, Wrong::Changed)));
}

#[test]
fn every_single_flipped_bit_is_found_at_its_line() {
    let bytes = written();
    let mut line = 1;
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        let found = wrong(&bad).0;
        // A newline that is lost joins a line with the next; one that appears can only cut.
        assert_eq!(found, line, "byte {at}: {:?}", wrong(&bad).1);
        line += u64::from(bytes[at] == b'\n');
    }
}

#[test]
fn lines_that_are_missing_moved_or_doubled_are_named() {
    let all = lines(&written());
    for gone in 2..=8_usize {
        let mut less = all.clone();
        less.remove(gone - 1);
        let (line, why) = wrong(&less.concat());
        assert_eq!(line, gone as u64);
        if gone == 8 {
            assert!(matches!(why, Wrong::Count { what: Misfit::Files, says: 7, counted: 6 }), "{why:?}");
        } else {
            assert!(matches!(why, Wrong::Missing { found } if found == line + 1), "{why:?}");
        }
    }
    let mut swapped = all.clone();
    swapped.swap(3, 4);
    assert!(matches!(wrong(&swapped.concat()), (4, Wrong::Missing { found: 5 })));
    let mut doubled = all.clone();
    doubled.insert(4, all[3].clone());
    assert!(matches!(wrong(&doubled.concat()), (5, Wrong::Repeated { found: 4 })));
    let mut headless = all.clone();
    headless.remove(0);
    assert!(matches!(wrong(&headless.concat()), (1, Wrong::Unreadable(_))));
}

#[test]
fn every_cut_is_found_and_so_is_what_stands_behind() {
    let bytes = written();
    let mut whole = 1;
    for end in 0..bytes.len() {
        let (line, why) = wrong(&bytes[..end]);
        let at_border = end == 0 || bytes[end - 1] == b'\n';
        if at_border && end > 0 {
            whole += 1;
        }
        assert_eq!(line, whole, "cut at {end}");
        assert_eq!(matches!(why, Wrong::Absent), at_border, "cut at {end}: {why:?}");
        assert_eq!(matches!(why, Wrong::CutOff), !at_border, "cut at {end}: {why:?}");
    }
    for tail in ["\n", " ", "{}\n"] {
        let longer = [&bytes[..], tail.as_bytes()].concat();
        assert!(matches!(wrong(&longer), (10, Wrong::Trailing)));
    }
    let twice = [&bytes[..], &bytes[..]].concat();
    assert!(matches!(wrong(&twice), (10, Wrong::Trailing)));
}

#[test]
fn the_same_said_otherwise_is_not_canonical() {
    for (line, from, to) in [
        (4, "\"size\":", "\"size\": "),
        (4, "{\"n\":4,\"path\"", "{\"n\":4,\"held\":null,\"path\""),
        (4, "Z\"", "+00:00\""),
        (4, "山", "\\u5c71"),
        (1, "録", "\\u9332"),
        (9, "{\"files\"", "{ \"files\""),
    ] {
        let (found, why) = wrong(&edit(line, from, to));
        assert!(matches!(why, Wrong::NotCanonical), "{from}: {why:?}");
        assert_eq!(found, line as u64);
    }
    let crlf = String::from_utf8(written()).unwrap().replace('\n', "\r\n");
    assert!(matches!(wrong(crlf.as_bytes()), (1, Wrong::NotCanonical)));
    // An unknown or doubled key is no line of this version.
    for to in ["\"x\":1,\"size\":", "\"size\":1,\"size\":"] {
        assert!(matches!(wrong(&edit(4, "\"size\":", to)), (4, Wrong::Unreadable(_))));
    }
}

#[test]
fn hostile_paths_are_refused_on_both_sides() {
    for path in ["", "/etc/passwd", "a/../b", "..", "a//b", "a/", "./a", "a\0b"] {
        assert!(FilePath::new(path).is_err(), "{path:?}");
    }
    for path in ["..a", "a/...", "a\\b", "-rf", " ", "改\r行"] {
        assert!(FilePath::new(path).is_ok(), "{path:?}");
    }
    let bad = edit(4, "\"path\":\"", "\"path\":\"../");
    assert!(matches!(wrong(&bad), (4, Wrong::Unreadable(_))));
}

#[test]
fn the_writer_refuses_what_is_unsorted_doubled_too_long_or_not_as_announced() {
    let (a, b) = (entry("あ", "1"), entry("い", "2"));
    let error = write(Vec::new(), &header(2), [b.clone(), a.clone()]).unwrap_err();
    assert!(matches!(error, WriteError::Unsorted { .. }), "{error}");
    let error = write(Vec::new(), &header(2), [a.clone(), a.clone()]).unwrap_err();
    assert!(matches!(error, WriteError::Doubled { .. }), "{error}");
    // Bytewise, not as any language sorts: U+FF5E comes before U+1F600 in UTF-8 and after it in UTF-16.
    let astral = [entry("\u{ff5e}", ""), entry("\u{1f600}", "")];
    assert!(write(Vec::new(), &header(2), astral).is_ok());
    for files in [1, 3] {
        let error = write(Vec::new(), &header(files), [a.clone(), b.clone()]).unwrap_err();
        assert!(matches!(error, WriteError::Announced { announced, .. } if announced == files), "{error}");
    }
    let long = entry(&"長".repeat(LINE_LIMIT), "");
    let error = write(Vec::new(), &header(1), [long]).unwrap_err();
    assert!(matches!(error, WriteError::TooLong { .. }), "{error}");
}

#[test]
fn a_forged_file_with_fitting_checks_still_has_to_be_a_manifest() {
    // Written by somebody who knows the format: order and counts are judged apart from checks.
    let mut running = line::Running::default();
    let mut forged = Vec::new();
    let mut push = |line: String| {
        running.pass(line.as_bytes());
        forged.extend_from_slice(line.as_bytes());
    };
    let first = line::Running::default().seal(&line::HeaderLine::of(&header(2))).unwrap();
    push(first.clone());
    let mut so_far = line::Running::default();
    so_far.pass(first.as_bytes());
    let one = so_far.seal(&line::FileLine::of(2, &entry("い", ""))).unwrap();
    so_far.pass(one.as_bytes());
    let two = so_far.seal(&line::FileLine::of(3, &entry("あ", ""))).unwrap();
    push(one);
    push(two);
    assert!(matches!(wrong(&forged), (3, Wrong::Order)));

    // A header that announces two files above a list of one.
    let first = line::Running::default().seal(&line::HeaderLine::of(&header(2))).unwrap();
    let mut running = line::Running::default();
    running.pass(first.as_bytes());
    let file = running.seal(&line::FileLine::of(2, &entry("あ", ""))).unwrap();
    running.pass(file.as_bytes());
    let (trailer, bytes) = write(Vec::new(), &header(1), [entry("あ", "")]).unwrap();
    let fitting = Trailer { sha256: running.sha256(), ..trailer };
    let last = serde_json::to_string(&line::TrailerLine::from(fitting)).unwrap();
    let why = wrong(format!("{first}{file}{last}\n").as_bytes());
    assert!(matches!(why, (1, Wrong::Count { what: Misfit::Announced, says: 2, counted: 1 })), "{why:?}");

    let mut all = lines(&bytes);
    let other = Trailer { sha256: Sha256::of(b""), ..trailer };
    all[2] = serde_json::to_vec(&line::TrailerLine::from(other)).unwrap();
    all[2].push(b'\n');
    assert!(matches!(wrong(&all.concat()), (3, Wrong::Digest)));
}

#[test]
fn other_versions_other_files_and_endless_lines_are_told_apart() {
    assert!(matches!(wrong(&edit(1, "\"version\":1", "\"version\":2")), (1, Wrong::Version(2))));
    assert!(matches!(wrong(b""), (1, Wrong::Absent)));
    assert!(matches!(wrong(b"PK\x03\x04 zip\n"), (1, Wrong::Unreadable(_))));
    assert!(matches!(wrong(&vec![b' '; 3 * LINE_LIMIT]), (1, Wrong::TooLong)));
    assert!(matches!(wrong(&[&written()[..], b"x"].concat()), (10, Wrong::Trailing)));
    let error = check(&b"{}\n"[..]).unwrap_err();
    assert_eq!(error.to_string(), "manifest is wrong at line 1");
}

#[test]
fn an_empty_job_has_a_manifest_too() {
    let (trailer, bytes) = write(Vec::new(), &header(0), []).unwrap();
    assert_eq!(trailer.counts, Counts::default());
    assert_eq!(check(&bytes[..]).unwrap().1, trailer);
}

proptest::proptest! {
    #[test]
    fn any_names_come_back_as_they_were(names in proptest::collection::btree_set("[^/\0]{1,12}", 0..12)) {
        let all: Vec<Entry> =
            names.iter().map(|name| entry(&format!("木/{name}x"), name)).collect();
        let mut all = all;
        all.sort_by(|a, b| a.path.cmp(&b.path));
        let (_, bytes) = write(Vec::new(), &header(all.len() as u64), all.clone()).unwrap();
        let read: Vec<Entry> = ManifestReader::open(&bytes[..]).unwrap().map(Result::unwrap).collect();
        proptest::prop_assert_eq!(read, all);
    }
}
