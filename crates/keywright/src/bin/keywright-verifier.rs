//! `keywright verifier` alone: the same command in a program that has nothing else in it, and so takes little memory beside every API.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its user")]

#[path = "../verifier.rs"]
mod verifier;

use clap::Parser;
use std::process::ExitCode;

/// Decide about tokens beside an API or a gateway in any language, with no database and no secret
#[derive(Parser)]
#[command(name = "keywright-verifier", version)]
struct Cli {
    #[command(flatten)]
    args: verifier::VerifierArgs,
}

fn main() -> ExitCode {
    verifier::run_to_end(Cli::parse().args)
}
