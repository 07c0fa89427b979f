//! How figures are printed: beside their limits, by route, with what the process used.

use serde_json::Value;

use crate::process::Measured;

/// Prints a figure beside its limit; `false` where it is above.
pub(crate) fn limit(name: &str, value: f64, most: f64, unit: &str) -> bool {
    let kept = value <= most;
    let word = if kept { "kept" } else { "NOT KEPT" };
    println!("  {name:<22} {value:.3} {unit} (at most {most}: {word})");
    kept
}

/// Prints what was asked of a simulated Graph, by route.
pub(crate) fn requests(seen: &Value) {
    let routes = seen["by_route"].as_object().cloned().unwrap_or_default();
    println!(
        "  {:<22} {} ({} more inside batches)",
        "requests",
        count(seen, "total"),
        count(seen, "batched")
    );
    for (route, number) in &routes {
        println!("    {route:<28} {number}");
    }
    println!("  {:<22} {}", "resource units", count(seen, "resource_units"));
}

/// Prints what a command used, and its speed where files are counted.
pub(crate) fn used(measured: &Measured, files: Option<u64>) {
    let rate = files.map(|n| format!(" ({:.0} a second)", n as f64 / measured.seconds)).unwrap_or_default();
    println!("  {:<22} {:.2} s{rate}", "time", measured.seconds);
    println!("  {:<22} {:.2} s", "CPU", measured.cpu);
    println!("  {:<22} {:.1} MB", "peak memory", megabytes(measured.peak));
}

/// A number of a JSON object, 0 where it has none.
pub(crate) fn count(seen: &Value, name: &str) -> u64 {
    seen[name].as_u64().unwrap_or(0)
}

/// For people.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A figure and the least it may be; false where it is less.
pub(crate) fn at_least(what: &str, figure: f64, least: f64) -> bool {
    let verdict = if figure >= least { "kept" } else { "NOT KEPT" };
    println!("  {what:<22} {figure:.2} (at least {least:.2}: {verdict})");
    figure >= least
}
