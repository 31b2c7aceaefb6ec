//! Everything that must hold before a change lands, in one run.

use crate::{browser, clients, faults, gateways, guide, openapi, postgres::Postgres, process::run as run_program, steps::Steps, tidy, tools};
use std::{path::Path, process::Command};

/// How much is done of what can be done more or less of.
#[derive(Clone, Copy)]
pub(crate) enum Extent {
    /// What every change must pass.
    Short,
    /// Twenty times as many generated cases, the long runs at full length, all hostile strings, and the clients in Go and Java.
    Full,
}

/// Generated cases of each property at full extent; the short form has proptest's own 256.
const FULL_CASES: &str = "5120";

/// Runs every step; the first that fails ends the run.
pub(crate) fn run(root: &Path, extent: Extent) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    steps.step("tools", || tools::ensure_all(root, extent))?;
    steps.step("formatting", || run_program(cargo(root).args(["fmt", "--all", "--check"])))?;
    steps.step("tidy", || tidy::run(root))?;
    steps.step("clippy", || run_program(cargo(root).args(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])))?;
    steps.step("OpenAPI documents", || openapi::run(root, openapi::Mode::Compare))?;
    let postgres = steps.step("PostgreSQL", Postgres::start)?;
    steps.step("tests", || {
        let mut tests = cargo(root);
        tests.args(["test", "--workspace", "--all-features"]).env("TEST_POSTGRES_URL", postgres.url());
        if let Extent::Full = extent {
            tests.env("PROPTEST_CASES", FULL_CASES).env("TEST_EXTENT", "full");
        }
        run_program(&mut tests)
    })?;
    drop(postgres);
    steps.step("clients", || clients::run(root, extent))?;
    steps.step("gateways", || gateways::run(root, extent))?;
    steps.step("browser", || browser::walk(root, extent, None, None))?;
    steps.step("guide", || guide::run(root, None))?;
    steps.step("drills", || faults::run_short(root))?;
    steps.finish();
    Ok(())
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    command
}
