//! What `landfall sim` does beside serving.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What can be done to a simulator that runs.
#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// Damage what a finished job has landed in a running simulator, and write down what a verify must find.
    Damage(Damage),
}

/// Arguments of `sim damage`.
#[derive(Args, Debug)]
pub(crate) struct Damage {
    /// The simulator's inspection address, from the line that it prints when it is ready.
    #[arg(long, env = "LANDFALL_SIM_INSPECT", value_name = "URL")]
    pub(crate) inspect: String,
    /// Which damage, separated by commas, or `all`.
    #[arg(
        long,
        env = "LANDFALL_SIM_KINDS",
        default_value = "all",
        value_delimiter = ',',
        value_name = "KIND"
    )]
    pub(crate) kinds: Vec<String>,
    /// The share of the job's files that are damaged, as in 5% or 0.05.
    #[arg(long, env = "LANDFALL_SIM_RATE", default_value = "5%", value_parser = share, value_name = "SHARE")]
    pub(crate) rate: f64,
    /// The source of every chance.
    #[arg(long, env = "LANDFALL_SIM_SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where the answers go: a line of JSON for each damaged file.
    #[arg(long, env = "LANDFALL_SIM_ANSWERS", value_name = "FILE")]
    pub(crate) answers: PathBuf,
    /// The job; the scenario's first if not given.
    #[arg(long, env = "LANDFALL_SIM_JOB", value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Keep what was damaged as an earlier version, as if the application had written the damage.
    #[arg(long, env = "LANDFALL_SIM_VERSIONED", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) versioned: bool,
}

/// A share above 0 and up to 1, with a per cent sign or as a fraction.
fn share(text: &str) -> Result<f64, String> {
    let parsed = match text.strip_suffix('%') {
        Some(number) => number.trim().parse::<f64>().map(|number| number / 100.0),
        None => text.parse::<f64>(),
    };
    match parsed {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share such as 5% or 0.05, above 0 and up to 100%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{SimCommand, share};
    use crate::args::{Cli, Command};

    fn sim(words: &[&str]) -> Result<crate::args::Sim, String> {
        let words = ["landfall", "sim"].iter().chain(words);
        match Cli::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Command::Sim(sim) => Ok(sim),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        assert_eq!((share("5%"), share("0.05"), share("100%")), (Ok(0.05), Ok(0.05), Ok(1.0)));
        for bad in ["0", "0%", "101%", "1.5", "-1%", "NaN", "five", "%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn damage_stands_beside_the_flags_of_sim() {
        assert!(sim(&["--files", "5"]).unwrap().command.is_none());
        let words = "damage --inspect http://127.0.0.1:1/inspect --kinds moved,edited --rate 7% --seed 3 --answers a.jsonl --job voices";
        let words: Vec<&str> = words.split(' ').collect();
        let Some(SimCommand::Damage(damage)) = sim(&words).unwrap().command else { panic!("no damage") };
        assert_eq!((damage.kinds.len(), damage.seed, damage.versioned), (2, 3, false));
        let mixed: Vec<&str> = ["--files", "5"].iter().chain(&words).copied().collect();
        assert!(sim(&mixed).is_err(), "flags of the server say nothing to the command");
        assert!(sim(&["damage", "--answers", "a.jsonl"]).is_err(), "there is no address to guess");
    }
}
