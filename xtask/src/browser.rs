//! The console in a browser: Debian's Chromium, driven by the tests in `tests/browser`. Each file of tests starts a demonstration of its own.

use crate::{
    openapi,
    process::{Folder, run, run_group_within},
    test::Extent,
    tools,
};
use anyhow::ensure;
use std::{fs, path::Path, process::Command, time::Duration};

const SUFFIX: &str = ".test.ts";
/// For all files together. A test that waits for something in vain gives up much earlier.
const LIMIT: Duration = Duration::from_secs(10 * 60);
const LIMIT_OF_FULL: Duration = Duration::from_secs(60 * 60);

/// Runs the tests, or those of one file, of these again those whose names match.
pub(crate) fn walk(root: &Path, extent: Extent, file: Option<&str>, name: Option<&str>) -> anyhow::Result<()> {
    let files = test_files(root, file)?;
    let folder = Folder::create(&root.join("target/tools"), "browser")?;
    let mut command = node(root, folder.path())?;
    // Not as many at once as there are processors: each is a server and a browser besides.
    command.args(["--test", "--test-concurrency=2", "--test-reporter=spec"]);
    if let Some(name) = name {
        command.arg(format!("--test-name-pattern={name}"));
    }
    command.args(files);
    let limit = match extent {
        Extent::Short => LIMIT,
        Extent::Full => {
            command.env("TEST_EXTENT", "full");
            LIMIT_OF_FULL
        }
    };
    run_group_within(&mut command, limit)
}

/// Writes the pictures of the console that the documents show.
pub(crate) fn screenshots(root: &Path) -> anyhow::Result<()> {
    let folder = Folder::create(&root.join("target/tools"), "browser")?;
    run_group_within(node(root, folder.path())?.arg("screenshots.ts"), LIMIT)
}

/// Writes what each page costs the server in processor time, measured on a release build; fails if one costs too much.
pub(crate) fn costs(root: &Path) -> anyhow::Result<()> {
    run(Command::new("cargo").current_dir(root).args(["build", "--release", "--package", "keywright"]))?;
    let folder = Folder::create(&root.join("target/tools"), "browser")?;
    run_group_within(node(root, folder.path())?.env("KEYWRIGHT", root.join("target/release/keywright")).arg("costs.ts"), LIMIT_OF_FULL)
}

/// The project's Node where the tests' packages are. What servers and browsers write goes into `folder`.
fn node(root: &Path, folder: &Path) -> anyhow::Result<Command> {
    let binary = openapi::debug_binary(root)?;
    let mut command = Command::new(tools::node(root)?);
    // It says of SQLite, by which the tests look at the server's data, that it may change.
    command.arg("--disable-warning=ExperimentalWarning").current_dir(tools::browser_folder(root));
    command.env("KEYWRIGHT", binary).env("PROJECT", root).env("TMPDIR", folder);
    Ok(command)
}

/// The names of the files with tests. `walk` stands for `walk.test.ts`.
fn test_files(root: &Path, only: Option<&str>) -> anyhow::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("tests/browser"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.strip_suffix(SUFFIX).is_some_and(|stem| only.is_none_or(|only| stem == only.trim_end_matches(SUFFIX))) {
            files.push(name);
        }
    }
    files.sort_unstable();
    ensure!(!files.is_empty(), "tests/browser has no {}{SUFFIX}", only.unwrap_or("*"));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_with_or_without_its_ending() {
        let root = crate::root();
        assert!(test_files(root, None).unwrap().len() > 1);
        for name in ["sign_in", "sign_in.test.ts"] {
            assert_eq!(test_files(root, Some(name)).unwrap(), ["sign_in.test.ts"]);
        }
        assert!(test_files(root, Some("stage")).is_err());
    }
}
