//! The guide, done as a reader would: the shell blocks of each page in their order, in one shell, in an empty folder, with the built binary.
//!
//! A block ```` ```sh ```` is run. A block ```` ```text ```` says what the one before it prints: each of its lines, in their order, `...`
//! standing for anything. The pages speak to one demonstration, whose own line sets their variables.

use crate::{
    clients, openapi,
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

const FOLDER: &str = "docs/guide";
/// The page that compiles a service, in a package of this name.
const COMPILES: (&str, &str) = ("protect-your-api.md", "invoices");
/// Where pages have their programs listen. Others are taken here, as these may be in use.
const ADDRESSES: [&str; 3] = ["127.0.0.1:8080", "127.0.0.1:8090", "127.0.0.1:8181"];
/// What stands for the server, which puts its own address there when it serves the page.
const PLACEHOLDER: &str = "https://auth.example.com";
/// For all blocks of a page together.
const LIMIT: Duration = Duration::from_secs(60);
/// The same with a first build of what is compiled.
const LIMIT_WITH_BUILD: Duration = Duration::from_secs(10 * 60);
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

/// What all pages have in common.
struct Guide<'a> {
    root: &'a Path,
    /// Where the built programs are.
    programs: &'a Path,
    folder: Folder,
    issuer: String,
    /// The line that sets the variables.
    variables: String,
}

/// Runs the page of this name, or all of them. What is compiled on the way is kept for the next run.
pub(crate) fn run(root: &Path, only: Option<&str>) -> anyhow::Result<()> {
    let mut pages = fs::read_dir(root.join(FOLDER))
        .context(FOLDER)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    pages.retain(|page| only.is_none_or(|only| page.strip_suffix(".md") == Some(only)));
    ensure!(!pages.is_empty(), "there is no such page in {FOLDER}");
    pages.sort();
    let binary = openapi::debug_binary(root)?;
    let folder = Folder::create(&env::temp_dir(), "keywright-guide")?;
    let demo_folder = folder.path().join("demo");
    fs::create_dir(&demo_folder)?;
    let (mut demo, credentials) = clients::start_demo(&mut Command::new(&binary), &demo_folder)?;
    let issuer = clients::auth_url(&credentials).context("the demonstration's credentials name no authUrl")?;
    let log = demo_folder.join(clients::DEMO_LOG);
    let variables = demo.await_answer(LIMIT, || Ok(variables(&fs::read_to_string(&log)?)))?;
    let programs = binary.parent().context("the binary stands in no folder")?;
    let guide = Guide { root, programs, folder, issuer, variables };
    pages.iter().try_for_each(|page| guide.page(page).with_context(|| format!("{FOLDER}/{page}")))?;
    let status = demo.end()?;
    ensure!(status.success(), "the demonstration did not end well when it was asked to: {status}");
    Ok(())
}

/// The finished line of the demonstration that sets what the pages take.
fn variables(printed: &str) -> Option<String> {
    let (line, _) = printed.split_once("\nexport ")?.1.split_once('\n')?;
    Some(format!("export {line}"))
}

impl Guide<'_> {
    /// Runs a page, if there is something to run.
    fn page(&self, name: &str) -> anyhow::Result<()> {
        let text = fs::read_to_string(self.root.join(FOLDER).join(name))?.replace(PLACEHOLDER, &self.issuer);
        let blocks = blocks(&elsewhere(text)?)?;
        if blocks.is_empty() {
            return Ok(());
        }
        println!("--- {name}");
        let folder = self.folder.path().join(name);
        let [work, output] = ["work", "output"].map(|part| folder.join(part));
        fs::create_dir_all(&work)?;
        fs::create_dir(&output)?;
        let script = folder.join("script");
        fs::write(&script, one_script(name, &self.variables, &blocks, &output)?)?;
        let compiles = name == COMPILES.0;
        if compiles {
            // So that the same versions are compiled as everywhere else.
            fs::copy(self.root.join("Cargo.lock"), work.join("Cargo.lock"))?;
        }
        let ran = run_group_within(self.command("sh", &work)?.arg(&script), if compiles { LIMIT_WITH_BUILD } else { LIMIT });
        let checked = blocks.iter().enumerate().try_for_each(|(at, block)| block.check(&fs::read_to_string(output.join(at.to_string())).unwrap_or_default()));
        if compiles {
            // Of the service alone, which is compiled in another folder each time.
            run_to_end(self.command("cargo", &work)?.args(["clean", "--quiet", "--package", COMPILES.1]))?;
        }
        if ran.is_err() {
            print!("{}", said(&work, &output));
        }
        ran.context("does not work as it stands")?;
        checked
    }

    /// A program in a page's folder, with the built ones at hand.
    fn command(&self, program: &str, work: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(program);
        command.current_dir(work).env("KEYWRIGHT", self.root);
        // Kept for the next run, and without what nobody looks at here.
        command.env("CARGO_TARGET_DIR", self.root.join("target/guide")).env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "false");
        command.env("PATH", path_with(self.programs)?);
        Ok(command)
    }
}

/// The page with addresses that nobody uses.
fn elsewhere(mut page: String) -> anyhow::Result<String> {
    // All are held until each is known, so that they differ.
    let mut held = Vec::new();
    for address in ADDRESSES {
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
    Ok(blocks)
}

/// One script of all blocks, which ends where one fails. What each prints goes into a file with its number.
fn one_script(page: &str, variables: &str, blocks: &[Block], output: &Path) -> anyhow::Result<String> {
    let mut script = format!("set -eu\n{variables}\n");
    for (at, Block { line, script: block, .. }) in blocks.iter().enumerate() {
        write!(script, "echo '--- {page}:{line}'\n{{\n{block}\n}} > '{}'\n", output.join(at.to_string()).display())?;
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
    let files = last.into_iter().chain(["keywright.log", "invoices.log", "verifier.log"].map(|name| work.join(name)));
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
        assert_eq!(blocks("# Title\n").unwrap(), []);
        for wrong in ["```text\nx\n```", "```sh\na\n```\n```text\nx\n```\n```text\nx\n```", "```rust\nx\n```", "```\nx\n```"] {
            assert!(blocks(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_variables_are_those_of_a_finished_line() {
        assert_eq!(variables("x\nexport KEY='a' ORG='b'\ny").as_deref(), Some("export KEY='a' ORG='b'"));
        assert_eq!(variables("x\nexport KEY='a'"), None);
        assert_eq!(variables("x\n"), None);
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
