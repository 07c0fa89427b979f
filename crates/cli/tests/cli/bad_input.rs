//! Every bad input of the first job, with the code and the exit that it gets, and nothing lost by it.

use crate::support::{Bench, Output, Served, wait_until};
use serde_json::Value;

const TO: &str = "destination = { kind = \"sharepoint\", site = \"contoso.sharepoint.com/sites/Archive\", library = \"Documents\", path = \"/Voices\" }";
const FROM: &str = "source = { kind = \"onedrive\", user = \"ada@contoso.com\", path = \"/Recordings\" }";

#[track_caller]
fn assert_refused(output: &Output, code: &str, exit: i32, words: &str) {
    let said = output.json();
    let told = said["error"]["code"].as_str().unwrap_or("none");
    assert_eq!((told, output.code), (code, exit), "{}\n{}", output.stdout, output.stderr);
    assert!(said["error"]["detail"].as_str().unwrap().contains(words), "{words:?} is not in {said}");
    assert!(
        output.stderr.contains(&format!("error[{code}]")) && output.stderr.contains("next: "),
        "{}",
        output.stderr
    );
}

fn sim() -> Served {
    Served::start(&["--scenario", "voices", "--files", "8"])
}

/// Runs with this source and destination in place of the simulator's own.
fn with_job(sim: &Served, from: &str, to: &str) -> Output {
    sim.bench.write("other.toml", &format!("[jobs.voices]\n{from}\n{to}\n"));
    sim.bench.landfall(&["run", "voices", "--json", "--config", "other.toml"])
}

#[test]
fn usage_and_configuration() {
    let bench = Bench::new();
    assert_refused(&bench.landfall(&["run", "voices", "--json"]), "LF0108", 2, "landfall.toml is not there");
    bench.write("landfall.toml", &format!("[jobs.voices]\n{FROM}\n{TO}\n"));
    assert_refused(&bench.landfall(&["run", "tweets", "--json"]), "LF0101", 2, "there are: voices");
    assert_refused(&bench.landfall(&["run", "voices", "--json"]), "LF0103", 2, "AZURE_TENANT_ID is not set");
    assert_refused(&bench.landfall(&["run", "voices", "--json", "--path", "["]), "LF0104", 2, "pattern");
    assert_eq!(bench.landfall(&["run"]).code, 2);
    assert_eq!(bench.landfall(&["walk", "voices"]).code, 2);
    bench.write("landfall.toml", &format!("[jobs.voices]\n{FROM}\n{TO}\ninlcude = []\n"));
    let output = bench.landfall(&["run", "voices", "--json"]);
    assert_refused(&output, "LF0102", 2, "line 4, column 1");
    assert!(
        output.stderr.contains("4 | inlcude = []") && output.stderr.contains("^^^^^^^"),
        "{}",
        output.stderr
    );
    bench.write(".env", "AZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c\nAZURE_CLIENT_SECRET=s\nLANDFALL_GRAPH_URL=http://example.com/v1.0\n");
    bench.write("landfall.toml", &format!("[jobs.voices]\n{FROM}\n{TO}\n"));
    assert_refused(&bench.landfall(&["run", "voices", "--json"]), "LF0109", 2, "example.com");
    bench.write("users.csv", "user,colour\nada@contoso.com,red\n");
    bench.write(
        "landfall.toml",
        &format!("[jobs.voices]\nsource = {{ kind = \"onedrive\", users = \"users.csv\" }}\n{TO}\n"),
    );
    assert_refused(&bench.landfall(&["run", "voices", "--json"]), "LF0105", 2, "line 1");
}

#[test]
fn credentials_and_permissions() {
    let sim = sim();
    sim.ask("POST", "world", r#"{"op":"expire_secret","expired":true}"#);
    assert_refused(&sim.bench.landfall(&["run", "voices", "--json"]), "LF0202", 3, "");
    sim.ask("POST", "world", r#"{"op":"expire_secret","expired":false}"#);
    sim.ask("POST", "world", r#"{"op":"roles","roles":["User.Read.All"]}"#);
    let output = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_refused(&output, "LF0210", 3, "Sites.Read.All");
    sim.ask("POST", "world", r#"{"op":"roles","roles":["Files.ReadWrite.All","Sites.ReadWrite.All"]}"#);
    assert_eq!(sim.bench.landfall(&["run", "voices", "--json"]).code, 0);
    for (name, code) in [("AZURE_CLIENT_SECRET", "LF0201"), ("AZURE_CLIENT_ID", "LF0203")] {
        let env = sim.bench.read(".env");
        sim.bench.replace(
            ".env",
            &format!("{name}="),
            &format!("{name}=11111111-2222-3333-4444-555555555555"),
        );
        assert_refused(&sim.bench.landfall(&["run", "voices", "--json"]), code, 3, "");
        sim.bench.write(".env", &env);
    }
}

#[test]
fn places_that_are_not_there() {
    let sim = sim();
    let user = FROM.replace("ada@", "nobody@");
    assert_refused(&with_job(&sim, &user, TO), "LF0301", 2, "nobody@contoso.com");
    assert_refused(&with_job(&sim, FROM, &TO.replace("Archive", "Nowhere")), "LF0302", 2, "Nowhere");
    assert_refused(
        &with_job(&sim, FROM, &TO.replace("\"Documents\"", "\"書庫\"")),
        "LF0303",
        2,
        "\"Documents\"",
    );
    assert_refused(
        &with_job(&sim, FROM, &TO.replace("/Voices", "/読んでください.txt")),
        "LF0305",
        2,
        "is a file",
    );
    let inside =
        "destination = { kind = \"onedrive\", user = \"ada@contoso.com\", path = \"/Recordings/控え\" }";
    assert_refused(&with_job(&sim, FROM, inside), "LF0106", 2, "lies in");
    let output = with_job(&sim, &FROM.replace("/Recordings", "/録音ではない"), TO);
    assert_refused(&output, "LF0304", 2, "does not lie in");
    assert_eq!(sim.requests()["writes"], 0, "a refused job wrote something");
    let mended = with_job(&sim, FROM, TO);
    assert_eq!(mended.code, 0, "a slip in the path cannot be mended: {}", mended.stderr);
}

#[test]
fn a_changed_target_under_the_same_name() {
    let sim = sim();
    assert_eq!(sim.bench.landfall(&["run", "voices", "--json"]).code, 0);
    let text = sim.bench.read("landfall.toml");
    for changed in [text.replace("/Voices", "/Elsewhere"), text.replace("\"Documents\"", "\"Site Assets\"")] {
        sim.bench.write("landfall.toml", &changed);
        assert_refused(&sim.bench.landfall(&["run", "voices", "--json"]), "LF0107", 2, "");
    }
    let wider = text.replace("\"/Recordings\"", "\"/\"");
    assert_ne!(wider, text);
    sim.bench.write("landfall.toml", &wider);
    sim.reset();
    assert_refused(&sim.bench.landfall(&["run", "voices", "--json"]), "LF0107", 2, "Recordings");
    assert_eq!(sim.requests()["writes"], 0);
    sim.bench.write("landfall.toml", &text);
    assert_eq!(sim.bench.landfall(&["run", "voices", "--json"]).code, 0);
    sim.assert_clean("voices");
}

#[test]
fn a_full_destination_stops_the_run_and_loses_nothing() {
    let sim = Served::start(&["--scenario", "voices", "--files", "30"]);
    sim.ask("POST", "world", r#"{"op":"quota","drive":"Documents"}"#);
    assert_refused(&sim.bench.landfall(&["run", "voices", "--json"]), "LF0306", 5, "");
    sim.ask("POST", "world", r#"{"op":"quota","drive":"Documents","total":1099511627776}"#);
    let run = sim.bench.landfall(&["run", "voices", "--json"]);
    assert_eq!((run.code, run.json()["states"]["SUCCESS"].as_u64()), (0, Some(30)), "{}", run.stderr);
    sim.assert_clean("voices");
}

#[test]
fn a_spool_or_ledger_that_cannot_be_used() {
    let sim = sim();
    let text = sim.bench.read("landfall.toml");
    sim.bench.write("no-folder", "a file");
    sim.bench.write("landfall.toml", &format!("{text}spool = {{ folder = \"no-folder/spool\" }}\n"));
    assert_refused(&sim.bench.landfall(&["run", "voices", "--json"]), "LF0507", 8, "");
    sim.bench.write("landfall.toml", &text);
    for kept in ["landfall.db-wal", "landfall.db-shm"] {
        // What a killed process left there would restore the database.
        drop(std::fs::remove_file(sim.bench.path(kept)));
    }
    sim.bench.write("landfall.db", &"not a database at all ".repeat(500));
    assert_refused(&sim.bench.landfall(&["run", "voices", "--json"]), "LF0502", 8, "");
    std::fs::remove_file(sim.bench.path("landfall.db")).unwrap();
    sim.bench.write("landfall.toml", &text.replace("sqlite:landfall.db", "sqlite:no-folder/x.db"));
    assert_refused(&sim.bench.landfall(&["run", "voices", "--json"]), "LF0504", 8, "");
    sim.bench.write("landfall.toml", &text);
    std::fs::remove_dir_all(sim.bench.path(".landfall")).unwrap();
    sim.bench.write(".landfall", "a file");
    assert_refused(&sim.bench.landfall(&["run", "voices", "--json"]), "LF0509", 8, "");
    std::fs::remove_file(sim.bench.path(".landfall")).unwrap();
    assert_eq!(sim.bench.landfall(&["run", "voices", "--json"]).code, 0);
}

#[test]
fn a_lost_key_costs_nothing_but_repeated_work() {
    let sim = Served::start(&["--scenario", "voices", "--files", "200", "--latency", "20ms"]);
    let mut first = sim.bench.start(&["run", "voices", "--json"]);
    wait_until("the fortieth write", || sim.requests()["writes"].as_u64().unwrap() >= 40);
    first.kill().unwrap();
    first.wait().unwrap();
    std::fs::remove_file(sim.bench.path("landfall.db.key")).unwrap();
    let mut second = sim.bench.start(&["run", "voices", "--json"]);
    // A name that a lost session holds is waited for, longer than this test does; everything else lands.
    let mut states = Value::Null;
    wait_until("the landing of nearly all", || {
        states = sim.bench.landfall(&["status", "voices", "--json"]).json()["states"].clone();
        states["SUCCESS"].as_u64().unwrap() >= 150
    });
    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(states["NG"], 0, "{states}");
}

#[test]
fn logs_that_cannot_be_understood() {
    let sim = sim();
    assert_refused(
        &sim.bench.landfall(&["log", "import", "voices", "old.csv", "--json"]),
        "LF0104",
        2,
        "landfall crawl voices",
    );
    assert_eq!(sim.bench.landfall(&["crawl", "voices", "--json"]).code, 0);
    let header = "relative_path,file_name,file_size_bytes,status,timestamp,comment\n";
    for (text, code, words) in [
        ("a,b\n1,2\n".to_owned(), "LF0602", ""),
        (format!("{header}a.wav,a.wav,1,FERTIG,2025-06-21 09:00,\n"), "LF0603", "line 2"),
        (format!("{header}録音.wav,録音.wav,1,PENDING\n"), "LF0604", "line 2"),
    ] {
        sim.bench.write("old.csv", &text);
        let output = sim.bench.landfall(&["log", "import", "voices", "old.csv", "--json"]);
        let refused = output.json()["refused"][0].clone();
        assert_eq!((output.code, refused["code"].as_str()), (2, Some(code)), "{}", output.stdout);
        assert!(refused["detail"].as_str().unwrap().contains(words), "{refused}");
    }
}

#[test]
fn hostile_names_are_recorded_and_the_rest_goes_on() {
    let sim = Served::start(&["--scenario", "hostile", "--files", "10"]);
    let run = sim.bench.landfall(&["run", "hostile", "--json"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let summary = run.json();
    assert_eq!(summary["skipped"]["shortcut"], 1, "{summary}");
    assert_eq!(summary["skipped"]["malware"], 1, "{summary}");
    assert!(summary["states"]["SUCCESS"].as_u64().unwrap() >= 10, "{summary}");
    let status = sim.bench.landfall(&["status", "hostile", "--json"]).json();
    assert_eq!(status["reasons"]["NG"]["name-too-long"], 1, "{status}");
}

#[test]
fn the_doctor_names_what_is_wrong_and_the_next_step() {
    let sim = sim();
    let well = sim.bench.landfall(&["doctor", "voices", "--json"]);
    assert_eq!(well.code, 0, "{}\n{}", well.stdout, well.stderr);
    let checks = well.json()["checks"].clone();
    for check in
        ["config", "ledger", "spool", "token", "clock", "source", "listing", "destination", "columns"]
    {
        assert!(
            checks.as_array().unwrap().iter().any(|c| c["check"] == check && c["state"] != "wrong"),
            "{check}: {checks}"
        );
    }
    sim.ask("POST", "world", r#"{"op":"roles","roles":["Files.Read.All","Sites.Read.All"]}"#);
    let reader = sim.bench.landfall(&["doctor", "voices", "--json"]);
    assert_eq!(reader.code, 3, "{}", reader.stdout);
    let checks = reader.json()["checks"].clone();
    let writing = checks.as_array().unwrap().iter().find(|c| c["check"] == "writing").unwrap();
    assert_eq!(writing["state"], "wrong", "{writing}");
    let detail = writing["detail"].as_str().unwrap();
    assert!(detail.contains("LF0210") && detail.contains("one of Files.ReadWrite.All, "), "{detail}");
    sim.ask("POST", "world", r#"{"op":"roles","roles":["Files.ReadWrite.All","Sites.ReadWrite.All"]}"#);
    sim.ask("POST", "world", r#"{"op":"state","drive":"Documents","state":"archived"}"#);
    let ill = sim.bench.landfall(&["doctor", "voices", "--json"]);
    assert_eq!(ill.code, 5, "{}", ill.stdout);
    let wrong: Vec<_> =
        ill.json()["checks"].as_array().unwrap().iter().filter(|c| c["state"] == "wrong").cloned().collect();
    assert!(wrong.iter().any(|c| c["check"] == "destination" && c["next"].is_string()), "{wrong:?}");
    assert_eq!(sim.requests()["writes"], 0);
}
