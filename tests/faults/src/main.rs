//! Drills with real processes. Each fails when a promise was broken, and prints what it measured.

#![expect(clippy::print_stdout, reason = "a program that reports to whoever runs it")]

mod library;
mod replicas;
mod revocations;
mod rotations;
mod verifiers;
mod world;

use clap::{Parser, Subcommand};
use replicas::figures::Bounds;
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
    /// Asks three replicas on one PostgreSQL for everything while things go wrong, and checks what they answered
    Replicas {
        /// The `keywright` binary
        #[arg(long)]
        binary: PathBuf,
        /// How many operations; of each kind of fault one in a thousand
        #[arg(long, default_value_t = 200_000)]
        count: usize,
        /// Another one has other faults at other times
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Breaks the contract on purpose: the drill must fail
        #[arg(long, value_enum)]
        sabotage: Option<replicas::injections::Sabotage>,
    },
    /// Revokes keys under load and without notifications at one of three replicas, and measures when the last of them accepts them
    Latency {
        /// The `keywright` binary
        #[arg(long)]
        binary: PathBuf,
        /// How many in each setting
        #[arg(long, default_value_t = 500)]
        count: usize,
        /// What becomes of a time that is over its bound
        #[arg(long, value_enum, default_value = "asserted")]
        bounds: Bounds,
    },
    /// Takes the database away from three replicas in five ways, and looks at what they answer
    Outage {
        /// The `keywright` binary
        #[arg(long)]
        binary: PathBuf,
        /// How often in each way
        #[arg(long, default_value_t = 10)]
        count: usize,
        /// What becomes of a time that is over its bound
        #[arg(long, value_enum, default_value = "asserted")]
        bounds: Bounds,
    },
    /// Asks replicas behind HAProxy to end, under load, and counts requests that fail
    Shutdown {
        /// The `keywright` binary
        #[arg(long)]
        binary: PathBuf,
        /// How often
        #[arg(long, default_value_t = 100)]
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
        Drill::Replicas { binary, count, seed, sabotage } => replicas::histories::run(&binary, count, seed, sabotage).await,
        Drill::Latency { binary, count, bounds } => replicas::latency::run(&binary, count, bounds).await,
        Drill::Outage { binary, count, bounds } => replicas::outage::run(&binary, count, bounds).await,
        Drill::Shutdown { binary, count } => replicas::shutdown::run(&binary, count).await,
        Drill::Library(args) => library::run(args).await,
    }
}
