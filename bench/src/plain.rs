//! A plain download of everything at a job's source, by the smallest client there is: what reading back is compared with.

use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Downloads at once, as many as a verify reads.
const AT_ONCE: usize = 8;

/// What was read and how long it took.
pub(crate) struct Plain {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}

/// Downloads every file of Ada's drive and throws the bytes away. `ready` is the line with which the simulator began.
pub(crate) fn download(ready: &Value) -> Result<Plain> {
    let token = token(ready)?;
    let graph = ready["graph"].as_str().context("no graph")?;
    let drive = get(&format!("{graph}/users/ada@contoso.com/drive"), &token)?;
    let drive = format!("{graph}/drives/{}", drive["id"].as_str().context("no drive")?);
    let mut items = Vec::new();
    let mut next = Some(format!("{drive}/root/delta?$top=1000"));
    while let Some(link) = next {
        let page = get(&link, &token)?;
        let files =
            page["value"].as_array().context("no page")?.iter().filter(|item| item["file"].is_object());
        items.extend(files.filter_map(|item| item["id"].as_str().map(str::to_owned)));
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    let begun = Instant::now();
    let (left, bytes) = (Mutex::new(items), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    loop {
                        let item = left.lock().map_err(|_| anyhow::anyhow!("a worker failed"))?.pop();
                        let Some(item) = item else { return Ok(()) };
                        let (head, _) =
                            open(&format!("{drive}/items/{item}/content"), Some(&token), "GET", "")?;
                        let url = header(&head, "location").context("no address to download from")?;
                        let (_, mut body) = open(&url, None, "GET", "")?;
                        bytes.fetch_add(drain(&mut body)?, Relaxed);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a worker failed"))??;
        }
        anyhow::Ok(())
    })?;
    Ok(Plain { bytes: bytes.load(Relaxed), seconds: begun.elapsed().as_secs_f64() })
}

fn token(ready: &Value) -> Result<String> {
    let env = |name: &str| ready["env"][name].as_str().unwrap_or_default().to_owned();
    let login = ready["login"].as_str().context("no login")?;
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default",
        env("AZURE_CLIENT_ID"),
        env("AZURE_CLIENT_SECRET").replace('~', "%7E")
    );
    let (_, mut answer) =
        open(&format!("{login}/{}/oauth2/v2.0/token", env("AZURE_TENANT_ID")), None, "POST", &body)?;
    let mut text = String::new();
    answer.read_to_string(&mut text)?;
    let answer: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    Ok(answer["access_token"].as_str().context("no token")?.to_owned())
}

fn get(url: &str, token: &str) -> Result<Value> {
    let (_, mut body) = open(url, Some(token), "GET", "")?;
    let mut text = String::new();
    body.read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// Sends one request and gives the head and the rest of the connection, which is the body.
fn open(url: &str, token: Option<&str>, method: &str, body: &str) -> Result<(String, impl Read + use<>)> {
    let rest = url.strip_prefix("http://").context("plain http only")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(authority)?;
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nHost: {authority}\r\n{bearer}Content-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8(head)?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with(['2', '3']) {
        bail!("{method} {url}: {status}");
    }
    Ok((head, stream))
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn drain(body: &mut impl Read) -> Result<u64> {
    let mut piece = vec![0; 512 << 10];
    let mut bytes = 0;
    loop {
        match body.read(&mut piece)? {
            0 => return Ok(bytes),
            read => bytes += read as u64,
        }
    }
}
