//! Serves a simulator until it is killed: `serve [--listen A] [--scenario S] [--files N] [--seed N] [--latency MS]
//! [--faults F] [--quota Q] [--quota-window SECONDS] [--file-size N]`.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use landfall_sim::{Config, Sim};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config { epoch: Some(real_now()), ..Config::default() };
    let mut listen: SocketAddr = "127.0.0.1:0".parse()?;
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--listen" => listen = value.parse()?,
            "--scenario" => config.scenario = value.parse()?,
            "--files" => config.files = value.parse()?,
            "--seed" => config.seed = value.parse()?,
            "--file-size" => config.file_size = Some(value.parse()?),
            "--latency" => config.latency = Duration::from_millis(value.trim_end_matches("ms").parse()?),
            "--faults" => config.faults = value.parse()?,
            "--quota" => config.quota = value.parse()?,
            "--quota-window" => {
                config.quota_window = Duration::from_secs_f64(value.trim_end_matches('s').parse()?);
            }
            _ => return Err(format!("unknown flag {flag}").into()),
        }
    }
    let served = Sim::new(config).serve(listen).await?;
    let line = served.ready_json();
    std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes())?;
    served.run(std::future::pending()).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "clients on TCP compare the simulator's time with their own")]
fn real_now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
