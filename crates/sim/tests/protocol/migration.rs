//! A correct client always ends with everything in place, whatever the seed.

use landfall_sim::{Config, Faults, Scenario, Sim};

use crate::client::Migration;

fn config(seed: u64, faults: Faults) -> Config {
    Config { seed, faults, files: 40, ..Config::default() }
}

async fn trace(seed: u64, faults: Faults) -> Vec<String> {
    let sim = Sim::new(config(seed, faults));
    let client = Migration::run(&sim, "/Recordings", "/Voices").await;
    let result = sim.compare("voices").unwrap();
    for list in
        [&result.missing, &result.different, &result.extra, &result.doubled, &result.leftover_sessions]
    {
        assert!(list.is_empty(), "seed {seed} {faults}: {result:#?}");
    }
    assert!(result.violations.is_empty(), "seed {seed} {faults}: {:#?}", result.violations);
    client.trace
}

#[tokio::test(start_paused = true)]
async fn without_faults_every_file_has_one_version() {
    let sim = Sim::new(config(1, Faults::None));
    Migration::run(&sim, "/Recordings", "/Voices").await;
    let result = sim.compare("voices").unwrap();
    assert!(result.is_clean(), "{result:#?}");
    assert!(result.totals["entries"] > 40, "folders count too: {:?}", result.totals);
}

#[tokio::test(start_paused = true)]
async fn under_mild_faults_everything_arrives() {
    for seed in 0..20 {
        trace(seed, Faults::Mild).await;
    }
}

#[tokio::test(start_paused = true)]
async fn under_wild_faults_everything_arrives() {
    for seed in 0..20 {
        trace(seed, Faults::Wild).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_trace() {
    assert_eq!(trace(5, Faults::Wild).await, trace(5, Faults::Wild).await);
    assert_ne!(trace(5, Faults::Wild).await, trace(6, Faults::Wild).await);
}

#[tokio::test(start_paused = true)]
async fn compare_sees_what_is_missing_changed_and_too_much() {
    use landfall_sim::WorldOp;
    let sim = Sim::new(config(1, Faults::None));
    Migration::run(&sim, "/Recordings", "/Voices").await;
    let library = || Some("Documents".to_owned());
    let files: Vec<_> =
        sim.tree(library().as_deref(), "/Voices").into_iter().filter(|e| !e.folder && e.size > 50).collect();
    let at = |n: usize| files[n].path.clone();
    sim.change(WorldOp::Delete { drive: library(), path: at(0) }).unwrap();
    sim.change(WorldOp::Corrupt { drive: library(), path: at(1) }).unwrap();
    sim.change(WorldOp::Write {
        drive: library(),
        path: "/Voices/余分.txt".into(),
        text: Some("x".into()),
        size: None,
    })
    .unwrap();
    let result = sim.compare("voices").unwrap();
    assert_eq!(result.missing.len(), 1, "{result:#?}");
    assert_eq!(result.different.len(), 1, "{result:#?}");
    assert_eq!(result.extra, ["/余分.txt"]);
    assert!(!result.is_clean());
}

#[tokio::test(start_paused = true)]
async fn every_scenario_has_jobs_and_a_configuration() {
    for scenario in ["voices", "flat", "leavers", "office", "hostile", "big"] {
        let scenario: Scenario = scenario.parse().unwrap();
        let sim = Sim::new(Config { scenario, files: 10, ..Config::default() });
        let jobs = sim.jobs();
        assert_eq!(jobs.first().copied(), Some(scenario.to_string().as_str()));
        for job in jobs {
            assert!(sim.job_toml().contains(&format!("[jobs.{job}]")), "{scenario} {job}");
            let result = sim.compare(job).unwrap();
            assert!(!result.missing.is_empty(), "{scenario} {job} moves nothing");
        }
    }
}
