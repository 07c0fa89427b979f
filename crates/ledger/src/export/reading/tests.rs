use landfall_core::Code;

use super::*;

const HEAD: &str = "relative_path,file_name,file_size_bytes,status,timestamp,comment\n";

async fn read(bytes: &[u8], timed: bool) -> Result<Vec<LogRow>, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("upload_log.csv");
    std::fs::write(&path, bytes).unwrap();
    let manner = Manner { timed, zone: TimeZone::fixed(jiff::tz::offset(9)) };
    let mut rows = Rows::open(path.clone(), path, manner).await?;
    let mut all = Vec::new();
    loop {
        let batch = rows.next().await?;
        if batch.is_empty() {
            assert_eq!(rows.count, all.len() as u64);
            return Ok(all);
        }
        all.extend(batch);
    }
}

async fn refusal(body: &str, timed: bool) -> (Code, String) {
    let error = read(format!("{HEAD}{body}").as_bytes(), timed).await.unwrap_err();
    (error.code.unwrap(), error.detail)
}

#[tokio::test]
async fn utf8_with_and_without_mark_and_cp932_read_the_same() {
    let text = format!("{HEAD}会議/朝会―①.wav,朝会―①.wav,3,PENDING,2025-06-21 09:00,\r\n");
    let plain = read(text.as_bytes(), true).await.unwrap();
    let (cp932, _, lossy) = encoding_rs::SHIFT_JIS.encode(&text);
    assert!(!lossy && std::str::from_utf8(&cp932).is_err());
    assert_eq!(read(&cp932, true).await.unwrap(), plain);
    assert_eq!(read(format!("\u{feff}{text}").as_bytes(), true).await.unwrap(), plain);
    assert_eq!(plain[0].path, "会議/朝会―①.wav");
    assert_eq!(plain[0].time.unwrap().at.to_string(), "2025-06-21T00:00:00Z");
}

/// Bytes as a Japanese Windows wrote them, so that the test does not rest on the encoder alone.
#[tokio::test]
async fn cp932_bytes_are_understood() {
    let mut bytes = HEAD.as_bytes().to_vec();
    bytes.extend([0x98, 0x5e, 0x89, 0xb9, 0x5c, 0x82, 0x60]); // 録音\Ａ
    bytes.extend(b",a,1,NG,2025-06-21 09:00,\n");
    assert_eq!(read(&bytes, true).await.unwrap()[0].path, "録音\\Ａ");
}

#[tokio::test]
async fn quotes_and_newlines_in_names_keep_the_line_numbers_right() {
    let body = "\"改行\n名, \"\"x\"\".wav\",a,1,PENDING,t,\"two\nlines\"\nb,b,1,SUCCES,t,\n";
    let (code, text) = refusal(body, false).await;
    assert_eq!((code, text.as_str()), (Code::LogStatus, "line 5: unknown status \"SUCCES\""));
    let rows =
        read(format!("{HEAD}{}", body.replace("SUCCES,", "SUCCESS,")).as_bytes(), false).await.unwrap();
    assert_eq!(rows[0].path, "改行\n名, \"x\".wav");
    assert_eq!(rows[1].line, 5);
}

#[tokio::test]
async fn whatever_cannot_be_understood_refuses_the_file_with_its_line() {
    for (body, code, part) in [
        ("a,a,1,PENDING,t\n", Code::LogRow, "line 2: 5 cells instead of 6"),
        ("a,a,1,PENDING,t,,\n", Code::LogRow, "line 2: 7 cells instead of 6"),
        (",a,1,PENDING,t,\n", Code::LogRow, "line 2: relative_path is empty"),
        ("a,a,1.2E+07,PENDING,t,\n", Code::LogRow, "line 2: \"1.2E+07\" is no number of bytes"),
        ("a,a,1,,t,\n", Code::LogStatus, "line 2: unknown status \"\""),
        ("a,a,1,pending,t,\n", Code::LogStatus, "line 2: unknown status \"pending\""),
        ("a\0,a,1,NG,t,\n", Code::LogRow, "line 2: relative_path holds a NUL"),
        ("a,a,1,NG,t,\"cut off\nb,b,1,NG,t,\n", Code::LogRow, "line 2: a quotation mark is never closed"),
    ] {
        let (have, text) = refusal(body, false).await;
        assert_eq!(have, code, "{body:?}");
        assert!(text.contains(part), "{body:?}: {text}");
    }
    let (code, text) = refusal("a,a,1,NG,yesterday,\n", true).await;
    assert_eq!((code, text.as_str()), (Code::LogRow, "line 2: \"yesterday\" is no time"));
    assert_eq!(
        read(format!("{HEAD}a,a,,,x,skipped shortcut\n").as_bytes(), true).await.unwrap()[0].status,
        None
    );
}

#[tokio::test]
async fn many_mistakes_are_named_up_to_a_bound() {
    let (_, text) = refusal(&"a,a,1,DONE,t,\n".repeat(50), false).await;
    assert!(
        text.starts_with("line 2: ") && text.contains("line 21: ") && text.ends_with("; and 30 more"),
        "{text}"
    );
}

#[tokio::test]
async fn other_files_are_refused_by_what_they_are() {
    for (bytes, code, part) in [
        (&b""[..], Code::LogColumns, "nothing"),
        (b"a,b,c\n1,2,3\n", Code::LogColumns, "there is a,b,c"),
        (b"\xff\xfea\0", Code::LogUnreadable, "UTF-16"),
        (b"a\nb\n\xff\xff\xff", Code::LogUnreadable, "line 3"),
    ] {
        let error = read(bytes, false).await.unwrap_err();
        assert_eq!(error.code, Some(code));
        assert!(error.detail.contains(part), "{}", error.detail);
    }
}

proptest::proptest! {
    /// What the csv crate writes, any text in it, is read back in both encodings' readers.
    #[test]
    fn written_rows_are_read_back(paths in proptest::collection::vec("[^\0]{1,40}", 1..40)) {
        let mut out = ::csv::Writer::from_writer(Vec::new());
        out.write_record(HEADER).unwrap();
        for path in &paths {
            out.write_record([path.as_str(), "", "1", "NG", "t", ""]).unwrap();
        }
        let bytes = out.into_inner().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let rows = runtime.block_on(read(&bytes, false)).unwrap();
        let back: Vec<String> = rows.into_iter().map(|r| r.path).collect();
        proptest::prop_assert_eq!(back, paths);
    }
}
