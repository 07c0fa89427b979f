use super::*;

fn policy() -> UrlPolicy {
    UrlPolicy::new(&PolicyConfig::default()).unwrap()
}

fn overridden() -> UrlPolicy {
    let overrides = vec![("pbs.twimg.com".to_owned(), "http://127.0.0.1:8123".to_owned())];
    UrlPolicy::new(&PolicyConfig { overrides, ..PolicyConfig::default() }).unwrap()
}

fn any() -> UrlPolicy {
    UrlPolicy::new(&PolicyConfig { hosts: vec!["*".into()], overrides: Vec::new() }).unwrap()
}

const HOSTILE: &[&str] = &[
    // Not https.
    "http://pbs.twimg.com/media/K.jpg",
    "ftp://pbs.twimg.com/media/K.jpg",
    "file:///etc/passwd",
    "file://pbs.twimg.com/etc/passwd",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    // Another host that looks like it.
    "https://pbs.twimg.com.evil.example/media/K.jpg",
    "https://evil.example/pbs.twimg.com/K.jpg",
    "https://evil.example?https://pbs.twimg.com/K.jpg",
    "https://evil.example#@pbs.twimg.com/K.jpg",
    "https://evilpbs.twimg.com/K.jpg",
    "https://twimg.com/K.jpg",
    "https://pbs.twimg.com./media/K.jpg",
    "https://xn--pbs-twimg.com/K.jpg",
    "https://pbs。twimg。com.evil.example/K.jpg",
    // A user.
    "https://pbs.twimg.com@127.0.0.1/K.jpg",
    "https://ada:pw@pbs.twimg.com/K.jpg",
    "https://ada@pbs.twimg.com/K.jpg",
    // Another port, a fragment.
    "https://pbs.twimg.com:8443/K.jpg",
    "https://pbs.twimg.com:80/K.jpg",
    "https://pbs.twimg.com/media/K.jpg#x",
    // Addresses, in every spelling.
    "https://127.0.0.1/K.jpg",
    "https://127.1/K.jpg",
    "https://2130706433/K.jpg",
    "https://0x7f.1/K.jpg",
    "https://0x7f000001/K.jpg",
    "https://0177.0.0.1/K.jpg",
    "https://①②⑦.⓪.⓪.①/K.jpg",
    "https://127.0.0.1./K.jpg",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/K.jpg",
    "https://[::ffff:127.0.0.1]/K.jpg",
    "https://[::ffff:7f00:1]/K.jpg",
    "https://[fe80::1]/K.jpg",
    "https://104.244.43.131/K.jpg",
    "https://localhost/K.jpg",
    // No URL at all.
    "",
    "K.jpg",
    "//pbs.twimg.com/K.jpg",
    "https://",
    "https:///",
    "https://pbs.twimg.com/a\r\nHost: evil.example",
    "https://pbs.twimg.com/a b",
    "ht\ttps://pbs.twimg.com/a",
    "画像",
];

#[test]
fn hostile_urls_are_refused_with_and_without_an_override() {
    for policy in [policy(), overridden()] {
        for url in HOSTILE {
            let refused = policy.check(url).expect_err(url).to_string();
            assert!(!refused.contains("pw@") && !refused.contains('\n'), "{refused}");
        }
    }
    // The stand-in itself may be reached only through its host.
    let refused = overridden().check("http://127.0.0.1:8123/media/K.jpg").unwrap_err().to_string();
    assert!(refused.contains("not https"), "{refused}");
    assert!(overridden().check("https://127.0.0.1:8123/media/K.jpg").is_err());
}

#[test]
fn the_media_hosts_pass_whatever_their_case() {
    for url in [
        "https://pbs.twimg.com/media/GtU9HwvbMAUIyKi?format=jpg&name=orig",
        "https://pbs.twimg.com:443/media/K.jpg:orig",
        "https://PBS.TwImg.com/media/K.jpg",
        "HTTPS://video.twimg.com/ext_tw_video/1/pu/vid/avc1/1280x720/N.mp4?tag=12",
        "https://pbs.twimg.com/media/猫.jpg",
    ] {
        let allowed = policy().check(url).expect(url);
        assert!(MEDIA_HOSTS.contains(&allowed.host()), "{}", allowed.host());
        assert_eq!(allowed.host_header(), None);
        assert!(allowed.target().parse::<http::Uri>().is_ok(), "{}", allowed.target());
    }
}

#[test]
fn any_host_still_means_a_name_on_port_443_over_https() {
    assert_eq!(any().check("https://media.example/猫.png").unwrap().host(), "media.example");
    for url in HOSTILE.iter().filter(|url| {
        let other_host = ["evil", "twimg.com/K", "twimg.com./", "xn--", "localhost", "https:///"];
        !other_host.iter().any(|part| url.contains(part))
            || url.contains('@')
            || url.contains(['#', '\n'])
            || url.starts_with("http:")
    }) {
        assert!(any().check(url).is_err(), "{url}");
    }
}

#[test]
fn an_override_leads_to_exactly_one_address_and_keeps_the_host() {
    let allowed = overridden().check("https://pbs.twimg.com/media/K?format=jpg&name=orig").unwrap();
    assert_eq!(allowed.target(), "http://127.0.0.1:8123/media/K?format=jpg&name=orig");
    assert_eq!(allowed.host_header(), Some("pbs.twimg.com"));
    assert_eq!(allowed.url().as_str(), "https://pbs.twimg.com/media/K?format=jpg&name=orig");
    let other = overridden().check("https://video.twimg.com/a.mp4").unwrap();
    assert_eq!((other.target().as_str(), other.host_header()), ("https://video.twimg.com/a.mp4", None));
}

#[test]
fn an_override_leads_nowhere_but_to_this_machine() {
    let with = |host: &str, url: &str| {
        let overrides = vec![(host.to_owned(), url.to_owned())];
        UrlPolicy::new(&PolicyConfig { overrides, ..PolicyConfig::default() })
    };
    for good in ["http://127.0.0.1:1", "http://127.0.0.1:8123/", "http://[::1]:9", "http://localhost:80801/"]
    {
        let made = with("pbs.twimg.com", good);
        assert_eq!(made.is_ok(), good != "http://localhost:80801/", "{good}");
    }
    for bad in [
        "http://10.0.0.1:8123",
        "http://169.254.169.254:80",
        "http://example.com:8123",
        "http://localhost.example.com:1",
        "http://127.0.0.1@example.com:1",
        "http://ada@127.0.0.1:1",
        "http://0.0.0.0:1",
        "http://[::ffff:127.0.0.1]:1",
        "https://127.0.0.1:1",
        "http://127.0.0.1:1/path",
        "http://127.0.0.1",
        "127.0.0.1:1",
    ] {
        let error = with("pbs.twimg.com", bad).expect_err(bad);
        assert_eq!(error.code, Some(Code::InsecureEndpoint), "{bad}");
    }
    assert!(with("127.0.0.1", "http://127.0.0.1:1").is_err());
    assert!(with("", "http://127.0.0.1:1").is_err());
}

#[test]
fn redirects_are_judged_like_any_url() {
    let policy = policy();
    let from = policy.check("https://pbs.twimg.com/media/K?format=jpg&name=orig").unwrap();
    for (location, to) in [
        ("/media/L.jpg", "https://pbs.twimg.com/media/L.jpg"),
        ("M.jpg", "https://pbs.twimg.com/media/M.jpg"),
        ("//video.twimg.com/a.mp4", "https://video.twimg.com/a.mp4"),
        ("https://video.twimg.com/a.mp4", "https://video.twimg.com/a.mp4"),
    ] {
        assert_eq!(policy.follow(&from, location).expect(location).url().as_str(), to);
    }
    for location in [
        "http://pbs.twimg.com/media/K.jpg",
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
        "//127.0.0.1/",
        "https://evil.example/",
        "https://user@pbs.twimg.com/",
        "https://pbs.twimg.com:444/",
        "file:///etc/passwd",
        "https://",
    ] {
        assert!(policy.follow(&from, location).is_err(), "{location}");
    }
}
