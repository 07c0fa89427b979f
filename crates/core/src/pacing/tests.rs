use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::clock::{Chance, VirtualClock};
use crate::error::StoreError;
use crate::memo::{Memo, MemoKey, MemoValue};
use crate::words::JobId;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn lane(quotas: &[(&'static str, u64, Duration)], start: usize, most: usize) -> Arc<Lane> {
    let quotas = quotas.iter().map(|&(name, units, window)| QuotaConfig { name, units, window }).collect();
    let config = LaneConfig { name: "graph:contoso".into(), quotas, start, most };
    let clock = Arc::new(VirtualClock::starting("2026-04-01T00:00:00Z".parse::<Timestamp>().unwrap()));
    Lane::new(config, clock, Arc::new(Chance::seeded(7)))
}

fn throttled(seconds: Option<u64>) -> Verdict {
    Verdict::Throttled { retry_after: seconds.map(Duration::from_secs) }
}

/// True where the lane admits without any waiting.
async fn at_once(lane: &Arc<Lane>, cost: Cost) -> Option<Permit> {
    tokio::time::timeout(Duration::ZERO, lane.admit(cost)).await.ok()
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_the_whole_lane() {
    let lane = lane(&[("ru", 1000, MINUTE)], 4, 4);
    let (first, second) = (lane.admit(Cost::of("ru", 1)).await, lane.admit(Cost::free()).await);
    let began = Instant::now();
    first.settle(throttled(Some(31)));
    second.settle(Verdict::Fine);
    assert_eq!(lane.snapshot().throttled, 1);
    lane.admit(Cost::free()).await.settle(Verdict::Fine);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(31) && waited < Duration::from_secs(32), "{waited:?}");
    assert!(lane.snapshot().throttled_for >= Duration::from_secs(31));
    assert_eq!(lane.snapshot().held_until, None);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_retry_after_never_shortens_a_hold() {
    let lane = lane(&[], 4, 4);
    let (first, second) = (lane.admit(Cost::free()).await, lane.admit(Cost::free()).await);
    let began = Instant::now();
    first.settle(throttled(Some(120)));
    second.settle(throttled(Some(2)));
    drop(lane.admit(Cost::free()).await);
    assert!(began.elapsed() >= Duration::from_secs(120));
}

#[tokio::test(start_paused = true)]
async fn one_burst_halves_once_and_fine_answers_win_it_back() {
    let lane = lane(&[], 8, 8);
    let mut burst = Vec::new();
    for _ in 0..8 {
        burst.push(lane.admit(Cost::free()).await);
    }
    for permit in burst {
        permit.settle(throttled(Some(1)));
    }
    assert_eq!(lane.snapshot().limit, 4);
    assert_eq!(lane.snapshot().throttled, 8);
    for _ in 0..20 {
        let round: Vec<_> = {
            let mut round = Vec::new();
            for _ in 0..lane.snapshot().limit {
                round.push(lane.admit(Cost::free()).await);
            }
            round
        };
        round.into_iter().for_each(|permit| permit.settle(Verdict::Fine));
    }
    assert_eq!(lane.snapshot().limit, 8);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_nothing_has_tested_does_not_grow() {
    let lane = lane(&[], 8, 32);
    for _ in 0..100 {
        lane.admit(Cost::free()).await.settle(Verdict::Fine);
    }
    assert_eq!(lane.snapshot().limit, 8);
}

#[tokio::test(start_paused = true)]
async fn without_retry_after_the_back_off_doubles_up_to_its_cap() {
    let lane = lane(&[], 1, 1);
    let mut waits = Vec::new();
    for _ in 0..12 {
        let began = Instant::now();
        lane.admit(Cost::free()).await.settle(throttled(None));
        waits.push(began.elapsed());
    }
    for (strikes, wait) in waits.iter().enumerate().skip(1) {
        let around = Duration::from_secs(1u64.checked_shl(u32::try_from(strikes).unwrap()).unwrap().min(300));
        assert!(*wait >= around / 2 && *wait <= around + Duration::from_millis(2), "{strikes}: {wait:?}");
    }
    // A fine answer ends the row of strikes.
    lane.admit(Cost::free()).await.settle(Verdict::Fine);
    let began = Instant::now();
    lane.admit(Cost::free()).await.settle(throttled(None));
    drop(lane.admit(Cost::free()).await);
    assert!(began.elapsed() <= Duration::from_millis(2002));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_loses_no_wake_up_and_no_unit() {
    let lane = lane(&[("ru", 100, MINUTE)], 1, 1);
    let held = lane.admit(Cost::of("ru", 1)).await;
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let lane = Arc::clone(&lane);
        tasks.spawn(async move { drop(lane.admit(Cost::of("ru", 1)).await) });
    }
    let head = {
        let lane = Arc::clone(&lane);
        tasks.spawn(async move { drop(lane.admit(Cost::of("ru", 50)).await) })
    };
    sleep(Duration::from_millis(5)).await;
    assert_eq!(lane.snapshot().waiting, 4);
    head.abort();
    held.settle(Verdict::Failed);
    while tasks.join_next().await.is_some() {}
    let after = lane.snapshot();
    assert_eq!((after.waiting, after.in_flight, after.total("ru")), (0, 0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_permit_frees_its_slot_and_stays_paid() {
    let lane = lane(&[("ru", 10, MINUTE)], 1, 1);
    drop(lane.admit(Cost::of("ru", 7)).await);
    assert!(at_once(&lane, Cost::of("ru", 4)).await.is_none());
    assert!(at_once(&lane, Cost::of("ru", 3)).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_request_dearer_than_the_window_goes_when_it_is_empty() {
    let lane = lane(&[("commits", 5, MINUTE)], 2, 2);
    drop(lane.admit(Cost::of("commits", 1)).await);
    let began = Instant::now();
    drop(lane.admit(Cost::of("commits", 9)).await);
    assert!(began.elapsed() >= MINUTE);
    assert_eq!(lane.snapshot().total("commits"), 10);
}

#[tokio::test(start_paused = true)]
async fn quotas_that_the_lane_does_not_know_are_counted_and_not_waited_for() {
    let lane = lane(&[], 2, 2);
    for _ in 0..100 {
        drop(lane.admit(Cost::of("ru", 2)).await);
    }
    assert_eq!(lane.snapshot().total("ru"), 200);
}

/// A service with a limit of its own: refuses what exceeds `real` units in its sliding minute.
async fn against_a_real_limit(table: u64, real: usize, minutes: u64) -> (usize, u64) {
    let lane = lane(&[("ru", table, MINUTE)], 8, 16);
    let seen: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..16 {
        let (lane, seen) = (Arc::clone(&lane), Arc::clone(&seen));
        workers.spawn(async move {
            while began.elapsed() < MINUTE * u32::try_from(minutes).unwrap() {
                let permit = lane.admit(Cost::of("ru", 1)).await;
                sleep(Duration::from_millis(50)).await;
                let verdict = {
                    let mut seen = seen.lock().unwrap();
                    let now = Instant::now();
                    let recent = seen.iter().rev().take_while(|at| now - **at < MINUTE).count();
                    if recent < real {
                        seen.push(now);
                        Verdict::Fine
                    } else {
                        throttled(Some(30))
                    }
                };
                permit.settle(verdict);
            }
        });
    }
    while workers.join_next().await.is_some() {}
    let passed = seen.lock().unwrap().len();
    (passed, lane.snapshot().throttled)
}

#[tokio::test(start_paused = true)]
async fn a_real_limit_below_the_table_is_learned() {
    let (passed, refused) = against_a_real_limit(1000, 200, 60).await;
    assert!(passed >= 200 * 60 * 8 / 10, "{passed} of 12000 possible");
    assert!(refused <= 120, "{refused} refusals in an hour");
    let (passed, refused) = against_a_real_limit(1000, 1000, 30).await;
    assert!(passed >= 1000 * 30 * 95 / 100, "{passed} of 30000 possible");
    assert_eq!(refused, 0);
}

#[tokio::test(start_paused = true)]
async fn one_chance_refusal_costs_little() {
    let lane = lane(&[("ru", 1000, MINUTE)], 8, 8);
    lane.admit(Cost::of("ru", 1)).await.settle(throttled(Some(1)));
    assert_eq!(lane.snapshot().spent[0].usable, 500);
    advance(MINUTE * 30).await;
    assert_eq!(lane.snapshot().spent[0].usable, 1000);
}

#[derive(Default)]
struct Shelf(Mutex<BTreeMap<MemoKey, String>>, Mutex<u64>);

#[async_trait]
impl Memo for Shelf {
    async fn memo(&self, key: &MemoKey) -> Result<Option<String>, StoreError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }
    async fn remember(&self, key: &MemoKey, value: MemoValue) -> Result<(), StoreError> {
        *self.1.lock().unwrap() += 1;
        self.0.lock().unwrap().insert(key.clone(), value.text);
        Ok(())
    }
    async fn forget(&self, key: &MemoKey) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }
    async fn memos(&self, _: JobId, _: &'static str, _: &str, _: usize) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

fn day_lane(clock: VirtualClock) -> Arc<Lane> {
    let quotas = vec![
        QuotaConfig { name: "ru-minute", units: 1000, window: MINUTE },
        QuotaConfig { name: "ru-day", units: 10_000, window: DAY },
    ];
    let config = LaneConfig { name: "graph:contoso".into(), quotas, start: 8, most: 8 };
    Lane::new(config, Arc::new(clock), Arc::new(Chance::seeded(1)))
}

#[tokio::test(start_paused = true)]
async fn a_kill_never_forgets_spent_units_of_the_day() {
    let shelf = Arc::new(Shelf::default());
    let clock = VirtualClock::starting("2026-04-01T00:00:00Z".parse::<Timestamp>().unwrap());
    let cost = || Cost::of("ru-minute", 1).and("ru-day", 1);
    let mut sent: Vec<Instant> = Vec::new();
    for kill in 0..6u32 {
        let lane = day_lane(clock);
        lane.restore(shelf.clone(), JobId(3)).await.unwrap();
        let counted = lane.snapshot().spent[1].in_window;
        assert!(counted >= sent.len() as u64, "after kill {kill}: {counted} of {}", sent.len());
        assert!(counted <= sent.len() as u64 + u64::from(kill) * 100, "{counted} of {}", sent.len());
        for _ in 0..777 {
            lane.admit(cost()).await.settle(Verdict::Fine);
            sent.push(Instant::now());
        }
        advance(Duration::from_secs(1_000)).await;
    }
    let writes = *shelf.1.lock().unwrap();
    assert!(writes <= 6 * 12, "{writes} writes for {} requests", sent.len());

    // The rest of the day's window, then the wait for its oldest grain.
    let lane = day_lane(clock);
    lane.restore(shelf, JobId(3)).await.unwrap();
    while sent.len() < 12_000 {
        lane.admit(cost()).await.settle(Verdict::Fine);
        sent.push(Instant::now());
    }
    for (index, at) in sent.iter().enumerate().skip(10_000) {
        assert!(*at - sent[index - 10_000] >= DAY, "request {index} came within a day of 10,000 others");
    }
}

#[tokio::test(start_paused = true)]
async fn a_memo_that_is_not_one_begins_anew() {
    let shelf = Arc::new(Shelf::default());
    let clock = VirtualClock::starting(Timestamp::UNIX_EPOCH);
    let key = MemoKey::new(JobId(1), "window", "graph:contoso/ru-day");
    shelf.0.lock().unwrap().insert(key, "{\"version\":1,\"grains\":[[".into());
    let lane = day_lane(clock);
    lane.restore(shelf, JobId(1)).await.unwrap();
    assert!(at_once(&lane, Cost::of("ru-day", 10_000)).await.is_some());
}

#[derive(Clone, Debug)]
struct Ask {
    after: u64,
    minute: u64,
    api: u64,
    lasts: u64,
    verdict: u8,
    cancel: Option<u64>,
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = (0u64..4000, 0u64..7, 0u64..3, 0u64..900, 0u8..24, proptest::option::weighted(0.2, 0u64..5000))
        .prop_map(|(after, minute, api, lasts, verdict, cancel)| Ask {
            after,
            minute,
            api,
            lasts,
            verdict,
            cancel,
        });
    proptest::collection::vec(ask, 1..80)
}

/// What one request saw: when it was admitted, its cost, and its own order number.
type Seen = (Duration, u64, u64, usize);

/// Runs the asks against one lane; (admissions, holds as (set at, until)).
async fn play(asks: Vec<Ask>) -> (Vec<Seen>, Vec<(Duration, Duration)>, LaneSnapshot) {
    let lane = lane(&[("minute", 20, MINUTE), ("api", 6, Duration::from_millis(777))], 3, 6);
    let began = Instant::now();
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let holds: Arc<Mutex<Vec<(Duration, Duration)>>> = Arc::default();
    let mut tasks = JoinSet::new();
    let mut start = Duration::ZERO;
    for (order, ask) in asks.into_iter().enumerate() {
        start += Duration::from_millis(ask.after);
        let (lane, seen, holds) = (Arc::clone(&lane), Arc::clone(&seen), Arc::clone(&holds));
        tasks.spawn(async move {
            tokio::time::sleep_until(began + start).await;
            let admitted = lane.admit(Cost::of("minute", ask.minute).and("api", ask.api));
            let permit = match ask.cancel {
                Some(patience) => {
                    match tokio::time::timeout(Duration::from_millis(patience), admitted).await {
                        Ok(permit) => permit,
                        Err(_) => return,
                    }
                }
                None => admitted.await,
            };
            seen.lock().unwrap().push((began.elapsed(), ask.minute, ask.api, order));
            sleep(Duration::from_millis(ask.lasts)).await;
            let verdict = match ask.verdict {
                0 => throttled(None),
                1 => throttled(Some(0)),
                2..=4 => {
                    let after = Duration::from_secs(u64::from(ask.verdict) * 9);
                    holds.lock().unwrap().push((began.elapsed(), began.elapsed() + after));
                    Verdict::Throttled { retry_after: Some(after) }
                }
                5 => Verdict::Failed,
                6 => return,
                _ => Verdict::Fine,
            };
            permit.settle(verdict);
        });
    }
    // Far beyond any wait that these numbers can ask for.
    let all = tokio::time::timeout(Duration::from_secs(400_000), async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    });
    all.await.expect("every admit is served in the end");
    let seen = seen.lock().unwrap().clone();
    let holds = holds.lock().unwrap().clone();
    (seen, holds, lane.snapshot())
}

fn most_in_any(window: Duration, spent: &[(Duration, u64)]) -> u64 {
    spent
        .iter()
        .enumerate()
        .map(|(end, (at, _))| {
            spent[..=end].iter().filter(|(then, _)| *at - *then < window).map(|(_, units)| units).sum()
        })
        .max()
        .unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn budget_and_holds_are_kept_and_everybody_is_served(asks in asks()) {
        let run = |asks: Vec<Ask>| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(play(asks))
        };
        let (seen, holds, end) = run(asks.clone());
        let minute: Vec<_> = seen.iter().map(|s| (s.0, s.1)).collect();
        let api: Vec<_> = seen.iter().map(|s| (s.0, s.2)).collect();
        prop_assert!(most_in_any(MINUTE, &minute) <= 20);
        prop_assert!(most_in_any(Duration::from_millis(777), &api) <= 6);
        for (set, until) in &holds {
            prop_assert!(seen.iter().all(|(at, ..)| at <= set || at >= until), "sent within a hold");
        }
        let arrivals: Vec<u64> = asks.iter().scan(0, |at, ask| { *at += ask.after; Some(*at) }).collect();
        for pair in seen.windows(2) {
            prop_assert!(arrivals[pair[0].3] <= arrivals[pair[1].3], "somebody was overtaken");
        }
        let patient = asks.iter().filter(|a| a.cancel.is_none()).count();
        prop_assert!(seen.len() >= patient);
        prop_assert_eq!((end.in_flight, end.waiting), (0, 0));
        prop_assert_eq!(end.total("minute"), seen.iter().map(|s| s.1).sum::<u64>());
        let again = run(asks);
        prop_assert_eq!((seen, holds, end.limit), (again.0, again.1, again.2.limit));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_service_says_of_its_quota_counts() {
    let lane = lane(&[("api", 10, MINUTE)], 64, 64);
    // Somebody else spent 7 of it; the window ends in 20 s.
    lane.observe("api", Observed { units: 10, spent: 7, resets: Duration::from_secs(20) });
    for _ in 0..3 {
        assert!(at_once(&lane, Cost::of("api", 1)).await.is_some());
    }
    assert!(at_once(&lane, Cost::of("api", 1)).await.is_none());
    let began = Instant::now();
    drop(lane.admit(Cost::of("api", 1)).await);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(20) && waited < Duration::from_secs(21), "{waited:?}");
    // What is ours already is not counted twice, and a larger quota is used.
    lane.observe("api", Observed { units: 100, spent: 4, resets: MINUTE });
    assert_eq!(lane.snapshot().spent[0].in_window, 4);
    for _ in 0..96 {
        assert!(at_once(&lane, Cost::of("api", 1)).await.is_some());
    }
    assert!(at_once(&lane, Cost::of("api", 1)).await.is_none());
    lane.observe("pages", Observed { units: 1, spent: 1, resets: MINUTE });
}

#[tokio::test(start_paused = true)]
async fn whoever_must_wait_gives_up_when_somebody_asks_to_stop() {
    let lane = lane(&[("commits", 1, DAY)], 4, 4);
    let stop = tokio_util::sync::CancellationToken::new();
    lane.heed(stop.clone());
    lane.admit(Cost::of("commits", 1)).await.settle(Verdict::Fine);
    let began = Instant::now();
    let asked = async {
        sleep(Duration::from_secs(3)).await;
        stop.cancel();
    };
    let (admitted, rested, ()) =
        tokio::join!(lane.admit_or_stop(Cost::of("commits", 1)), lane.rest(MINUTE), asked);
    assert!(admitted.is_none() && !rested);
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert_eq!(lane.snapshot().total("commits"), 1, "what was given up is not charged");
    // What need not wait goes: work under way comes to its end.
    assert!(lane.admit_or_stop(Cost::free()).await.is_some());
    assert_eq!((lane.snapshot().waiting, lane.snapshot().in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_nobody_may_stop_waits_as_long_as_it_must() {
    let lane = lane(&[("commits", 1, MINUTE)], 4, 4);
    lane.admit(Cost::of("commits", 1)).await.settle(Verdict::Fine);
    let began = Instant::now();
    assert!(lane.admit_or_stop(Cost::of("commits", 1)).await.is_some());
    assert!(began.elapsed() >= MINUTE && lane.rest(MINUTE).await && lane.heeded().is_none());
}
