//! Resolvers that lie, babble or say nothing: they cost nothing but their answers.

use std::time::Duration;

use serde_json::Value;

use crate::support::{ServedArchive, interrupted, wait_until};

#[test]
fn a_resolver_that_prints_garbage_or_ends_well_with_an_error_costs_nothing_but_its_answers() {
    let sim = ServedArchive::start(&["--files", "60", "--seed", "4"]);
    assert_eq!(sim.bench.landfall(&["verify", "tweets", "--json"]).code, 6);
    let before = sim.bytes();
    for script in [
        "print('no JSON at all')\nprint('error: log in first')\n",
        "import sys\nsys.stderr.write('エラー: ログインしてください\\n')\n",
        "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 999)\n",
        "raise SystemExit(3)\n",
    ] {
        sim.bench.write("resolver.py", script);
        let output = sim.bench.landfall(&["repair", "tweets", "--json", "--pattern", "3", "--limit", "2"]);
        assert_eq!(output.code, 1, "{script}: {}\n{}", output.stdout, output.stderr);
        let object = output.json();
        assert!(object["files"]["postponed"].as_u64().is_some_and(|n| n > 0), "{script}: {object}");
        assert_eq!(object["files"]["mended"], Value::Null, "{script}: {object}");
    }
    assert!(sim.bytes() == before, "something was written");
}

#[test]
fn a_resolver_that_hangs_is_ended_after_its_time_and_at_once_when_somebody_asks_to_stop() {
    let sim = ServedArchive::start(&["--files", "60", "--seed", "4"]);
    assert_eq!(sim.bench.landfall(&["verify", "tweets", "--json"]).code, 6);
    let itself = sim.bench.read("resolver.py");
    let script = "import os, time\n\
        with open('begun', 'w') as file:\n    file.write(str(os.getpid()))\n\
        os.rename('begun', 'hanging')\n\
        time.sleep(3600)\n";
    sim.bench.write("resolver.py", script);
    let lives = || {
        let pid = std::fs::read_to_string(sim.bench.path("hanging")).unwrap_or_default();
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !pid.is_empty() && !state.is_empty() && !state.contains(") Z ")
    };
    let seconds = sim.toml.replace("\"resolver.py\"] }", "\"resolver.py\"], seconds = 1 }");
    assert_ne!(seconds, sim.toml);
    sim.bench.write("landfall.toml", &seconds);
    let output = sim.bench.landfall(&["repair", "tweets", "--json", "--pattern", "3", "--limit", "1"]);
    assert_eq!(output.code, 1, "{}\n{}", output.stdout, output.stderr);
    assert_eq!(output.json()["files"], serde_json::json!({ "postponed": 1 }), "{}", output.stdout);
    assert!(sim.bench.path("hanging").exists() && !lives(), "the command outlived its time");

    sim.bench.write("landfall.toml", &sim.toml);
    for command in ["repair", "run"] {
        std::fs::remove_file(sim.bench.path("hanging")).unwrap();
        let child = sim.bench.start(&[command, "tweets", "--json"]);
        wait_until("the resolver's start", lives);
        let (output, took) = interrupted(child);
        assert_eq!(output.status.code(), Some(130), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(took < Duration::from_secs(4), "{command}: {took:?}");
        assert!(!lives(), "{command}: the resolver outlived the one who asked it");
    }
    sim.bench.write("resolver.py", &itself);
    sim.settles();
}
