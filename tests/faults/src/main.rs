//! Drills with real processes. Each fails when a promise was broken, and prints what it measured.

#![expect(clippy::print_stdout, reason = "a program that reports to whoever runs it")]

mod library;
mod revocations;
mod rotations;
mod verifiers;
mod world;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Drills with real processes.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    drill: Drill,
}

#[derive(Subcommand)]
enum Drill {
    /// Takes back tokens in five ways under load, and measures how long verifiers go on accepting them
    Revocations {
        /// The `keywright` binary
        #[arg(long)]
        binary: PathBuf,
        /// How many
        #[arg(long, default_value_t = 2_000)]
        count: usize,
    },
    /// Rotates signing keys under load, and counts good tokens that were refused
    Rotations {
        /// The `keywright` binary
        #[arg(long)]
        binary: PathBuf,
        /// How many
        #[arg(long, default_value_t = 200)]
        count: usize,
    },
    /// A resource server that uses the library; drills start it
    #[command(hide = true)]
    Library(library::LibraryArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().drill {
        Drill::Revocations { binary, count } => revocations::run(&binary, count).await,
        Drill::Rotations { binary, count } => rotations::run(&binary, count).await,
        Drill::Library(args) => library::run(args).await,
    }
}
