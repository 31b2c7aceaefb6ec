//! nginx, Caddy, HAProxy and Apache before one API, with the configurations in `deploy/gateways`.

use crate::{openapi, process::run as run_program, test::Extent};
use std::{path::Path, process::Command};

/// Bent requests to each gateway, at full extent and in the short form.
const BENT: (usize, usize) = (5_000, 250);

/// The table of cases, and bent requests.
pub(crate) fn run(root: &Path, extent: Extent) -> anyhow::Result<()> {
    let binary = openapi::debug_binary(root)?;
    run_program(Command::new("cargo").current_dir(root).args(["build", "--quiet", "--workspace", "--all-features", "--bin", "keywright-gateways"]))?;
    let bent = match extent {
        Extent::Full => BENT.0,
        Extent::Short => BENT.1,
    };
    let mut command = Command::new(root.join("target/debug/keywright-gateways"));
    command.arg("--binary").arg(binary).arg("--templates").arg(root.join("deploy/gateways")).args(["--bent", &bent.to_string()]);
    run_program(&mut command)
}
