//! Drawings: plain SVG in whole units, drawn by us, readable in black and white.

use super::markup::Html;
use crate::language::{group, moment};
use crate::report::Activity;
use landfall_core::ByteSize;

/// Width of a plot in its own units.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 110;
/// Room for the scale on the left, and for times below.
const LEFT: i64 = 78;
const TOP: i64 = 8;
/// The steps of a bar.
const FINE: u64 = 1000;

/// What a plot shows of each interval, and how a value is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Measure {
    Files,
    Bytes,
    PutOff,
}

/// One horizontal bar for a share of the largest.
pub(super) fn bar(html: &mut Html, value: u64, most: u64, none: bool) {
    html.raw("<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"");
    let mut length = scaled(value, most, FINE);
    if value > 0 {
        length = length.max(4);
    }
    html.number(length);
    html.raw(match none {
        true => "\" height=\"10\" fill=\"#b9bec4\"/></svg>",
        false => "\" height=\"10\" fill=\"#2f4a5f\"/></svg>",
    });
}

/// The whole as one bar of three parts: proven, not proven, never moved.
pub(super) fn whole(html: &mut Html, parts: [u64; 3]) {
    let all: u64 = parts.iter().sum();
    html.raw("<svg viewBox=\"0 0 1000 14\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    let mut from = 0;
    for (part, fill) in parts.into_iter().zip([
        "\" height=\"14\" fill=\"#2f4a5f\"/>",
        "\" height=\"14\" fill=\"#a8541c\"/>",
        "\" height=\"14\" fill=\"#b9bec4\"/>",
    ]) {
        if part == 0 {
            continue;
        }
        // A single file among a million is still seen.
        let length = scaled(part, all, FINE).max(3);
        let start = from.min(1000 - 3);
        html.raw("<rect x=\"").number(start).raw("\" width=\"").number(length).raw(fill);
        from = start + length;
    }
    html.raw("</svg>\n");
}

/// Columns over time, with the largest value and the first and last moment written out.
pub(super) fn course(html: &mut Html, activity: &Activity, measure: Measure) {
    let value = |interval: &crate::report::Interval| match measure {
        Measure::Files => interval.proven,
        Measure::Bytes => interval.bytes,
        Measure::PutOff => interval.throttled,
    };
    let (Some(first), Some(last)) = (activity.intervals.first(), activity.intervals.last()) else { return };
    let most = activity.intervals.iter().map(value).max().unwrap_or_default();
    let step = i64::try_from(activity.seconds).unwrap_or(1).max(1);
    let slots = ((last.at.as_second() - first.at.as_second()) / step + 1).max(1);
    let room = WIDTH - LEFT;
    let base = TOP + HEIGHT;
    html.raw("<svg viewBox=\"0 0 720 140\" role=\"img\">");
    for interval in &activity.intervals {
        let slot = (interval.at.as_second() - first.at.as_second()) / step;
        let mut height = scaled(value(interval), most, HEIGHT.unsigned_abs());
        if value(interval) > 0 {
            height = height.max(1);
        }
        let from = LEFT + slot * room / slots;
        let width = (LEFT + (slot + 1) * room / slots - from - 1).max(1);
        html.raw("<rect x=\"").number(from).raw("\" y=\"").number(base - height);
        html.raw("\" width=\"").number(width).raw("\" height=\"").number(height);
        html.raw(match measure {
            Measure::PutOff => "\" fill=\"#a8541c\"/>",
            Measure::Files | Measure::Bytes => "\" fill=\"#2f4a5f\"/>",
        });
    }
    html.raw("<path d=\"M78 118.5H720\" stroke=\"#5c646c\" fill=\"none\"/>");
    html.raw("<path d=\"M72 8.5H78M72 118.5H78\" stroke=\"#5c646c\" fill=\"none\"/>");
    let top = match measure {
        Measure::Bytes => ByteSize(most).to_string(),
        Measure::Files | Measure::PutOff => group(most),
    };
    html.element("<text x=\"66\" y=\"14\" text-anchor=\"end\">", &top, "</text>");
    html.raw("<text x=\"66\" y=\"122\" text-anchor=\"end\">0</text>");
    let end = jiff::Timestamp::from_second(last.at.as_second().saturating_add(step)).unwrap_or(last.at);
    let written = |at: jiff::Timestamp| match activity.seconds {
        0..60 => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        60..86_400 => moment(at),
        _ => at.strftime("%Y-%m-%d").to_string(),
    };
    html.element("<text x=\"78\" y=\"136\">", &written(first.at), "</text>");
    html.element("<text x=\"720\" y=\"136\" text-anchor=\"end\">", &written(end), "</text>");
    html.raw("</svg>\n");
}

fn scaled(value: u64, most: u64, room: u64) -> i64 {
    if most == 0 {
        return 0;
    }
    let length = u128::from(value) * u128::from(room) / u128::from(most);
    i64::try_from(length).unwrap_or_default()
}
