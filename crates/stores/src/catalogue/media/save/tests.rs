use cap_std::ambient_authority;

use super::*;

fn open(folder: &tempfile::TempDir) -> Dir {
    Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap()
}

#[tokio::test]
async fn a_part_left_by_a_kill_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("猫_1.part"), b"half of something").unwrap();
    let mut part = Part::begin(&open(&folder), "猫_1").await.unwrap();
    part.write(b"new").await.unwrap();
    let saved = part.finish("jpg").await.unwrap();
    assert_eq!((saved.name.as_str(), saved.size), ("猫_1.jpg", ByteSize(3)));
    assert_eq!(std::fs::read(folder.path().join("猫_1.jpg")).unwrap(), b"new");
    assert!(!folder.path().join("猫_1.part").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_neither_written_through_nor_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let (target, inside) = (outside.path().join("t"), folder.path().join("inside"));
    std::fs::write(&target, b"new").unwrap();
    std::fs::write(&inside, b"new").unwrap();
    for link_to in [&target, &inside] {
        for (link, fails) in [("1_1.part", false), ("1_1.jpg", true)] {
            let link = folder.path().join(link);
            std::os::unix::fs::symlink(link_to, &link).unwrap();
            let mut part = Part::begin(&open(&folder), "1_1").await.unwrap();
            part.write(b"new").await.unwrap();
            let outcome = part.finish("jpg").await;
            assert_eq!(outcome.is_err(), fails, "{link:?}");
            assert_eq!(std::fs::read(link_to).unwrap(), b"new");
            std::fs::remove_file(folder.path().join("1_1.jpg")).unwrap();
        }
    }
}

#[tokio::test]
async fn a_dropped_download_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = Part::begin(&open(&folder), "1_1").await.unwrap();
    part.write(&[1; 100_000]).await.unwrap();
    assert!(folder.path().join("1_1.part").exists());
    drop(part);
    assert!(!folder.path().join("1_1.part").exists());
}

#[tokio::test]
async fn hostile_stems_are_no_names() {
    let folder = tempfile::tempdir().unwrap();
    let dir = open(&folder);
    let long = "猫".repeat(67);
    for stem in [
        "",
        ".",
        "..",
        "../evil",
        "a/b",
        "a\\b",
        "/etc/passwd",
        "a\0b",
        "a\nb",
        "-rf",
        ".hidden",
        "a.",
        "a ",
        " a",
        "CON",
        "con",
        "nul.x",
        "COM1",
        "LPT¹",
        "a:b",
        "evil\u{202e}gpj",
        &long,
    ] {
        let refused = Part::begin(&dir, stem).await.err().unwrap_or_else(|| panic!("{stem:?} was taken"));
        assert_eq!(refused.kind, ErrorKind::Unsupported, "{stem:?}");
    }
    for stem in ["1908900169724363186_1", "猫_1", "console", "COM", "a.b", "1_1_GtU9HwvbMAUIyKi"] {
        assert!(Part::begin(&dir, stem).await.is_ok(), "{stem:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
