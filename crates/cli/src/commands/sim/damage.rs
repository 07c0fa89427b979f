//! `landfall sim damage`: damages what a job has landed in a running simulator.
//!
//! Owns the one request and the file of answers. What is damaged, and how, is the simulator's.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use futures_util::TryStreamExt as _;
use landfall_core::Code;
use landfall_core::transport::{Request, Transport as _};
use landfall_sim::{DamageOrder, Damaged};
use landfall_stores::wire::{ReqwestTransport, USER_AGENT};
use rust_i18n::t;
use serde_json::{Value, json};

use crate::args::Damage;
use crate::commands::whole::{Whole, unwritable};
use crate::error::{CommandError, Exit};
use crate::ui::count;
use crate::wiring::Context;

/// Asks for the damage and writes the answers.
pub(super) async fn damage(context: &Context, args: &Damage) -> Result<Exit, CommandError> {
    let order = DamageOrder {
        job: args.job.clone(),
        kinds: args.kinds.clone(),
        rate: args.rate,
        seed: args.seed,
        versioned: args.versioned,
    };
    // Damage is not undone: that the answers can be written is found out before.
    let mut answers = Whole::begin(&args.answers)?;
    let lines = post(&args.inspect, &order).await?;
    answers.write_all(&lines).map_err(|error| unwritable(&args.answers, &error))?;
    answers.commit()?;
    show(context, &lines, &args.answers)?;
    Ok(Exit::Complete)
}

/// The simulator's answer, a line of JSON for each damaged file.
async fn post(inspect: &str, order: &DamageOrder) -> Result<Vec<u8>, CommandError> {
    let url = format!("{}/damage", inspect.trim_end_matches('/'));
    let unreachable = |detail: String| {
        CommandError::new(Code::Unreachable, format!("ask the simulator at {url}: {detail}"))
    };
    let mut request = Request::new(json!(order).to_string().into());
    *request.uri_mut() = url
        .parse()
        .map_err(|_| CommandError::new(Code::BadArgument, format!("--inspect {inspect} is no address")))?;
    if let Ok(method) = "POST".parse() {
        *request.method_mut() = method;
    }
    let transport = ReqwestTransport::new(USER_AGENT)?;
    let (head, body) =
        transport.send(request).await.map_err(|error| unreachable(error.to_string()))?.into_parts();
    let gathered = body.try_fold(Vec::new(), async |mut all, piece| {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    let bytes = gathered.await.map_err(|error| unreachable(error.to_string()))?;
    if head.status.is_success() {
        return Ok(bytes);
    }
    let told = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
    let told = told.get("error").and_then(Value::as_str).unwrap_or("no simulator answers there");
    Err(CommandError::new(Code::BadArgument, format!("the simulator refuses: {told}")))
}

fn show(context: &Context, lines: &[u8], answers: &Path) -> Result<(), CommandError> {
    let mut kinds = BTreeMap::<String, u64>::new();
    for line in serde_json::Deserializer::from_slice(lines).into_iter::<Damaged>() {
        let one = line.map_err(|error| {
            CommandError::new(Code::Internal, format!("read the simulator's answers: {error}"))
        })?;
        *kinds.entry(one.kind).or_default() += 1;
    }
    let screen = &context.screen;
    let damaged: u64 = kinds.values().sum();
    for (kind, number) in &kinds {
        screen.line(format!("{kind:<20}{:>8}", count(*number)));
    }
    screen.line(t!("sim.damaged", files = count(damaged), path = answers.display()));
    screen.result(&json!({"damaged": damaged, "kinds": kinds, "answers": answers}));
    Ok(())
}
