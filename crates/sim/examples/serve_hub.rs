//! Serves a Hub until it is killed: `serve_hub [--listen A] [--storage A] [--seed N] [--latency MS] [--faults F]
//! [--page N] [--multipart-above BYTES] [--chunk BYTES] [--window SECONDS] [--api-quota N] [--commits N]
//! [--resolve-cache true]`. Prints one line of JSON when it is ready.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use landfall_sim::{HubConfig, HubSim};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut config = HubConfig { epoch: Some(real_now()), ..HubConfig::default() };
    let mut listen: SocketAddr = "127.0.0.1:0".parse()?;
    let mut storage: SocketAddr = "127.0.0.1:0".parse()?;
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--listen" => listen = value.parse()?,
            "--storage" => storage = value.parse()?,
            "--seed" => config.seed = value.parse()?,
            "--latency" => config.latency = Duration::from_millis(value.trim_end_matches("ms").parse()?),
            "--faults" => config.faults = value.parse()?,
            "--page" => config.page = value.parse()?,
            "--multipart-above" => config.multipart_above = value.parse()?,
            "--chunk" => config.chunk_size = value.parse()?,
            "--window" => config.window = Duration::from_secs(value.parse()?),
            "--api-quota" => config.api_quota = value.parse()?,
            "--commits" => config.commits_per_hour = value.parse()?,
            "--resolve-cache" => config.resolve_cache = value.parse()?,
            _ => return Err(format!("unknown flag {flag}").into()),
        }
    }
    let served = HubSim::new(config).serve(listen, storage).await?;
    let line = served.ready_json();
    std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes())?;
    served.run(std::future::pending()).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "clients on TCP compare the Hub's time with their own")]
fn real_now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
