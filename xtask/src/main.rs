//! The project's own commands: `cargo xtask test`, `clients`, `gateways`, `browser`, `guide`, `screenshots`, `page-costs`, `tidy`, `openapi`, `bench`, `faults`.
//!
//! Each is a plain program over the tools that the project needs anyway; `test` brings what a fresh machine lacks.

#![expect(clippy::print_stdout, reason = "a command line tool talks to its user")]

mod bench;
mod browser;
mod clients;
mod faults;
mod gateways;
mod guide;
mod openapi;
mod postgres;
mod process;
mod steps;
mod test;
mod tidy;
mod tools;

use clap::{Args, Parser, Subcommand};
use std::{path::Path, process::ExitCode};

#[derive(Parser)]
#[command(about = "Keywright's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that must hold before a change lands; installs what is missing (Debian, as root).
    Test(Length),
    /// Of `test` the client programs alone, with what they need.
    Clients(Length),
    /// Of `test` the gateways alone, with what they need.
    Gateways(Length),
    /// Of `test` the console in a browser alone, with what it needs.
    Browser {
        /// Which file of tests/browser, such as `people`; without it, all.
        file: Option<String>,
        /// Of these only the tests whose names match this pattern.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        length: Length,
    },
    /// Writes docs/console/*.jpg, the pictures of the console.
    Screenshots,
    /// Measures what each page of the console costs the server, on a release build, and writes docs/console/costs.md.
    PageCosts,
    /// Of `test` the guide alone: the shell blocks of docs/guide, run as a reader would.
    Guide {
        /// Which page, such as api-keys; without it, all.
        page: Option<String>,
    },
    /// The rules of the house that no compiler checks: arrows between crates, budgets, words, tracked files.
    Tidy,
    /// Writes docs/openapi/*.json from the binary.
    Openapi {
        /// Only compares, and fails on a difference.
        #[arg(long)]
        check: bool,
    },
    /// Drills with real processes at full length, on a release build: what is promised, measured while things go wrong.
    Faults {
        /// Which; without it, all.
        name: Option<String>,
        /// How much of the full length.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
    },
    /// Measures the service against the limit programs and writes docs/BENCHMARKS.md.
    Bench {
        /// How often everything is measured in turn; the table shows medians.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Counted requests of each program and round.
        #[arg(long, default_value_t = 40_000)]
        requests: u64,
    },
}

/// How much is done.
#[derive(Args, Clone, Copy)]
struct Length {
    /// Twenty times as many generated cases, the long runs at full length, all hostile strings, and the clients in Go and Java.
    #[arg(long)]
    full: bool,
}

impl Length {
    fn extent(self) -> test::Extent {
        if self.full { test::Extent::Full } else { test::Extent::Short }
    }
}

fn main() -> ExitCode {
    match run(root()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(root: &Path) -> anyhow::Result<()> {
    match Arguments::parse().command {
        Task::Test(length) => test::run(root, length.extent()),
        Task::Clients(length) => tools::ensure_all(root, length.extent()).and_then(|()| clients::run(root, length.extent())),
        Task::Gateways(length) => tools::ensure_all(root, length.extent()).and_then(|()| gateways::run(root, length.extent())),
        Task::Browser { file, name, length } => {
            tools::ensure_all(root, length.extent())?;
            browser::walk(root, length.extent(), file.as_deref(), name.as_deref())
        }
        Task::Screenshots => tools::ensure_all(root, test::Extent::Short).and_then(|()| browser::screenshots(root)),
        Task::PageCosts => tools::ensure_all(root, test::Extent::Short).and_then(|()| browser::costs(root)),
        Task::Guide { page } => guide::run(root, page.as_deref()),
        Task::Tidy => tidy::run(root),
        Task::Openapi { check } => openapi::run(root, if check { openapi::Mode::Compare } else { openapi::Mode::Write }),
        Task::Faults { name, scale } => faults::run(root, name.as_deref(), scale),
        Task::Bench { rounds, requests } => bench::run(root, rounds, requests),
    }
}

/// The repository: the folder above this package's.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
