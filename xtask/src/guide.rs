//! The page that takes a stranger from an empty folder to a protected API, done as he would: its shell blocks in their order, in one shell, in
//! an empty folder, with the built binary.
//!
//! A block ```` ```sh ```` is run. A block ```` ```text ```` says what the one before it prints: each of its lines, in their order, `...`
//! standing for anything.

use crate::{
    openapi,
    process::{Folder, run as run_to_end, run_group_within},
};
use anyhow::{Context as _, bail, ensure};
use std::{
    env,
    ffi::OsString,
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Command,
    time::Duration,
};

const PAGE: &str = "docs/guide/protect-your-api.md";
/// Where the page has its programs listen. Others are taken here, as these may be in use.
const ADDRESSES: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:8090"];
/// For all blocks together, a first build of what they compile included.
const LIMIT: Duration = Duration::from_secs(10 * 60);
const ANYTHING: &str = "...";

/// A block that is run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Block {
    /// Where it begins, for who reads the page.
    line: usize,
    script: String,
    /// The lines that it prints.
    prints: Vec<String>,
}

/// Runs the page. What it compiles is kept for the next run.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let binary = openapi::debug_binary(root)?;
    let page = fs::read_to_string(root.join(PAGE)).context(PAGE)?;
    let blocks = blocks(&elsewhere(page)?).context(PAGE)?;
    let folder = Folder::create(&env::temp_dir(), "keywright-guide")?;
    let [work, output] = ["work", "output"].map(|name| folder.path().join(name));
    fs::create_dir(&work)?;
    fs::create_dir(&output)?;
    // So that the same versions are compiled as everywhere else.
    fs::copy(root.join("Cargo.lock"), work.join("Cargo.lock"))?;
    let with_environment = |program: &str| -> anyhow::Result<Command> {
        let mut command = Command::new(program);
        command.current_dir(&work).env("KEYWRIGHT", root);
        // Kept for the next run, and without what nobody looks at here.
        command.env("CARGO_TARGET_DIR", root.join("target/guide")).env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "false");
        command.env("PATH", path_with(binary.parent().context("the binary stands in no folder")?)?);
        Ok(command)
    };
    let script = folder.path().join("script");
    fs::write(&script, one_script(&blocks, &output)?)?;
    let ran = run_group_within(with_environment("sh")?.arg(&script), LIMIT);
    let checked = blocks.iter().enumerate().try_for_each(|(at, block)| block.check(&fs::read_to_string(output.join(at.to_string())).unwrap_or_default()));
    // Of the service alone, which is compiled in another folder each time.
    let cleaned = run_to_end(with_environment("cargo")?.args(["clean", "--quiet", "--package", "invoices"]));
    if ran.is_err() {
        print!("{}", said(&work, &output));
    }
    ran.with_context(|| format!("{PAGE} does not work as it stands"))?;
    checked.context(PAGE)?;
    cleaned
}

/// The page with addresses that nobody uses.
fn elsewhere(mut page: String) -> anyhow::Result<String> {
    // All are held until each is known, so that they differ.
    let mut held = Vec::new();
    for address in ADDRESSES {
        ensure!(page.contains(address), "{PAGE} does not listen on {address} any more");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        page = page.replace(address, &listener.local_addr()?.to_string());
        held.push(listener);
    }
    Ok(page)
}

/// The blocks that are run, each with what it prints.
fn blocks(page: &str) -> anyhow::Result<Vec<Block>> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = (1..).zip(page.lines());
    while let Some((line, text)) = lines.next() {
        let Some(language) = text.strip_prefix("```") else { continue };
        let inside: Vec<&str> = lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```").collect();
        match (language, blocks.last_mut()) {
            ("sh", _) => blocks.push(Block { line, script: inside.join("\n"), prints: Vec::new() }),
            ("text", Some(before)) if before.prints.is_empty() => before.prints = inside.into_iter().map(str::to_owned).collect(),
            ("text", _) => bail!("line {line}: no block is there that could print this"),
            _ => bail!("line {line}: a block is `sh`, which is run, or `text`, which the one before it prints"),
        }
    }
    ensure!(!blocks.is_empty(), "there is no block to run");
    Ok(blocks)
}

/// One script of all blocks, which ends where one fails. What each prints goes into a file with its number.
fn one_script(blocks: &[Block], output: &Path) -> anyhow::Result<String> {
    let mut script = "set -eu\n".to_owned();
    for (at, Block { line, script: block, .. }) in blocks.iter().enumerate() {
        write!(script, "echo '--- {PAGE}:{line}'\n{{\n{block}\n}} > '{}'\n", output.join(at.to_string()).display())?;
    }
    Ok(script)
}

impl Block {
    /// Whether it printed what the page says.
    fn check(&self, printed: &str) -> anyhow::Result<()> {
        let mut rest = printed.lines();
        for expected in &self.prints {
            ensure!(rest.any(|line| fits(line, expected)), "line {}: prints no (further) line `{expected}`, but this:\n{printed}", self.line);
        }
        Ok(())
    }
}

/// Whether a line is as expected, `...` standing for anything.
fn fits(line: &str, expected: &str) -> bool {
    let Some((beginning, rest)) = expected.split_once(ANYTHING) else { return line == expected };
    let (middle, end) = rest.rsplit_once(ANYTHING).map_or((None, rest), |(middle, end)| (Some(middle), end));
    let Some(line) = line.strip_prefix(beginning).and_then(|line| line.strip_suffix(end)) else { return false };
    let mut parts = middle.into_iter().flat_map(|middle| middle.split(ANYTHING));
    parts.try_fold(line, |line, part| Some(line.split_once(part)?.1)).is_some()
}

/// The environment's PATH with a folder before all others.
fn path_with(folder: &Path) -> anyhow::Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(std::iter::once(folder.to_owned()).chain(env::split_paths(&path)))?)
}

/// What the last block printed, and what the page's servers said.
fn said(work: &Path, output: &Path) -> String {
    let last = (0..).map(|at: usize| output.join(at.to_string())).take_while(|path| path.exists()).last();
    let files = last.into_iter().chain(["keywright.log", "invoices.log"].map(|name| work.join(name)));
    files.filter_map(|path| Some(format!("{}:\n{}\n", path.display(), fs::read_to_string(&path).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_with_what_they_print() {
        let read = blocks("# Title\n```sh\na\n\nb\n```\nwords\n```text\nx ...\n```\n```sh\nc\n```\n").unwrap();
        let block =
            |line, script: &str, prints: &[&str]| Block { line, script: script.to_owned(), prints: prints.iter().map(|line| (*line).to_owned()).collect() };
        assert_eq!(read, [block(2, "a\n\nb", &["x ..."]), block(11, "c", &[])]);
        for wrong in ["", "```text\nx\n```", "```sh\na\n```\n```text\nx\n```\n```text\nx\n```", "```rust\nx\n```", "```\nx\n```"] {
            assert!(blocks(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn dots_stand_for_anything_and_all_else_for_itself() {
        for (line, expected) in
            [("a", "a"), ("", "..."), ("abc", "a...c"), ("ac", "a...c"), ("key 1, expires 2", "key ..., expires ..."), ("a1b2b3c", "a...b...b...c")]
        {
            assert!(fits(line, expected), "{line:?} {expected:?}");
        }
        for (line, expected) in [("ab", "a"), ("a", "b..."), ("abcd", "a...c"), ("a", "a...a"), ("key 1", "key ..., expires ..."), ("a1b3c", "a...b...b...c")] {
            assert!(!fits(line, expected), "{line:?} {expected:?}");
        }
    }

    #[test]
    fn lines_are_awaited_in_their_order() {
        let block = |prints: &[&str]| Block { prints: prints.iter().map(|line| (*line).to_owned()).collect(), ..Block::default() };
        assert!(block(&["a", "c"]).check("a\nb\nc\n").is_ok());
        assert!(block(&[]).check("a\n").is_ok());
        for wrong in [&["c", "a"][..], &["a", "a"], &["d"]] {
            assert!(block(wrong).check("a\nb\nc\n").is_err(), "{wrong:?}");
        }
    }
}
