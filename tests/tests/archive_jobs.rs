//! The archive workload from end to end, in one process and in virtual time: verify, repair, run, verify.

use std::time::Duration;

use landfall_sim::ArchiveConfig;
use landfall_tests::archive::Bench;
use landfall_tests::simulation::in_virtual_time;

#[test]
fn what_the_answer_file_expects_is_what_repair_and_run_leave() {
    in_virtual_time(async {
        let config = ArchiveConfig { files: 300, ..ArchiveConfig::default() };
        let bench = Bench::new(config).await.unwrap();
        let process = bench.process().await.unwrap();
        let first = process.verify().await.unwrap();
        eprintln!("{}", serde_json::to_string_pretty(&first).unwrap());
        assert!(first.open_findings() > 0);
        assert_eq!(first.checked, first.present + first.absent + first.unknown);
        for turn in 0..4 {
            let repaired = process.repair().await.unwrap();
            eprintln!("repair {turn}: {}", serde_json::to_string(&repaired).unwrap());
            if repaired.complete() {
                break;
            }
            bench.wait(Duration::from_secs(900)).await;
            process.verify().await.unwrap();
        }
        for turn in 0..4 {
            let ran = process.run().await.unwrap();
            eprintln!("run {turn}: {:?} {:?} {:?}", ran.tally.states, ran.tally.skipped, ran.gathered);
            if ran.gathered.postponed == 0 {
                break;
            }
            bench.wait(Duration::from_secs(3600)).await;
        }
        let last = process.verify().await.unwrap();
        eprintln!("{}", serde_json::to_string_pretty(&last).unwrap());
        let check = bench.check().await.unwrap();
        eprintln!("{:?}", check.patterns);
        assert_eq!(check.violated, Vec::<String>::new());
        assert_eq!(check.orphans, Vec::<String>::new());
        assert!(last.clean(), "{last:?}");
    });
}
