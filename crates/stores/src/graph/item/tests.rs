use proptest::prelude::*;
use serde_json::json;

use super::*;

const ROOT: &str = "01ROOT6Y2GOVW7725BZO354PWSELRRZ";

fn listed(value: Value) -> Option<Listed> {
    serde_json::from_value::<DriveItem>(value).unwrap().listed(ROOT)
}

fn skipped(value: Value) -> Option<Reason> {
    match listed(value) {
        Some(Listed::Skipped { reason, .. }) => Some(reason),
        _ => None,
    }
}

#[test]
fn a_file_is_read_with_the_times_that_its_client_set() {
    let Some(Listed::File(entry)) = listed(json!({
        "id": "01A", "name": "会議録音.wav", "size": 8, "eTag": "\"{9E36},2\"", "file": {"hashes": {"quickXorHash": "aCgDG9jwBhDc4Q1yawMZAAAAAAA="}},
        "createdDateTime": "2025-01-01T00:00:00Z", "lastModifiedDateTime": "2025-01-02T00:00:00Z", "parentReference": {"id": "01P"},
        "fileSystemInfo": {"createdDateTime": "2019-01-01T00:00:00.7Z"}, "unknown": {"x": [1]}
    })) else {
        panic!("no file")
    };
    assert_eq!(entry.parent, Some(ItemKey::from("01P")));
    assert_eq!(entry.size, ByteSize(8));
    assert_eq!(entry.times.created.unwrap().to_string(), "2019-01-01T00:00:00Z");
    assert_eq!(entry.times.modified.unwrap().to_string(), "2025-01-02T00:00:00Z");
    assert_eq!(entry.digests.quickxor.unwrap().base64(), "aCgDG9jwBhDc4Q1yawMZAAAAAAA=");
}

#[test]
fn what_is_no_file_is_told_apart() {
    let at_root = json!({"id": ROOT});
    assert_eq!(listed(json!({"id": ROOT, "name": "root", "root": {}, "folder": {}})), None);
    assert_eq!(
        listed(json!({"id": "01A", "deleted": {"state": "deleted"}, "file": {}})),
        Some(Listed::Gone(ItemKey::from("01A")))
    );
    let package = json!({"id": "01B", "name": "メモ帳", "package": {"type": "oneNote"}, "folder": {"childCount": 2}, "parentReference": at_root});
    let Some(Listed::Folder(folder)) = listed(package) else { panic!("no folder") };
    assert_eq!((folder.parent, folder.child_count), (None, Some(2)));
    let package = json!({"id": "01B", "name": "メモ帳", "package": {"type": "oneNote"}});
    assert!(matches!(listed(package), Some(Listed::Folder(_))));
    assert_eq!(
        skipped(json!({"id": "01C", "name": "x", "remoteItem": {}, "folder": {}})),
        Some(Reason::Shortcut)
    );
    assert_eq!(skipped(json!({"id": "01C", "name": "x", "malware": {}, "file": {}})), Some(Reason::Malware));
    assert_eq!(skipped(json!({"id": "01C", "name": "..", "file": {}})), Some(Reason::HostileName));
    assert_eq!(skipped(json!({"id": "01C", "name": "a/b", "folder": {}})), Some(Reason::HostileName));
    assert_eq!(skipped(json!({"id": "01C", "file": {}})), Some(Reason::HostileName));
    assert_eq!(skipped(json!({"id": "01C", "name": "x", "bundle": {}})), Some(Reason::Special));
    assert_eq!(listed(json!({"name": "no id", "file": {}})), None);
}

#[test]
fn an_item_without_a_parent_is_nowhere_and_not_at_the_root() {
    let Some(Listed::File(entry)) = listed(json!({"id": "01A", "name": "x", "file": {}, "size": -3})) else {
        panic!()
    };
    assert_eq!((entry.parent, entry.size), (Some(ItemKey::from("")), ByteSize(0)));
}

#[test]
fn both_spellings_of_the_download_address_are_read() {
    for name in ["@microsoft.graph.downloadUrl", "@content.downloadUrl"] {
        let item: DriveItem =
            serde_json::from_value(json!({"id": "1", name: "https://my.sim/x?tempauth=1"})).unwrap();
        assert!(item.download_url().is_some());
        assert!(!format!("{item:?}").contains("tempauth"));
    }
}

proptest! {
    #[test]
    fn no_page_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in r#"\{"value":\[\{("id"|"size"|"file"|"deleted"|"name"):(null|1|"x"|\{\}|-1|\[\])(,"parentReference":(\{\}|null))?\}\]\}"#) {
        for input in [bytes.as_slice(), text.as_bytes()] {
            if let Ok(page) = serde_json::from_slice::<ItemPage>(input) {
                for item in &page.value {
                    let _listed = item.listed(ROOT);
                    let _evidence = item.evidence();
                }
            }
        }
    }
}
