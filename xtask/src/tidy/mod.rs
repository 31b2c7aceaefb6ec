//! The rules of the house that no compiler checks. Each check gives sentences about what breaks it; none means it holds.

mod arrows;
mod banned;
mod migrations;
mod sources;
mod tracked;

use anyhow::ensure;
use std::path::Path;

/// Runs every check, prints what they found, and fails if that is anything.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let packages = arrows::packages(root)?;
    let tracked = tracked::files(root)?;
    let mut faults = arrows::check(&packages);
    faults.extend(arrows::check_manifests(&packages)?);
    faults.extend(banned::check(root)?);
    faults.extend(sources::check(&tracked));
    faults.extend(tracked::check(&tracked));
    faults.extend(migrations::check(&tracked));
    for fault in &faults {
        println!("{fault}");
    }
    ensure!(faults.is_empty(), "{} rules of the house are broken", faults.len());
    Ok(())
}
