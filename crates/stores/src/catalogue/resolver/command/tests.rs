use landfall_core::SystemClock;
use tokio::time::Instant;

use super::super::super::{MediaKind, Unavailable};
use super::*;

/// A resolver whose command is a shell script; the test is about the process, not about the shell.
fn script(text: &str) -> CommandResolver {
    let argv = ["sh", "-c", text].map(str::to_owned).to_vec();
    let environment = vec![
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("HF_TOKEN".to_owned(), "hush".to_owned()),
        ("TWS_TELEMETRY".to_owned(), "1".to_owned()),
        ("COOKIES_FILE".to_owned(), "c.txt".to_owned()),
    ];
    let mut config = CommandConfig::new(argv, environment);
    config.allow = vec!["COOKIES_FILE".to_owned()];
    config.each = Duration::from_millis(500);
    config.grace = Duration::from_secs(3);
    CommandResolver::new(config, Arc::new(SystemClock))
}

fn asks(ids: &[&str]) -> Vec<Ask> {
    ids.iter().map(|id| Ask { id: (*id).to_owned(), username: "alice".into() }).collect()
}

fn line(id: &str, rest: &str) -> String {
    format!("echo '{{\"v\":1,\"id\":\"{id}\",{rest}}}'")
}

const OK: &str = "\"status\":\"ok\",\"media\":[{\"n\":1,\"type\":\"photo\",\"url\":\"https://pbs.twimg.com/media/K.jpg\"}]";

fn is_ok(resolved: &Resolved) -> bool {
    matches!(resolved, Resolved::Media { items, .. } if items[0].kind == MediaKind::Image)
}

#[tokio::test]
async fn answers_come_in_any_order_among_garbage_and_the_missing_are_unanswered() {
    let deleted = line("2", "\"status\":\"unavailable\",\"reason\":\"deleted\",\"detail\":\"d\"");
    let text = format!(
        "{}; echo 'Not Found. See --raw for more details.'; echo '{{broken'; {deleted}; {}; {}",
        line("3", OK),
        line("99", OK),
        line("1", OK),
    );
    let answers = script(&text).resolve(&asks(&["1", "2", "3", "4", "1", "--help"])).await;
    assert!(is_ok(&answers[0]) && is_ok(&answers[2]) && is_ok(&answers[4]));
    assert!(matches!(&answers[1], Resolved::Unavailable { reason: Unavailable::Deleted, .. }));
    assert_eq!(answers[3], Resolved::Unanswered);
    assert!(matches!(&answers[5], Resolved::Unavailable { reason: Unavailable::Unknown, .. }));
}

#[tokio::test]
async fn an_error_text_with_status_0_and_a_status_that_is_not_0_answer_nothing() {
    for text in [
        "echo 'Not Found. See --raw for more details.'",
        "exit 1",
        "cat >/dev/null; echo no >&2; exit 3",
        "true",
    ] {
        assert_eq!(script(text).resolve(&asks(&["1"])).await, [Resolved::Unanswered], "{text}");
    }
    let partly = format!("{}; exit 1", line("1", OK));
    let answers = script(&partly).resolve(&asks(&["1", "2"])).await;
    assert!(is_ok(&answers[0]) && answers[1] == Resolved::Unanswered);
    // Cut off in the middle of a line.
    let cut = "printf '{\"v\":1,\"id\":\"1\",\"status\":\"unavailable\",\"reason\":\"del'";
    assert_eq!(script(cut).resolve(&asks(&["1"])).await, [Resolved::Unanswered]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_that_hangs_is_stopped_with_its_children_and_what_it_said_counts() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let text = format!("{}; sleep 600 & echo $! > {}; sleep 600", line("1", OK), pid.display());
    let before = Instant::now();
    let answers = script(&text).resolve(&asks(&["1", "2"])).await;
    assert!(before.elapsed() < Duration::from_secs(30), "{:?}", before.elapsed());
    assert!(is_ok(&answers[0]) && answers[1] == Resolved::Unanswered);
    let child: i32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    for _ in 0..100 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero()));
        if rustix::process::test_kill_process(child).is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the command's child lives on");
}

#[tokio::test]
async fn the_command_sees_listed_names_of_the_environment_only() {
    let text = "test -z \"$HF_TOKEN\" && test \"$TWS_TELEMETRY\" = 0 && test \"$COOKIES_FILE\" = c.txt && ";
    let answers = script(&format!("{text}{}", line("1", OK))).resolve(&asks(&["1"])).await;
    assert!(is_ok(&answers[0]), "{answers:?}");
}

#[tokio::test]
async fn requests_go_to_the_command_as_lines() {
    let text = "while read -r l; do case $l in *'\"id\":\"7\"'*'\"username\":\"alice\"'*) ";
    let text = format!("{text}{};; esac; done", line("7", OK));
    let answers = script(&text).resolve(&asks(&["6", "7"])).await;
    assert_eq!((&answers[0], is_ok(&answers[1])), (&Resolved::Unanswered, true));
}

#[tokio::test]
async fn a_rate_limit_pauses_and_a_fatal_error_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let starts = folder.path().join("starts");
    let count = || std::fs::read_to_string(&starts).unwrap().lines().count();
    let limited = line("1", "\"status\":\"rate_limited\",\"retry_at\":9999999999");
    let resolver = script(&format!("echo x >> {}; {limited}; {}", starts.display(), line("2", OK)));
    for round in 0..2 {
        let answers = resolver.resolve(&asks(&["1", "2", "3"])).await;
        assert!(matches!(answers[0], Resolved::RateLimited { .. }) && answers[0] == answers[2]);
        assert_eq!(is_ok(&answers[1]), round == 0);
        assert_eq!(count(), 1);
    }
    std::fs::remove_file(&starts).unwrap();
    let fatal = "echo '{\"v\":1,\"status\":\"fatal\",\"detail\":\"no active account\"}'; sleep 600";
    let resolver = script(&format!("echo x >> {}; {}; {fatal}", starts.display(), line("1", OK)));
    let answers = resolver.resolve(&asks(&["1", "2"])).await;
    assert!(is_ok(&answers[0]));
    assert_eq!(answers[1], Resolved::Fatal { detail: "no active account".into() });
    assert!(matches!(resolver.resolve(&asks(&["3"])).await[..], [Resolved::Fatal { .. }]));
    assert_eq!(count(), 1);
}

#[tokio::test]
async fn endless_output_costs_neither_memory_nor_the_answers_beside_it() {
    let text = format!("{}; head -c 3000000 /dev/zero | tr '\\0' x; echo; {}", line("1", OK), line("2", OK));
    let answers = script(&text).resolve(&asks(&["1", "2"])).await;
    assert!(answers.iter().all(is_ok), "{answers:?}");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_fatal_and_named() {
    for argv in [vec!["landfall-no-such-command".to_owned()], Vec::new()] {
        let config = CommandConfig::new(argv, Vec::new());
        let answers = CommandResolver::new(config, Arc::new(SystemClock)).resolve(&asks(&["1"])).await;
        assert!(matches!(&answers[0], Resolved::Fatal { detail } if detail.contains("cannot be started")));
    }
}

#[tokio::test]
async fn posts_go_in_batches() {
    let folder = tempfile::tempdir().unwrap();
    let starts = folder.path().join("starts");
    let mut resolver = script(&format!("wc -l >> {}", starts.display()));
    resolver.config.batch = 2;
    resolver.resolve(&asks(&["1", "2", "3", "4", "5"])).await;
    let sizes = std::fs::read_to_string(&starts).unwrap();
    assert_eq!(sizes.split_whitespace().collect::<Vec<_>>(), ["2", "2", "1"]);
}
