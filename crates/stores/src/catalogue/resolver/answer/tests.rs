use super::*;

fn says(line: &str) -> Says {
    match read(line.as_bytes()) {
        Some(Line::Answer { id, says }) => {
            assert_eq!(id, "7");
            says
        }
        other => panic!("{line}: {other:?}"),
    }
}

fn media(line: &str) -> Vec<MediaItem> {
    match says(line) {
        Says::This(Resolved::Media { items, .. }) => items,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_request_carries_a_handle_and_nothing_else_that_stands_in_that_column() {
    let ask = |username: &str| Ask { id: "7".into(), username: username.into() };
    assert_eq!(request(&ask("alice_draws")), "{\"id\":\"7\",\"username\":\"alice_draws\",\"v\":1}\n");
    for name in ["../evil", "猫の人", "", "a\n{\"v\":1}"] {
        assert_eq!(request(&ask(name)), "{\"id\":\"7\",\"v\":1}\n", "{name}");
    }
}

#[test]
fn media_come_in_order_with_the_best_variant_first() {
    let items = media(
        r#"{"v":1,"id":"7","status":"ok","username":"alice","new_field":[1],"media":[
        {"n":2,"type":"video","variants":[
          {"content_type":"video/mp4","bitrate":632000,"url":"https://video.twimg.com/s.mp4"},
          {"content_type":"video/mp4","bitrate":2176000.0,"url":"https://video.twimg.com/l.mp4"},
          {"content_type":"application/x-mpegURL","url":"https://video.twimg.com/a.m3u8"}]},
        {"n":1,"type":"photo","url":"https://pbs.twimg.com/media/K?format=jpg&name=orig"}]}"#,
    );
    assert_eq!(items.iter().map(|item| item.n).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(items[0].urls, ["https://pbs.twimg.com/media/K?format=jpg&name=orig"]);
    assert_eq!(items[1].urls, ["https://video.twimg.com/l.mp4", "https://video.twimg.com/s.mp4"]);
    assert_eq!((items[0].kind, items[1].kind), (MediaKind::Image, MediaKind::Video));
}

#[test]
fn a_playlist_alone_gives_a_slot_without_a_url() {
    let items = media(
        r#"{"v":1,"id":"7","status":"ok","media":[{"type":"video","variants":[
        {"content_type":"application/x-mpegURL","url":"https://video.twimg.com/a.m3u8"}]}]}"#,
    );
    assert_eq!((items.len(), items[0].n, items[0].urls.len()), (1, 1, 0));
}

#[test]
fn every_status_has_its_meaning() {
    let unavailable = |word: &str| {
        says(&format!(r#"{{"v":1,"id":"7","status":"unavailable","reason":"{word}","detail":"d"}}"#))
    };
    for (word, reason) in [
        ("deleted", Unavailable::Deleted),
        ("suspended", Unavailable::Suspended),
        ("protected", Unavailable::Protected),
        ("age_gated", Unavailable::AgeGated),
        ("withheld", Unavailable::Withheld),
        ("unknown", Unavailable::Unknown),
        ("eaten", Unavailable::Unknown),
    ] {
        assert_eq!(unavailable(word), Says::This(Resolved::Unavailable { reason, detail: "d".into() }));
    }
    let at = Timestamp::from_second(1_705_420_800).ok();
    for retry in ["1705420800", "\"1705420800\"", "1705420800.7"] {
        let line = format!(r#"{{"v":1,"id":"7","status":"rate_limited","retry_at":{retry}}}"#);
        assert_eq!(says(&line), Says::RateLimited(at), "{retry}");
    }
    assert_eq!(says(r#"{"v":1,"id":"7","status":"rate_limited"}"#), Says::RateLimited(None));
    let later = says(r#"{"v":1,"id":"7","status":"error","retryable":true,"detail":"502"}"#);
    assert_eq!(later, Says::This(Resolved::Later { detail: "502".into() }));
    assert!(matches!(says(r#"{"v":1,"id":"7","status":"new"}"#), Says::This(Resolved::Later { .. })));
    let fatal = read(br#"{"v":1,"status":"fatal","detail":"no active account"}"#);
    assert_eq!(fatal, Some(Line::Fatal("no active account".into())));
}

#[test]
fn garbage_is_garbage() {
    for line in [
        "",
        "Not Found. See --raw for more details.",
        "[]",
        "null",
        "{}",
        r#"{"v":2,"id":"7","status":"ok","media":[]}"#,
        r#"{"v":1,"status":"ok","media":[]}"#,
        r#"{"v":1,"id":7,"status":"ok"}"#,
        r#"{"v":1,"id":"7","status":"ok","media":[{"n":1,"type":"photo"},{"n":1,"type":"photo"}]}"#,
        r#"{"v":1,"id":"7","status":"ok","media":[{"n":0,"type":"photo"}]}"#,
        r#"{"v":1,"id":"7","status":"ok","media":"none"}"#,
        r#"{"v":1,"id":"7","status":"ok""#,
        "\u{0}\u{1}",
    ] {
        assert_eq!(read(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn a_detail_is_one_clean_line() {
    let line = r#"{"v":1,"id":"7","status":"error","detail":"bad\nauth_token=abc ct0=def Authorization: Bearer xyz"}"#;
    let Says::This(Resolved::Later { detail }) = says(line) else { panic!("no detail") };
    assert!(!detail.contains("xyz") && !detail.contains('\n'), "{detail}");
}
