//! The committed OpenAPI documents, which are what the binary says of itself.

use crate::process;
use anyhow::{Context, bail, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const DOCUMENTS: [&str; 5] = ["auth", "distribution", "gateway", "identity", "oauth"];

/// What to do about a difference.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// Write the committed document anew.
    Write,
    /// Fail.
    Compare,
}

/// Writes or compares `docs/openapi/*.json`.
pub(crate) fn run(root: &Path, mode: Mode) -> anyhow::Result<()> {
    let binary = debug_binary(root)?;
    for name in DOCUMENTS {
        let printed = process::output(Command::new(&binary).args(["openapi", name]))?;
        let document = document(&printed).with_context(|| format!("`keywright openapi {name}`"))?;
        let path = root.join("docs/openapi").join(format!("{name}.json"));
        match mode {
            Mode::Write => {
                fs::create_dir_all(root.join("docs/openapi"))?;
                fs::write(&path, document)?;
                println!("wrote docs/openapi/{name}.json");
            }
            Mode::Compare => compare(name, &fs::read_to_string(&path).unwrap_or_default(), &document)?,
        }
    }
    Ok(())
}

/// Builds the binary for development and says where it is. Built with the features of the whole workspace, as the tests are, so
/// that nothing is compiled twice.
pub(crate) fn debug_binary(root: &Path) -> anyhow::Result<PathBuf> {
    process::run(Command::new("cargo").current_dir(root).args(["build", "--quiet", "--workspace", "--all-features", "--bin", "keywright"]))?;
    Ok(root.join("target/debug/keywright"))
}

/// What was printed, checked to be an OpenAPI document that people can read line by line, with one newline at its end.
fn document(printed: &str) -> anyhow::Result<String> {
    let value: serde_json::Value = serde_json::from_str(printed).context("printed no JSON")?;
    ensure!(value.get("openapi").is_some() && value.get("paths").is_some(), "printed no OpenAPI document");
    let text = printed.trim();
    ensure!(text.lines().count() > 1, "must print indented JSON");
    Ok(text.lines().map(half_indented).collect())
}

/// A line with half of its indentation: of these documents a quarter is spaces.
fn half_indented(line: &str) -> String {
    let rest = line.trim_start_matches(' ');
    let indentation = " ".repeat((line.len() - rest.len()) / 2);
    format!("{indentation}{rest}\n")
}

fn compare(name: &str, committed: &str, generated: &str) -> anyhow::Result<()> {
    if committed == generated {
        return Ok(());
    }
    let same = committed.lines().zip(generated.lines()).take_while(|(one, other)| one == other).count();
    bail!("docs/openapi/{name}.json is not what the binary says, from line {} on; run `cargo xtask openapi` and commit the result", same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_indented_openapi_document_is_taken() {
        let good = "{\n  \"openapi\": \"3.1.0\",\n  \"paths\": {}\n}\n\n";
        assert!(document(good).unwrap().ends_with("}\n"));
        assert!(document("{\"openapi\":\"3.1.0\",\"paths\":{}}").is_err());
        assert!(document("{\n}").is_err());
        assert!(document("no").is_err());
    }

    #[test]
    fn a_difference_names_its_line() {
        assert!(compare("auth", "a\nb\n", "a\nb\n").is_ok());
        assert!(compare("auth", "a\nb\n", "a\nc\n").unwrap_err().to_string().contains("from line 2 on"));
        assert!(compare("auth", "", "a\n").is_err());
    }
}
