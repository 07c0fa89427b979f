//! What a verify by hash finds, what a repair makes of it, and that the next verify has nothing new to say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use landfall_archive::{Depth, Place, RepairOptions, RepairReport, VerifyOptions, VerifyReport};
use landfall_core::ledger::{Ledger as _, LookFilter};
use landfall_core::seal::Seal;
use landfall_core::words::ItemKey;
use landfall_sim::{ArchiveConfig, HubFault, HubFaultRule, HubRoute};
use landfall_tests::archive::{Bench, Process};
use landfall_tests::simulation::in_virtual_time;

/// One recorded object that is there and has its one local file.
struct Thing {
    place: Place,
    local: std::path::PathBuf,
    /// The ledger knows what we sent.
    ours: bool,
}

struct Scene {
    bench: Bench,
    process: Process,
    seal: Arc<dyn Seal>,
}

impl Scene {
    /// A world in which everything is mended and shown, or settled.
    async fn new() -> Self {
        let bench = Bench::new(ArchiveConfig { files: 120, ..ArchiveConfig::default() }).await.unwrap();
        let process = bench.process().await.unwrap();
        process.verify().await.unwrap();
        for _ in 0..8 {
            process.repair().await.unwrap();
            process.run().await.unwrap();
            bench.wait(Duration::from_secs(3600)).await;
        }
        let seal = bench.seal().unwrap();
        let scene = Self { bench, process, seal };
        scene.deep().await;
        let options = RepairOptions { remove_leaks: true, ..RepairOptions::default() };
        scene.process.archive.repair(&options, &|_| {}).await.unwrap();
        let deep = scene.deep().await;
        assert!(deep.clean(), "{deep:#?}");
        scene
    }

    async fn look(&self, depth: Depth) -> VerifyReport {
        self.bench.wait(Duration::from_secs(1)).await;
        let options = VerifyOptions { depth, ..VerifyOptions::default() };
        self.process.archive.verify(&options).await.unwrap()
    }

    async fn deep(&self) -> VerifyReport {
        self.look(Depth::Hash).await
    }

    /// What verifies saw is forgotten: of older objects nothing is known any more.
    async fn forget(&self) {
        self.bench.wait(Duration::from_secs(1)).await;
        let now = self.process.engine.clock.now();
        self.bench.ledger.forget_looks(&self.process.job.handle, now).await.unwrap();
    }

    async fn repair(&self) -> RepairReport {
        self.process.repair().await.unwrap()
    }

    /// Things that are ours, or older ones.
    async fn things(&self, ours: bool) -> Vec<Thing> {
        let (ledger, job) = (&self.bench.ledger, &self.process.job);
        let looks = ledger.looks(job.handle.id, &LookFilter::default(), "", 10_000).await.unwrap();
        let mut things = Vec::new();
        for look in looks.iter().filter(|look| look.finding.is_none()) {
            let detail: serde_json::Value = serde_json::from_str(&look.detail).unwrap();
            let Some(place) = self.process.archive.shelves.parse(detail["url"].as_str().unwrap()) else {
                continue;
            };
            let Some(plain) = self.seal.plain_name(place.name()) else { continue };
            let kind = landfall_archive::kind_of(&place.path).unwrap();
            let folder = format!("{kind:?}").to_lowercase();
            let local = self.bench.folder.path().join(folder).join(place.folder()).join(&plain);
            let stem = plain.rsplit_once('.').unwrap().0;
            let key = ItemKey(format!("{}/{stem}", look.owner));
            let rows = ledger.files_by_key(job.handle.id, job.slots[0].id, &[key]).await.unwrap();
            let known = rows.iter().any(|row| row.proven.is_some() && row.sealed.is_some());
            if local.is_file() && known == ours {
                things.push(Thing { place, local, ours: known });
            }
        }
        assert!(things.len() > 5, "{} things", things.len());
        things
    }

    fn read(&self, thing: &Thing) -> Bytes {
        self.bench.world.hub.read(&thing.place.repo, &thing.place.path).unwrap()
    }

    fn lay(&self, thing: &Thing, bytes: Vec<u8>) {
        self.bench.world.hub.put(&thing.place.repo, vec![(thing.place.path.clone(), bytes.into())]);
    }

    /// Seals as another program with the same key would.
    fn sealed(&self, plain: &[u8]) -> Vec<u8> {
        let mut sealing = self.seal.seal(self.seal.nonce());
        let mut out = Vec::new();
        sealing.update(plain, &mut out);
        sealing.finish(&mut out);
        out
    }

    fn opened(&self, thing: &Thing) -> Option<Vec<u8>> {
        let (mut opening, mut out) = (self.seal.open(), Vec::new());
        opening.update(&self.read(thing), &mut out).ok()?;
        opening.finish(&mut out).ok()?;
        Some(out)
    }
}

fn found(report: &VerifyReport, word: &str) -> u64 {
    report.findings.get(word).copied().unwrap_or_default()
}

#[test]
fn a_damaged_older_object_gives_way_to_the_local_file() {
    in_virtual_time(async {
        let scene = Scene::new().await;
        let things = scene.things(false).await;
        let thing = &things[0];
        let mut bytes = scene.read(thing).to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        scene.lay(thing, bytes);
        scene.forget().await;
        assert!(scene.look(Depth::Exists).await.clean(), "nobody knows what was there");
        assert_eq!(found(&scene.deep().await, "changed"), 1);
        let repaired = scene.repair().await;
        assert_eq!(repaired.files.get("mended"), Some(&1), "{repaired:?}");
        assert_eq!(scene.opened(thing).unwrap(), std::fs::read(&thing.local).unwrap());
        let again = scene.deep().await;
        assert!(again.clean(), "{again:#?}");
        assert!(scene.repair().await.posts.is_empty());
    });
}

#[test]
fn of_two_sound_contents_neither_is_replaced_on_a_guess() {
    in_virtual_time(async {
        let scene = Scene::new().await;
        let things = scene.things(false).await;
        let (edited, other) = (&things[0], &things[1]);
        let before = scene.read(edited);
        let mut text = std::fs::read(&edited.local).unwrap();
        text.extend_from_slice("後から書かれた".as_bytes());
        std::fs::write(&edited.local, &text).unwrap();
        let strange = scene.sealed("\u{fffd}別の写真".as_bytes());
        scene.lay(other, strange.clone());
        scene.forget().await;
        let deep = scene.deep().await;
        assert_eq!(found(&deep, "changed"), 2, "{deep:#?}");
        let commits = scene.bench.world.hub.commits(&other.place.repo).len();
        let repaired = scene.repair().await;
        assert_eq!(repaired.files.get("settled"), Some(&2), "{repaired:?}");
        assert!(repaired.complete());
        assert_eq!(scene.bench.world.hub.commits(&other.place.repo).len(), commits);
        assert_eq!((scene.read(edited), scene.read(other)), (before, strange.into()), "not touched");
        assert_eq!(std::fs::read(&edited.local).unwrap(), text);
        let again = scene.deep().await;
        assert!(again.clean(), "{again:#?}");
        assert_eq!(again.settled.get("different-at-destination"), Some(&2));
        // Another content there is another doubt.
        scene.lay(other, scene.sealed("さらに別の写真".as_bytes()));
        assert_eq!(found(&scene.deep().await, "changed"), 1);
    });
}

#[test]
fn what_cannot_be_compared_is_counted_apart_and_never_hides_a_loss() {
    in_virtual_time(async {
        let scene = Scene::new().await;
        let things = scene.things(false).await;
        let thing = &things[0];
        std::fs::remove_file(&thing.local).unwrap();
        scene.forget().await;
        assert!(scene.look(Depth::Exists).await.clean());
        let before = scene.deep().await;
        assert_eq!(found(&before, "unproven"), 1, "{before:#?}");
        let repaired = scene.repair().await;
        assert_eq!(repaired.files.get("settled"), Some(&1), "{repaired:?}");
        let again = scene.deep().await;
        assert!(again.clean(), "{again:#?}");
        let missing =
            |report: &VerifyReport| report.settled.get("local-file-missing").copied().unwrap_or_default();
        assert_eq!(missing(&again), missing(&before) + 1);
        scene.bench.world.hub.remove(&thing.place.repo, std::slice::from_ref(&thing.place.path));
        assert_eq!(found(&scene.look(Depth::Exists).await, "absent"), 1);
        assert_eq!(found(&scene.deep().await, "absent"), 1);
    });
}

#[test]
fn what_we_sent_and_somebody_replaced_is_put_right_where_the_record_decides() {
    in_virtual_time(async {
        let scene = Scene::new().await;
        let things = scene.things(true).await;
        let (thing, resealed) = (&things[0], &things[1]);
        assert!(thing.ours && resealed.ours);
        scene.lay(thing, scene.sealed("誰かの写真".as_bytes()));
        scene.lay(resealed, scene.sealed(&std::fs::read(&resealed.local).unwrap()));
        assert_eq!(found(&scene.look(Depth::Exists).await, "changed"), 2);
        // The second one holds the file's bytes all the same.
        assert_eq!(found(&scene.deep().await, "changed"), 1);
        assert_eq!(found(&scene.look(Depth::Exists).await, "changed"), 1);
        let repaired = scene.repair().await;
        assert_eq!(repaired.files.get("mended"), Some(&1), "{repaired:?}");
        assert_eq!(scene.opened(thing).unwrap(), std::fs::read(&thing.local).unwrap());
        assert!(scene.look(Depth::Exists).await.clean());
        assert!(scene.deep().await.clean());
    });
}

#[test]
fn bytes_that_are_not_those_of_the_published_hash_are_found_by_reading_and_mended_by_a_new_sealing() {
    in_virtual_time(async {
        let scene = Scene::new().await;
        let (older, ours) = (scene.things(false).await, scene.things(true).await);
        let (flipped, lost, sound) = (&ours[0], &ours[1], &ours[2]);
        let hub = &scene.bench.world.hub;
        assert!(hub.flip_byte(&flipped.place.repo, &flipped.place.path));
        assert!(hub.lose_object(&lost.place.repo, &lost.place.path));
        assert!(hub.flip_byte(&older[0].place.repo, &older[0].place.path));
        assert!(scene.look(Depth::Exists).await.clean(), "the Hub publishes what it always did");
        let deep = scene.deep().await;
        assert!(deep.clean(), "sealing again does not read what lies there: {deep:#?}");
        let read = scene.look(Depth::Bytes).await;
        assert_eq!((found(&read, "changed"), read.unread), (3, 0), "{read:#?}");
        assert_eq!(read.read + 3, read.present, "{read:#?}");
        // What only reading has found is not taken back by weaker questions.
        assert_eq!(found(&scene.look(Depth::Exists).await, "changed"), 3);
        assert_eq!(found(&scene.deep().await, "changed"), 3);
        let repaired = scene.repair().await;
        assert_eq!(repaired.files.get("mended"), Some(&3), "{repaired:?}");
        for thing in [flipped, lost, &older[0], sound] {
            assert_eq!(scene.opened(thing).unwrap(), std::fs::read(&thing.local).unwrap());
        }
        let again = scene.look(Depth::Bytes).await;
        assert!(again.clean(), "{again:#?}");
        assert_eq!(again.read, again.present, "{again:#?}");
        assert!(scene.repair().await.posts.is_empty());
    });
}

#[test]
fn a_nightly_share_reads_those_that_were_read_longest_ago() {
    in_virtual_time(async {
        let scene = Scene::new().await;
        let mut read = 0;
        let mut nights = 0;
        let all = scene.look(Depth::Exists).await.present;
        while read < all {
            scene.bench.wait(Duration::from_secs(24 * 3600)).await;
            let sample = landfall_core::engine::Sample::Percent(30.0);
            let options = VerifyOptions { depth: Depth::Bytes, sample, ..VerifyOptions::default() };
            let report = scene.process.archive.verify(&options).await.unwrap();
            assert!(report.clean() && report.read > 0, "{report:#?}");
            read += report.read;
            nights += 1;
        }
        assert_eq!(nights, 4);
        let looks = LookFilter::default();
        let looks = scene.bench.ledger.looks(scene.process.job.handle.id, &looks, "", 10_000).await.unwrap();
        let present =
            looks.iter().filter(|look| look.finding.is_none() && look.detail.contains("\"sha256\""));
        let unread = present.filter(|look| !look.detail.contains("\"read\"")).count();
        assert_eq!(unread, 0, "after four nights of 30 of a hundred everything was read");
    });
}

#[test]
fn a_storage_that_does_not_answer_makes_bytes_unknown_and_nothing_wrong() {
    in_virtual_time(async {
        let scene = Scene::new().await;
        let get = |times, fault| HubFaultRule { route: HubRoute::StorageGet, skip: 0, times, fault };
        scene.bench.world.hub.add_fault(get(1, HubFault::WrongByte));
        let once = scene.look(Depth::Bytes).await;
        assert!(once.clean(), "what came wrong once and right the next time is right: {once:#?}");
        scene.bench.world.hub.add_fault(get(100_000, HubFault::ServerError { status: 503 }));
        let silent = scene.look(Depth::Bytes).await;
        assert_eq!((silent.read, silent.unread), (0, silent.present), "{silent:#?}");
        assert!(!silent.clean() && silent.findings.is_empty(), "{silent:#?}");
    });
}
