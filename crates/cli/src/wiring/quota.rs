//! The tenant's quota: by the number of licences, or as somebody said.
//!
//! Owns the table of tiers and the margin. Source: reference/graph.md, section 11.

use std::time::Duration;

use landfall_core::Code;
use landfall_core::pacing::QuotaConfig;

use crate::config::{QuotaPart, duration};
use crate::error::CommandError;

/// Licences up to which a tier holds, units a minute, units a day.
const TIERS: [(u64, u64, u64); 5] = [
    (1_000, 1_250, 1_200_000),
    (5_000, 2_500, 2_400_000),
    (15_000, 3_750, 3_600_000),
    (50_000, 5_000, 4_800_000),
    (u64::MAX, 6_250, 6_000_000),
];

/// What of the minute's units is used, in percent: other programs of the tenant share its limits.
const MARGIN: u64 = 80;

/// Units that may be spent, margin taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Units a window; `None` where nothing limits.
    pub(crate) minute: Option<u64>,
    /// The length of that window.
    pub(crate) window: Duration,
    /// Units a day; `None` where nothing limits.
    pub(crate) day: Option<u64>,
}

impl Quota {
    /// The quota by the configuration, or as `spec` says: `none`, or units and window as in `1250/60s`.
    ///
    /// # Errors
    /// Code `BadArgument` where `spec` is neither.
    pub(crate) fn of(part: &QuotaPart, spec: Option<&str>) -> Result<Self, CommandError> {
        let licences = part.licences.unwrap_or(0);
        let (_, minute, day) =
            TIERS.into_iter().find(|(most, ..)| licences <= *most).unwrap_or((0, 1_250, 1_200_000));
        let margin = |units: u64| (units * MARGIN / 100).max(1);
        match spec {
            None => {
                Ok(Self { minute: Some(margin(minute)), window: Duration::from_secs(60), day: Some(day) })
            }
            Some("none") => Ok(Self { minute: None, window: Duration::from_secs(60), day: None }),
            Some(spec) => {
                let wrong = || {
                    CommandError::new(
                        Code::BadArgument,
                        format!("quota {spec:?} is neither none nor like 1250/60s"),
                    )
                };
                let (units, window) = spec.split_once('/').ok_or_else(wrong)?;
                let units: u64 = units.trim().parse().map_err(|_| wrong())?;
                let window = duration(window).map_err(|_| wrong())?;
                if units == 0 || window.is_zero() {
                    return Err(wrong());
                }
                Ok(Self { minute: Some(margin(units)), window, day: Some(day) })
            }
        }
    }

    /// The quotas as a lane takes them.
    pub(crate) fn for_lane(&self) -> Vec<QuotaConfig> {
        let mut quotas =
            landfall_stores::graph::quotas(self.minute.unwrap_or(1), self.day.unwrap_or(1)).into_iter();
        let (minute, day) = (quotas.next(), quotas.next());
        let minute =
            minute.filter(|_| self.minute.is_some()).map(|q| QuotaConfig { window: self.window, ..q });
        minute.into_iter().chain(day.filter(|_| self.day.is_some())).collect()
    }

    /// How long so many units take at least; `None` where nothing limits.
    pub(crate) fn time_for(&self, units: u64) -> Option<Duration> {
        let scaled = |window: Duration, per: u64| {
            let millis = window.as_millis().saturating_mul(u128::from(units)) / u128::from(per.max(1));
            Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
        };
        let minute = self.minute.map(|per| scaled(self.window, per));
        // Within the first day its units are there at once; beyond, the day's rate counts.
        let day = self.day.filter(|per| units > *per).map(|per| scaled(Duration::from_secs(86_400), per));
        minute.max(day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_follow_licences_and_words_override_them() {
        let of = |licences, spec| Quota::of(&QuotaPart { licences, parallel: None }, spec).unwrap();
        assert_eq!(of(None, None).minute, Some(1000));
        assert_eq!(of(Some(5000), None).minute, Some(2000));
        assert_eq!(of(Some(60_000), None).day, Some(6_000_000));
        assert!(of(None, Some("none")).for_lane().is_empty());
        let fast = of(None, Some("1250/6s"));
        assert_eq!((fast.minute, fast.window), (Some(1000), Duration::from_secs(6)));
        assert_eq!(fast.for_lane()[0].window, Duration::from_secs(6));
        for bad in ["fast", "0/6s", "10/", "/6s"] {
            assert!(Quota::of(&QuotaPart::default(), Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_day_binds_only_beyond_its_units() {
        let quota = Quota::of(&QuotaPart::default(), None).unwrap();
        assert_eq!(quota.time_for(60_000), Some(Duration::from_secs(3600)));
        assert_eq!(quota.time_for(2_400_000), Some(Duration::from_secs(2 * 86_400)));
    }
}
