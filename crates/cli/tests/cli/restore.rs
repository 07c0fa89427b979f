//! Bringing back with the program itself: folders, the simulated library, a sealed archive; and drills of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{Bench, Served, ServedArchive, wait_until};

/// Every file below a folder by its path, with bytes and time; not the program's own.
fn files(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path != folder.join(".landfall") {
                    folders.push(path);
                }
            } else {
                let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), (bytes, modified));
            }
        }
    }
    found
}

const JOB: &str = r#"
[jobs.backup]
source = { kind = "folder", path = "data" }
destination = { kind = "folder", path = "copy" }

[jobs.other]
source = { kind = "folder", path = "data" }
destination = { kind = "folder", path = "よそ" }
"#;

/// 200 files with Japanese names and times of their own, landed in another folder.
fn two_hundred() -> Bench {
    let bench = Bench::new();
    let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    for n in 0..200_u64 {
        let folder = bench.path(&format!("data/{}年/会議 か\u{3099}", 2019 + n % 5));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("録音 {n:03} ＃1.wav"));
        let size = usize::try_from(n * n).unwrap();
        std::fs::write(
            &path,
            format!("音{n}").into_bytes().into_iter().cycle().take(size).collect::<Vec<u8>>(),
        )
        .unwrap();
        let times = std::fs::FileTimes::new().set_modified(begin + Duration::from_secs(n * 86_400));
        std::fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    }
    std::fs::create_dir_all(bench.path("data/空のフォルダー")).unwrap();
    bench.write("landfall.toml", JOB);
    let run = bench.landfall(&["run", "backup", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    bench
}

#[test]
fn two_hundred_files_come_back_byte_for_byte_with_their_times() {
    let bench = two_hundred();
    let before = bench.landfall(&["restore", "backup", "戻し", "-n", "--json"]);
    assert_eq!((before.code, &before.json()["files"]), (0, &Value::from(200)), "{}", before.stderr);
    assert!(!bench.path("戻し").exists());

    // Somebody else's file is in the way of one, and another of no interest.
    let taken = "戻し/2019年/会議 か\u{3099}/録音 005 ＃1.wav";
    std::fs::create_dir_all(bench.path(taken).parent().unwrap()).unwrap();
    bench.write(taken, "他人のもの");
    bench.write("戻し/関係ない.txt", "残る");
    let first = bench.landfall(&["restore", "backup", "戻し", "--json"]);
    assert_eq!(first.code, 1, "{}\n{}", first.stdout, first.stderr);
    let summary = first.json();
    assert_eq!((&summary["states"]["SUCCESS"], &summary["states"]["DUPE"]), (&199.into(), &1.into()));
    assert_eq!(summary["failed"][0]["reason"], "different-at-destination", "{summary}");
    assert_eq!(bench.read(taken), "他人のもの");

    std::fs::remove_file(bench.path(taken)).unwrap();
    let again = bench.landfall(&["restore", "backup", "戻し", "--json"]);
    assert_eq!((again.code, &again.json()["complete"]), (0, &Value::Bool(true)), "{}", again.stdout);
    let mut back = files(&bench.path("戻し"));
    assert_eq!(back.remove(Path::new("関係ない.txt")).map(|(bytes, _)| bytes), Some("残る".into()));
    let original = files(&bench.path("data"));
    assert_eq!(back.len(), 200);
    assert!(back == original, "bytes or times differ");
    assert!(bench.path("戻し/空のフォルダー").is_dir());

    let quiet = bench.landfall(&["restore", "backup", "戻し", "--json"]);
    assert_eq!((quiet.code, &quiet.json()["restored"]), (0, &0.into()), "{}", quiet.stdout);
    assert_eq!(quiet.json()["bytes_read"], 0, "{}", quiet.stdout);
    assert!(!bench.path(".landfall/backup/restore").exists(), "the spool was left behind");
}

#[test]
fn some_files_come_back_by_path_or_as_a_sample_to_a_folder_or_another_jobs_place() {
    let bench = two_hundred();
    let one = bench.landfall(&["restore", "backup", "一部", "--path", "/2020年/**", "--json"]);
    assert_eq!((one.code, &one.json()["files"]), (0, &40.into()), "{}\n{}", one.stdout, one.stderr);
    assert_eq!(files(&bench.path("一部")).len(), 40);
    assert_eq!(
        one.json()["bytes_read"],
        one.json()["bytes"],
        "what was read to compare it did not come from there"
    );
    let none = bench.landfall(&["restore", "backup", "一部", "--path", "*.無い", "--json"]);
    assert_eq!((none.code, &none.json()["error"]["code"]), (2, &"LF0104".into()), "{}", none.stdout);

    let sample = ["restore", "backup", "job:other", "--sample", "7", "--json"];
    let first = bench.landfall(&sample);
    assert_eq!((first.code, &first.json()["files"]), (0, &7.into()), "{}\n{}", first.stdout, first.stderr);
    let drawn = files(&bench.path("よそ"));
    assert_eq!(drawn.len(), 7);
    let second = bench.landfall(&sample);
    assert_eq!((second.code, &second.json()["restored"]), (0, &0.into()), "{}", second.stdout);
    assert!(files(&bench.path("よそ")) == drawn, "another sample for the same target");
    let original = files(&bench.path("data"));
    assert!(drawn.iter().all(|(path, file)| original.get(path) == Some(file)));
}

#[test]
fn targets_that_overlap_and_jobs_that_never_ran_are_refused() {
    let bench = two_hundred();
    std::fs::create_dir_all(bench.path("親")).unwrap();
    for target in ["data", "data/中", "copy", "copy/中", ".", "job:backup"] {
        let refused = bench.landfall(&["restore", "backup", target, "--json"]);
        assert_eq!(
            (refused.code, &refused.json()["error"]["code"]),
            (2, &"LF0106".into()),
            "{target}: {}",
            refused.stdout
        );
    }
    bench.write("ただのファイル", "x");
    let file = bench.landfall(&["restore", "backup", "ただのファイル", "--json"]);
    assert_eq!((file.code, &file.json()["error"]["code"]), (2, &"LF0305".into()), "{}", file.stdout);
    let never = bench.landfall(&["restore", "other", "戻し", "--json"]);
    assert_eq!((never.code, &never.json()["error"]["code"]), (1, &"LF0701".into()), "{}", never.stdout);
    let unknown = bench.landfall(&["drill", "無い", "--sample", "3", "--json"]);
    assert_eq!((unknown.code, &unknown.json()["error"]["code"]), (2, &"LF0101".into()), "{}", unknown.stdout);
    let spoken = bench.landfall(&["restore", "backup", "data", "--lang", "ja"]);
    assert!(spoken.stderr.contains("重なっています"), "{}", spoken.stderr);
}

#[test]
fn a_drill_finds_a_flipped_byte_and_a_lost_file_and_leaves_nothing_behind() {
    let bench = two_hundred();
    // What a drill that was killed left behind goes too.
    std::fs::create_dir_all(bench.path(".landfall/backup/drill/files/古い")).unwrap();
    let passed = bench.landfall(&["drill", "backup", "--sample", "20", "--json"]);
    assert_eq!(passed.code, 0, "{}\n{}", passed.stdout, passed.stderr);
    let summary = passed.json();
    assert_eq!((&summary["files"], &summary["equal"]), (&20.into(), &20.into()), "{summary}");
    assert_eq!(summary["passed"], true);
    assert!(!bench.path(".landfall/backup/drill").exists());

    let flipped = bench.path("copy/2023年/会議 か\u{3099}/録音 149 ＃1.wav");
    let mut bytes = std::fs::read(&flipped).unwrap();
    bytes[10_000] ^= 1;
    std::fs::write(&flipped, bytes).unwrap();
    std::fs::remove_file(bench.path("copy/2019年/会議 か\u{3099}/録音 000 ＃1.wav")).unwrap();
    let found = bench.landfall(&["drill", "backup", "--sample", "1000", "--json"]);
    let summary = found.json();
    assert_eq!(found.code, 6, "{summary}\n{}", found.stderr);
    assert_eq!((&summary["files"], &summary["equal"]), (&200.into(), &198.into()), "{summary}");
    assert_eq!((&summary["different"], &summary["unreadable"]), (&1.into(), &1.into()), "{summary}");
    assert!(summary["different_files"][0]["path"].as_str().unwrap().contains("録音 149"), "{summary}");
    assert!(summary["unreadable_files"][0]["path"].as_str().unwrap().contains("録音 000"), "{summary}");
    assert!(!bench.path(".landfall/backup/drill").exists());
    let status = bench.landfall(&["status", "backup", "--json"]).json();
    let drills: Vec<&Value> =
        status["runs"].as_array().unwrap().iter().filter(|run| run["command"] == "drill").collect();
    assert_eq!(drills.len(), 2, "{status}");
    assert_eq!((&drills[0]["summary"]["different"], &drills[1]["summary"]["equal"]), (&1.into(), &20.into()));
    assert!(drills.iter().all(|run| run["summary"]["seed"].is_u64() && run["ended"].is_string()));

    // A restore brings back all but what is not what it was.
    let restore = bench.landfall(&["restore", "backup", "戻し"]);
    assert_eq!(restore.code, 1, "{}", restore.stdout);
    assert!(restore.stdout.contains("changed-at-destination"), "{}", restore.stdout);
    let back = files(&bench.path("戻し"));
    assert!(!back.keys().any(|path| path.to_str().unwrap().contains("録音 149")));
    assert_eq!(back.len(), 199, "an empty file is known without its object");
}

#[test]
fn a_restore_that_was_killed_goes_on_where_it_was() {
    let sim = Served::start(&["--scenario", "voices", "--files", "60", "--latency", "10ms"]);
    let run = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let to = sim.bench.path("戻し");
    let mut child = sim.bench.start(&["restore", "voices", "戻し", "--json"]);
    wait_until("a first restored file", || files(&to).len() > 3);
    child.kill().unwrap();
    child.wait().unwrap();
    let there = files(&to).len();
    assert!(there < 60, "it was too quick to be killed");
    sim.reset();
    let second = sim.bench.landfall(&["restore", "voices", "戻し", "--json"]);
    assert_eq!(second.code, 0, "{}\n{}", second.stdout, second.stderr);
    let summary = second.json();
    assert_eq!((&summary["resumed"], &summary["states"]["SUCCESS"]), (&true.into(), &60.into()), "{summary}");
    assert_eq!(files(&to).len(), 60);
    assert!(summary["known"]["sha256"] == 60, "{summary}");
    assert_eq!(sim.requests()["writes"], 0);
    let drill = sim.bench.landfall(&["drill", "voices", "--sample", "10", "--json"]);
    assert_eq!((drill.code, &drill.json()["equal"]), (0, &10.into()), "{}\n{}", drill.stdout, drill.stderr);
    sim.assert_clean("voices");
}

#[test]
fn a_sealed_archive_comes_back_open_without_its_database() {
    let sim = ServedArchive::start(&["--files", "80", "--seed", "4"]);
    // Half way the fetched files still lie beside those that were there.
    let fetched = sim.bench.landfall(&["download", "tweets", "--json"]);
    assert!(matches!(fetched.code, 0 | 1), "{}", fetched.stderr);
    let originals: Vec<Vec<u8>> = ["images", "videos", ".landfall/tweets/media"]
        .iter()
        .flat_map(|name| files(&sim.bench.path(name)))
        .map(|(_, file)| file.0)
        .collect();
    let run = sim.bench.landfall(&["run", "tweets", "--json"]);
    assert!(matches!(run.code, 0 | 1), "{}", run.stderr);
    let landed = run.json()["states"]["SUCCESS"].as_u64().unwrap();
    assert!(landed > 5, "{}", run.stdout);
    for name in ["data", "images", "videos"] {
        std::fs::rename(sim.bench.path(name), sim.bench.path(&format!("{name}.gone"))).unwrap();
    }
    let restore = sim.bench.landfall(&["restore", "tweets", "戻し", "--json"]);
    let summary = restore.json();
    assert_eq!(summary["complete"], true, "{summary}\n{}", restore.stderr);
    assert_eq!(summary["states"]["SUCCESS"].as_u64(), Some(landed), "{summary}");
    let back = files(&sim.bench.path("戻し"));
    assert_eq!(back.len() as u64, landed);
    for (path, (bytes, _)) in &back {
        let path = path.to_str().unwrap();
        assert!(path.ends_with(".jpg") || path.ends_with(".png") || path.ends_with(".mp4"), "{path}");
        assert!(!bytes.starts_with(b"RCLONE"), "{path} is still sealed");
        assert!(originals.contains(bytes), "{path} is no file that was sealed");
    }
    let drill = sim.bench.landfall(&["drill", "tweets", "--sample", "5", "--json"]);
    assert_eq!((drill.code, &drill.json()["equal"]), (0, &5.into()), "{}\n{}", drill.stdout, drill.stderr);

    // Without the key, and with another one, nothing is read.
    let conf = sim.bench.read("rclone.conf");
    let elsewhere = ["restore", "tweets", "別の場所", "--json"];
    let hidden = sim.bench.path("rclone.conf.gone");
    std::fs::rename(sim.bench.path("rclone.conf"), &hidden).unwrap();
    let keyless = sim.bench.landfall(&elsewhere);
    assert_eq!((keyless.code, &keyless.json()["error"]["code"]), (2, &"LF0110".into()), "{}", keyless.stdout);
    let other = landfall_seal::obscure("別の合言葉".as_bytes(), [7; 16]);
    sim.bench.write("rclone.conf", &conf);
    let lines: Vec<String> = conf
        .lines()
        .map(
            |line| {
                if line.starts_with("password =") { format!("password = {other}") } else { line.to_owned() }
            },
        )
        .collect();
    sim.bench.write("rclone.conf", &(lines.join("\n") + "\n"));
    let wrong = sim.bench.landfall(&elsewhere);
    assert_eq!((wrong.code, &wrong.json()["error"]["code"]), (3, &"LF0214".into()), "{}", wrong.stdout);
    assert!(!sim.bench.path("別の場所").exists());
}

#[test]
fn of_many_users_each_comes_back_below_a_name_of_its_own() {
    let sim = Served::start(&["--scenario", "leavers", "--files", "16"]);
    let run = sim.bench.landfall(&["run", "leavers", "--json"]);
    let landed = run.json()["states"]["SUCCESS"].as_u64().unwrap();
    assert!(landed > 3, "{}", run.stdout);
    let restore = sim.bench.landfall(&["restore", "leavers", "戻し", "--json"]);
    assert_eq!(restore.json()["complete"], true, "{}\n{}", restore.stdout, restore.stderr);
    let mut users = BTreeMap::new();
    for path in files(&sim.bench.path("戻し")).keys() {
        let user = path.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        *users.entry(user).or_insert(0_u64) += 1;
    }
    assert_eq!(users.values().sum::<u64>(), landed, "{users:?}");
    assert!(users.contains_key("ada@contoso.com") && users.contains_key("dan_contoso_com"), "{users:?}");
    let one = sim.bench.landfall(&["drill", "leavers", "--sample", "4", "--json"]);
    assert_eq!((one.code, &one.json()["equal"]), (0, &4.into()), "{}\n{}", one.stdout, one.stderr);
}
