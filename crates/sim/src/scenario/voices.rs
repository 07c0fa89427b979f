//! Plain trees: recordings by month, one large folder, one large file.
//!
//! Everything here can be moved as it is, so that a correct client ends complete.

use unicode_normalization::UnicodeNormalization as _;

use crate::config::Config;
use crate::content::mix;
use crate::scenario::{Extras, Scene, one_job, small_size, source_of};

const CITIES: [&str; 6] = ["東京", "大阪", "札幌", "福岡", "那覇", "仙台"];
/// One file in so many is empty.
const EMPTY_EVERY: u64 = 200;

pub(super) fn voices(scene: &mut Scene<'_>, config: &Config) -> Extras {
    let ada = scene.ada;
    let top = scene.folder(ada, "/Recordings");
    let months = (config.files / 60).max(1);
    let folders: Vec<u32> = (0..months)
        .map(|k| scene.folder(ada, &format!("/Recordings/{}年/{:02}月", 2019 + k / 12, k % 12 + 1)))
        .collect();
    for n in 0..config.files {
        let at = usize::try_from(n % months).unwrap_or(0);
        let folder = if n % 97 == 96 { top } else { folders.get(at).copied().unwrap_or(top) };
        let (name, size) = (voice_name(config, n), voice_size(config, n));
        scene.file(ada, folder, &name, size);
    }
    scene.folder(ada, "/Recordings/空のフォルダー/中身なし");
    scene.literal(ada, "/Recordings 2/別の録音.wav", "not part of the job");
    scene.literal(ada, "/書類/見積書.txt", "not part of the job either");
    scene.literal(ada, "/録音.wav", "at the top");
    let sources = source_of(scene.world, 0, "/Recordings").into_iter().collect();
    scene.job("voices", sources, "/Voices");
    Extras { toml: one_job("voices", "/Recordings", "/Voices"), side_files: Vec::new() }
}

fn voice_name(config: &Config, n: u64) -> String {
    let r = mix(config.seed ^ (n << 8) ^ 0x9a3e);
    let city = CITIES.get(usize::try_from(r % 6).unwrap_or(0)).copied().unwrap_or("東京");
    let day = format!("20{:02}-{:02}-{:02}", 15 + (r >> 8) % 11, 1 + (r >> 16) % 12, 1 + (r >> 24) % 28);
    match n % 12 {
        1 => format!("インタビュー ガイド {n:05}.m4a").nfd().collect(),
        2 => format!("🎤 ボイスメモ {n:05}.mp3"),
        3 => format!("通話 #{n:05} 100%.wav"),
        4 => format!("O'Brien + 田中 {n:05}.mp3"),
        5 => format!("メモ{n:05}.txt"),
        6 => format!("留守番電話 [{city}] {n:05} (控え) & 他.m4a"),
        7 => format!("Voice %20 {n:05}.wav"),
        _ => format!("会議録音_{day}_{city}_{n:05}.wav"),
    }
}

fn voice_size(config: &Config, n: u64) -> u64 {
    if let Some(size) = config.file_size {
        return size;
    }
    if n % EMPTY_EVERY == EMPTY_EVERY * 2 / 3 || (n == 7 && config.files < EMPTY_EVERY) {
        return 0;
    }
    let r = mix(config.seed ^ n ^ 0xb16);
    match n {
        50 if config.files >= 100 => 25 * (1 << 20) + r % 100_000,
        10 | 20 | 30 if config.files >= 100 => 2 * (1 << 20) + r % (4 << 20),
        _ => small_size(config, n),
    }
}

pub(super) fn flat(scene: &mut Scene<'_>, config: &Config) -> Extras {
    let ada = scene.ada;
    let folder = scene.folder(ada, "/Recordings");
    for n in 0..config.files {
        let size = config.file_size.unwrap_or(1024 + n % 3000);
        scene.file(ada, folder, &format!("録音_{n:07}.wav"), size);
    }
    let sources = source_of(scene.world, 0, "/Recordings").into_iter().collect();
    scene.job("flat", sources, "/Flat");
    Extras { toml: one_job("flat", "/Recordings", "/Flat"), side_files: Vec::new() }
}

pub(super) fn big(scene: &mut Scene<'_>, config: &Config) -> Extras {
    let ada = scene.ada;
    let folder = scene.folder(ada, "/Recordings");
    scene.file(ada, folder, "シンポジウム全記録.wav", config.file_size.unwrap_or(4 << 30));
    let sources = source_of(scene.world, 0, "/Recordings").into_iter().collect();
    scene.job("big", sources, "/Big");
    Extras { toml: one_job("big", "/Recordings", "/Big"), side_files: Vec::new() }
}
