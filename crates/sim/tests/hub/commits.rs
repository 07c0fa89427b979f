//! Compare-and-swap, one transaction, refusals and the window of commits.

use std::time::Duration;

use landfall_sim::{HubConfig, HubSim};
use serde_json::json;

use crate::client::{Client, OTHER, READ, REPO, deleted, file, lfs_file, sealed};

fn paths(sim: &HubSim) -> Vec<String> {
    sim.files(REPO).into_iter().map(|file| file.path).filter(|path| path != ".gitattributes").collect()
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_is_no_longer_the_head_is_refused() {
    let client = Client::new(HubConfig::default());
    let first = client.sim.head(REPO).unwrap();
    let made = client.commit_on(Some(&first[..7]), &[file("会議.txt", "一")]).await;
    assert_eq!(made.status, 200);
    let second = made.json()["commitOid"].as_str().unwrap().to_owned();
    assert_eq!((second.len(), client.sim.head(REPO).unwrap()), (40, second.clone()));
    let late = client.commit_on(Some(&first), &[file("会議.txt", "二")]).await;
    assert_eq!(
        (late.status, late.error().as_str()),
        (412, "A commit has happened since. Please refresh and try again.")
    );
    assert_eq!(client.sim.read(REPO, "会議.txt").unwrap(), "一");
    assert_eq!(
        client.commit(&[file("会議.txt", "三")]).await.status,
        200,
        "without a parent nothing is compared"
    );
    let parents: Vec<_> = client.sim.commits(REPO).into_iter().map(|commit| commit.parent).collect();
    assert_eq!(parents[..3], [None, Some(first), Some(second)]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_made_whole_or_not_at_all() {
    let client = Client::new(HubConfig::default());
    client.commit(&[file("a/古い.txt", "x"), file("b.txt", "y")]).await;
    let (head, before) = (client.sim.head(REPO), client.tree("main", "", true).await);
    let lines = [file("c/新しい.txt", "z"), deleted("a/古い.txt"), deleted("無い.txt")];
    let refused = client.commit(&lines).await;
    assert_eq!((refused.status, refused.header("x-error-code")), (404, "EntryNotFound"));
    assert!(refused.error().contains("A file with this name doesn't exist"));
    assert_eq!((client.sim.head(REPO), client.tree("main", "", true).await), (head, before));
    let lines = [file("c/新しい.txt", "z"), json!({"key": "deletedFolder", "value": {"path": "a/"}})];
    assert_eq!(client.commit(&lines).await.status, 200);
    assert_eq!(paths(&client.sim), ["b.txt", "c/新しい.txt"]);
}

#[tokio::test(start_paused = true)]
async fn a_pointer_needs_its_object_in_this_repository() {
    let client = Client::new(HubConfig::default());
    let bytes = sealed(3000, 1);
    let oid = client.store(&bytes).await;
    let unknown = "ab".repeat(32);
    let refused =
        client.commit(&[lfs_file("映像/一", &oid, None), lfs_file("映像/二", &unknown, Some(5))]).await;
    assert_eq!(refused.status, 400);
    assert!(refused.error().contains("an LFS pointer pointed to a file that does not exist"));
    assert!(refused.error().ends_with("Offending file:\n  - 映像/二"), "{}", refused.error());
    assert!(paths(&client.sim).is_empty());
    assert_eq!(client.commit(&[lfs_file("映像/一", &oid, Some(2999))]).await.status, 400, "another size");
    assert_eq!(client.commit(&[lfs_file("映像/一", &oid, Some(3000))]).await.status, 200);
    // A move without bytes: no size is needed.
    assert_eq!(client.commit(&[lfs_file("映像/三", &oid, None), deleted("映像/一")]).await.status, 200);
    assert_eq!(client.sim.read(REPO, "映像/三").unwrap(), bytes);
    assert_eq!(paths(&client.sim), ["映像/三"]);
    client.sim.create_repo("me/second", true);
    let body = crate::client::body(None, &[lfs_file("映像/三", &oid, None)]);
    let elsewhere = client.send("POST", "/api/datasets/me/second/commit/main", body).await;
    assert_eq!(elsewhere.status, 400, "another repository has it not");
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_are_found_by_the_commit_where_the_switch_says_so() {
    for check in [true, false] {
        let client = Client::new(HubConfig { check_lfs_bytes: check, ..HubConfig::default() });
        let (good, bad) = (sealed(500, 1), sealed(500, 2));
        let oid = crate::client::sha256(&good);
        let answer = client.batch(&oid, 500).await.json();
        let href = answer["objects"][0]["actions"]["upload"]["href"].as_str().unwrap();
        assert_eq!(client.send("PUT", href, bad).await.status, 200, "the storage looks at nothing");
        let commit = client.commit(&[lfs_file("録音", &oid, Some(500))]).await;
        assert_eq!(commit.status, if check { 400 } else { 200 });
        assert_eq!(client.send("PUT", href, good.clone()).await.status, 200);
        assert_eq!(client.commit(&[lfs_file("録音", &oid, Some(500))]).await.status, 200);
        assert_eq!(client.sim.read(REPO, "録音").unwrap(), good);
        assert_eq!(client.sim.contents().len(), 3, "the wrong bytes are remembered too");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_of_folders_and_repositories_refuse_growth_only() {
    let config = HubConfig { files_per_folder: 5, files_per_repo: 12, ..HubConfig::default() };
    let client = Client::new(config);
    let many = |folder: &str, count: usize| -> Vec<_> {
        (0..count).map(|number| file(&format!("{folder}/{number}"), folder)).collect()
    };
    assert_eq!(client.commit(&many("花子", 5)).await.status, 200);
    let refused = client.commit(&[file("花子/深い/x", "x")]).await;
    assert_eq!(refused.status, 400, "a folder counts as an entry");
    assert_eq!(
        refused.error(),
        "Your push was rejected because it contains too many files per directory. Each directory in your git repo can \
         only contain up to 5 files. Offending reference: refs/heads/main Offending directories: /花子/"
    );
    assert_eq!(client.commit(&[file("花子/3", "別")]).await.status, 200, "what is replaced does not grow");
    assert_eq!(client.commit(&many("太郎", 5)).await.status, 200);
    let refused = client.commit(&many("次郎", 2)).await;
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (400, "Your git repo would contain 13 files after this push, over the limit of 12 files.")
    );
    // Filled by somebody else beyond the limit, it can still shrink.
    let more = (0..6).map(|number| (format!("太郎/余り{number}"), "x".into())).collect();
    client.sim.put(REPO, more);
    assert_eq!(client.commit(&[deleted("太郎/余り0")]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn names_that_cannot_be_are_refused() {
    let client = Client::new(HubConfig::default());
    client.commit(&[file("a/b", "x")]).await;
    for path in [".git/config", "x/../y", "x//y", "", "a/.cache/z", "a", "a/b/c"] {
        assert_eq!(client.commit(&[file(path, "x")]).await.status, 400, "{path:?}");
    }
    assert_eq!(client.commit(&[deleted("a/b"), file("a", "x")]).await.status, 200, "first gone, then free");
    assert_eq!(
        client.send("POST", &format!("/api/datasets/{REPO}/commit/main"), "nonsense\n").await.status,
        400
    );
    let unheaded =
        client.send("POST", &format!("/api/datasets/{REPO}/commit/main"), file("x", "x").to_string()).await;
    assert_eq!(unheaded.status, 400);
}

#[tokio::test(start_paused = true)]
async fn rights_and_a_full_storage() {
    let client = Client::new(HubConfig::default());
    let line = [file("x.txt", "x")];
    assert_eq!(client.with(READ).commit(&line).await.status, 403);
    let hidden = client.with(OTHER).commit(&line).await;
    assert_eq!((hidden.status, hidden.header("x-error-code")), (404, "RepoNotFound"));
    let hidden = client.with("").commit(&line).await;
    assert_eq!((hidden.status, hidden.header("x-error-code")), (401, "RepoNotFound"));
    let url = format!("/api/datasets/{REPO}/commit/main?create_pr=1");
    assert_eq!(client.send("POST", &url, crate::client::body(None, &line)).await.status, 403);
    client.sim.storage_full(true);
    let full = client.commit(&line).await;
    assert!(full.status == 403 && full.error().starts_with("Private repository storage limit reached"));
    assert_eq!(client.batch(&"cd".repeat(32), 9).await.status, 403);
    client.sim.storage_full(false);
    assert_eq!(client.commit(&line).await.status, 200);
    client.sim.revoke(crate::client::WRITE);
    let revoked = client.commit(&line).await;
    assert_eq!(
        (revoked.status, revoked.header("x-error-message")),
        (401, "Invalid credentials in Authorization header")
    );
}

#[tokio::test(start_paused = true)]
async fn the_window_of_commits_slides_and_speaks_in_three_ways() {
    let config = HubConfig { commits_per_hour: 3, ..HubConfig::default() };
    let client = Client::new(config);
    client.sim.create_repo("me/second", true);
    for number in 0..3 {
        assert_eq!(client.commit(&[file("x", &number.to_string())]).await.status, 200);
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    // 1,800 s after the first commit.
    let refused = client.commit(&[file("x", "3")]).await;
    assert_eq!(refused.status, 429);
    assert!(
        refused.error().contains("(3 per hour). You can retry this action in 30 minutes"),
        "{}",
        refused.error()
    );
    assert!(refused.header("ratelimit").starts_with("\"api\";r=99"), "{}", refused.header("ratelimit"));
    assert_eq!(refused.header("retry-after"), "");
    assert_eq!(client.sim.requests().violations.len(), 1, "a fourth try within the hour");
    let second = crate::client::body(None, &[file("x", "3")]);
    assert_eq!(client.send("POST", "/api/datasets/me/second/commit/main", second).await.status, 200);

    tokio::time::sleep(Duration::from_secs(100)).await;
    let refused = client.commit(&[file("x", "3")]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1700"));
    let early = client.sim.requests().violations;
    assert!(early.len() == 2 && early[1].contains("it was told to wait until"), "{early:?}");
    let refused = client.commit(&[file("x", "3")]).await;
    assert!(refused.error().contains("exceeded our hourly quotas for action: commit (3 per hour)"));

    tokio::time::sleep(Duration::from_secs(1700)).await;
    client.sim.reset_requests();
    assert_eq!(client.commit(&[file("x", "3")]).await.status, 200, "the first has left the window");
    assert!(client.sim.requests().violations.is_empty());
    assert_eq!(client.commit(&[file("x", "4")]).await.status, 429, "and only the first");
    assert_eq!((client.sim.requests().commits, client.sim.requests().throttled), (1, 1));
}
