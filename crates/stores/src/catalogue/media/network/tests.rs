use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

use super::super::policy::PolicyConfig;
use super::*;

/// A listener on this machine, and whether anybody has come.
async fn listener() -> (tokio::net::TcpListener, SocketAddr) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn came(listener: &tokio::net::TcpListener) -> bool {
    tokio::time::timeout(Duration::from_millis(200), listener.accept()).await.is_ok()
}

fn always(addresses: Vec<SocketAddr>) -> Arc<LookUp> {
    Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    })
}

fn get(url: &str) -> Request {
    http::Request::get(url).body(bytes::Bytes::new()).unwrap()
}

fn policy(overrides: &[(&str, &str)]) -> UrlPolicy {
    let overrides = overrides.iter().map(|(host, url)| ((*host).to_owned(), (*url).to_owned())).collect();
    UrlPolicy::new(&PolicyConfig { overrides, ..PolicyConfig::default() }).unwrap()
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_connected_to() {
    let (listener, address) = listener().await;
    let transport = MediaTransport::with_lookup(&policy(&[]), None, always(vec![address])).unwrap();
    // With its own port in the URL the look-up's port plays no part, so both ways lead to the listener.
    for url in
        ["https://pbs.twimg.com/media/K.jpg".to_owned(), format!("https://pbs.twimg.com:{}/", address.port())]
    {
        let error = transport.send(get(&url)).await.err().unwrap();
        assert_eq!(error.stage, Stage::Connect);
        assert!(error.detail.contains("no public address"), "{}", error.detail);
    }
    assert!(!came(&listener).await, "the connection was made");

    // The same without the filter does arrive: what is tested above is the filter.
    let unfiltered = PublicOnly { lookup: always(vec![address]), spared: Some("pbs.twimg.com".into()) };
    let client = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT)
        .dns_resolver(Arc::new(unfiltered))
        .build()
        .unwrap();
    let (reached, _) = tokio::join!(came(&listener), async {
        let asked = client.get("https://pbs.twimg.com/media/K.jpg").timeout(Duration::from_millis(150));
        asked.send().await
    });
    assert!(reached, "the control did not connect");
}

#[tokio::test]
async fn a_second_look_up_cannot_change_what_was_judged() {
    let (listener, address) = listener().await;
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    // The first answer is public and unreachable here, every later one is this machine.
    let lookup: Arc<LookUp> = Arc::new(move |_| {
        let mut calls = counted.lock().unwrap();
        *calls += 1;
        let first = *calls == 1;
        Box::pin(async move {
            Ok(vec![if first {
                SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 88, 99, 1)), 9)
            } else {
                address
            }])
        })
    });
    let transport = MediaTransport::with_lookup(&policy(&[]), None, lookup).unwrap();
    for _ in 0..3 {
        let sent =
            tokio::time::timeout(Duration::from_millis(300), transport.send(get("https://pbs.twimg.com/")))
                .await;
        assert!(!matches!(sent, Ok(Ok(_))));
    }
    assert!(*calls.lock().unwrap() >= 2, "the name was looked up once only, so nothing was tested");
    assert!(!came(&listener).await, "the connection was made");
}

#[tokio::test]
async fn bad_addresses_are_dropped_and_good_ones_kept() {
    let mixed = ["10.0.0.1:0", "104.244.43.131:0", "[::1]:0", "[2606:1f80:f000::1]:0", "169.254.169.254:0"];
    let addresses = mixed.iter().map(|text| text.parse().unwrap()).collect();
    let filter = PublicOnly { lookup: always(addresses), spared: None };
    let kept = filter.resolve("pbs.twimg.com".parse().unwrap()).await.unwrap();
    let kept: Vec<String> = kept.map(|address| address.ip().to_string()).collect();
    assert_eq!(kept, ["104.244.43.131", "2606:1f80:f000::1"]);
}

#[tokio::test]
async fn an_address_in_place_of_a_name_goes_nowhere_but_to_an_override() {
    let (allowed, at) = listener().await;
    let (other, elsewhere) = listener().await;
    let policy = policy(&[("pbs.twimg.com", &format!("http://{at}"))]);
    let transport = MediaTransport::new(&policy, None).unwrap();
    for url in [
        format!("http://{elsewhere}/"),
        format!("https://{elsewhere}/"),
        format!("https://{at}/"),
        format!("http://localhost:{}/", at.port()),
        format!("http://pbs.twimg.com:{}/", at.port()),
        format!("http://127.1:{}/", elsewhere.port()),
    ] {
        let error = transport.send(get(&url)).await.err().unwrap_or_else(|| panic!("{url} was sent"));
        assert!(error.detail.contains("refused"), "{url}: {}", error.detail);
    }
    assert!(!came(&other).await && !came(&allowed).await);
    let allowed_url = policy.check("https://pbs.twimg.com/media/K?format=jpg").unwrap();
    let mut request = get(&allowed_url.target());
    request.headers_mut().insert("host", http::HeaderValue::from_static("pbs.twimg.com"));
    let (head, _) = tokio::join!(head_of(&allowed), async {
        tokio::time::timeout(Duration::from_millis(500), transport.send(request)).await
    });
    assert!(head.starts_with("GET /media/K?format=jpg HTTP/1.1"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\nhost: pbs.twimg.com\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("referer"), "{head}");
}

/// Accepts one connection and reads its request's head.
async fn head_of(listener: &tokio::net::TcpListener) -> String {
    use tokio::io::AsyncReadExt as _;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test]
async fn the_proxy_of_the_environment_plays_no_part_and_a_named_one_is_used() {
    let (proxy, at) = listener().await;
    let transport = MediaTransport::new(&policy(&[]), Some(&format!("http://{at}"))).unwrap();
    let (head, _) = tokio::join!(head_of(&proxy), async {
        let send = transport.send(get("https://pbs.twimg.com/media/K.jpg"));
        tokio::time::timeout(Duration::from_millis(500), send).await
    });
    assert!(head.starts_with("CONNECT pbs.twimg.com:443"), "{head}");
    assert!(MediaTransport::new(&policy(&[]), Some("no url")).is_err());
}
