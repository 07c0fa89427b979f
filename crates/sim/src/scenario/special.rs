//! Trees with difficulties: people who leave, and what cannot be moved.

use unicode_normalization::UnicodeNormalization as _;

use crate::config::Config;
use crate::content::Content;
use crate::scenario::{Extras, Scene, one_job, small_size, source_of};
use crate::world::{MY_HOST, SITE_HOST, personal_segment};

/// Several users: one has no OneDrive, one is gone from the directory, names collide when all are merged.
pub(super) fn leavers(scene: &mut Scene<'_>, config: &Config) -> Extras {
    let people = [
        ("ben@contoso.com", "Ben", true),
        ("chie@contoso.com", "千恵", true),
        ("emi@contoso.com", "恵美", false),
    ];
    for (upn, name, with_drive) in people {
        scene.world.add_user(upn, name, with_drive);
    }
    let dan = scene.world.add_user("dan@contoso.com", "Dan", true);
    if let Some(user) = scene.world.users.get_mut(dan) {
        user.deleted = true;
    }
    let users = [0, 1, 2, dan];
    for (k, user) in users.into_iter().enumerate() {
        let Some(drive) = scene.world.users.get(user).and_then(|user| user.drive) else { continue };
        let folder = scene.folder(drive, "/録音/会議");
        for n in 0..(config.files / 4).max(1) {
            let size = config.file_size.unwrap_or_else(|| small_size(config, n * 4 + k as u64));
            scene.file(drive, folder, &format!("会議録音_{k}_{n:05}.wav"), size);
        }
        scene.file(drive, folder, "議事録.txt", 500 + k as u64);
        let twin: String = if k % 2 == 0 { "ガイド.wav".into() } else { "ガイド.wav".nfd().collect() };
        scene.file(drive, folder, &twin, 700 + k as u64);
        scene.file(drive, folder, if k % 2 == 0 { "Memo.TXT" } else { "memo.txt" }, 900 + k as u64);
    }
    let sources: Vec<_> = users.iter().filter_map(|user| source_of(scene.world, *user, "/")).collect();
    scene.job("leavers", sources.clone(), "/Leavers/{user}");
    scene.job("merged", sources, "/Merged");
    let destination = |path: &str| {
        format!(
            "destination = {{ kind = \"sharepoint\", site = \"{SITE_HOST}/sites/Archive\", library = \"Documents\", path = \"{path}\" }}\n"
        )
    };
    let mut toml = String::from("[ledger]\nurl = \"sqlite:landfall.db\"\n");
    for (job, path) in [("leavers", "/Leavers/{user}"), ("merged", "/Merged")] {
        toml.push_str(&format!(
            "\n[jobs.{job}]\nsource      = {{ kind = \"onedrive\", users = \"leavers.csv\" }}\n{}",
            destination(path)
        ));
    }
    let gone = personal_segment("dan@contoso.com");
    let csv = format!(
        "user,path,site_url\nada@contoso.com,/,\nben@contoso.com,/,\nchie@contoso.com,/,\n,/,https://{MY_HOST}/personal/{gone}\nemi@contoso.com,/,\n"
    );
    Extras { toml, side_files: vec![("leavers.csv".into(), csv.into_bytes())] }
}

/// Everything that a source can hold and a client must not stumble over.
pub(super) fn hostile(scene: &mut Scene<'_>, config: &Config) -> Extras {
    let ada = scene.ada;
    scene.world.config.children_first = true;
    let top = scene.folder(ada, "/");
    for n in 0..config.files {
        let size = config.file_size.unwrap_or_else(|| small_size(config, n));
        scene.file(ada, top, &format!("普通の録音 {n:05}.wav"), size);
    }
    let notebook = scene.folder(ada, "/ノート/会議ノート");
    let first = scene.file(ada, notebook, "Open Notebook.onetoc2", 5000);
    scene.file(ada, notebook, "第一章.one", 40_000);
    let virus = scene.file(ada, top, "請求書.exe", 3000);
    let labelled = scene.file(ada, top, "社外秘.pdf", 20_000);
    let target = scene.folder(ada, "/共有元");
    let shortcut = scene.folder(ada, "/チームの資料");
    // A path that fits here and not below the longer prefix of the library.
    let long = "長".repeat(165);
    let deep = scene.folder(ada, &format!("/{long}/{long}"));
    scene.file(ada, deep, "深い所の録音_これ以上は入らない名前.wav", 2000);
    // `forms` is reserved at the root of a library only: here it lies one level down and lands at the root.
    let forms = scene.folder(ada, "/根へ/Forms");
    scene.file(ada, forms, "申込書.txt", 300);
    let Some(drive) = scene.world.drive_mut(ada) else { return Extras::default() };
    let _ = (first, target);
    if let Some(item) = drive.item_mut(notebook) {
        item.extra_mut().package = Some("oneNote");
    }
    if let Some(item) = drive.item_mut(virus) {
        item.extra_mut().malware = true;
    }
    if let Some(item) = drive.item_mut(labelled) {
        item.extra_mut().served = Some(Content::Generated { seed: config.seed ^ 0xa1b, len: 20_480 });
    }
    let library = scene.library;
    if let Some(item) = scene.world.drive_mut(ada).and_then(|drive| drive.item_mut(shortcut)) {
        item.extra_mut().shortcut = Some((library, 0));
    }
    let sources = source_of(scene.world, 0, "/").into_iter().collect();
    scene.job("hostile", sources, "/Hostile/とても長い名前の移行先フォルダー");
    let roots = source_of(scene.world, 0, "/根へ").into_iter().collect();
    scene.job("roots", roots, "/");
    let mut toml = one_job("hostile", "/", "/Hostile/とても長い名前の移行先フォルダー");
    let second = one_job("roots", "/根へ", "/");
    toml.push_str(second.split_once("\n\n").map_or("", |(_, job)| job));
    Extras { toml, side_files: Vec::new() }
}
