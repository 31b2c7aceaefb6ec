//! Drills with real processes: in the short form with what the tests have built anyway, at full length with a release build.

use crate::{openapi, process::run as run_program};
use anyhow::{Context, bail};
use std::{path::Path, process::Command};

/// A drill, and how often its act is done at full length and in the short form.
const DRILLS: [(&str, usize, usize); 6] =
    [("revocations", 2_000, 100), ("rotations", 200, 3), ("replicas", 200_000, 3_000), ("latency", 500, 12), ("outage", 10, 1), ("shutdown", 100, 3)];

/// Those that hold an answer to a time besides the promise that nothing is accepted too late.
const TIMED: [&str; 2] = ["latency", "outage"];

/// Every drill in its short form.
pub(crate) fn run_short(root: &Path) -> anyhow::Result<()> {
    let binary = openapi::debug_binary(root)?;
    run_program(Command::new("cargo").current_dir(root).args(["build", "--quiet", "--workspace", "--all-features", "--bin", "keywright-faults"]))?;
    for (drill, _, count) in DRILLS {
        // Tests run beside other things, and on machines that nobody knows.
        let bounds: &[&str] = if TIMED.contains(&drill) { &["--bounds", "told"] } else { &[] };
        run_one(&binary, (drill, count), bounds)?;
    }
    Ok(())
}

/// One drill, or all of them; `scale` 1 is the full length.
pub(crate) fn run(root: &Path, name: Option<&str>, scale: f64) -> anyhow::Result<()> {
    let drills: Vec<_> = DRILLS.into_iter().filter(|(drill, ..)| name.is_none_or(|name| name == *drill)).collect();
    if drills.is_empty() {
        let known: Vec<&str> = DRILLS.iter().map(|(drill, ..)| *drill).collect();
        bail!("there is no such drill; there are: {}", known.join(", "));
    }
    run_program(Command::new("cargo").current_dir(root).args(["build", "--release", "-p", "keywright", "-p", "keywright-faults"]))?;
    for (drill, count, _) in drills {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a small number of acts")]
        let count = ((count as f64 * scale).round() as usize).max(1);
        run_one(&root.join("target/release/keywright"), (drill, count), &[])?;
    }
    Ok(())
}

/// `binary` is the service; the drills' own program stands beside it.
fn run_one(binary: &Path, (drill, count): (&str, usize), more: &[&str]) -> anyhow::Result<()> {
    println!("--- {drill}, {count}");
    let program = binary.parent().context("the binary is in a folder")?.join("keywright-faults");
    run_program(Command::new(program).arg(drill).arg("--binary").arg(binary).args(["--count", &count.to_string()]).args(more))
}
