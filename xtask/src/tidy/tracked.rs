//! What may stand in a tracked file of any kind.

use crate::process;
use anyhow::Context;
use std::{fs, path::Path, process::Command};

/// Largest file, in bytes.
const MAX_BYTES: usize = 512 * 1024;
/// Longest ARCHITECTURE.md, in lines.
const MAX_ARCHITECTURE_LINES: usize = 200;

// In pieces, so that this file does not find itself.
const PRIVATE_KEY: &str = concat!("PRIVATE KEY", "-----");
const MACHINE_PATHS: [&str; 3] = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];
const RESOLVED: &str = concat!("\"reso", "lved\":");

/// A file of the project.
pub(super) struct File {
    /// Relative to the repository.
    pub(super) path: String,
    /// Size in bytes.
    pub(super) bytes: usize,
    /// Its text; what is no UTF-8 is replaced.
    pub(super) text: String,
}

impl File {
    /// From a relative path and a text.
    #[cfg(test)]
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), bytes: text.len(), text: text.to_owned() }
    }
}

/// Reads what git tracks or would track.
pub(super) fn files(root: &Path) -> anyhow::Result<Vec<File>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = process::output(Command::new("git").current_dir(root).args(arguments)).context("tidy needs a git repository")?;
    // A file that was deleted but is still in git's index, or a link to nothing, has no content to check.
    let paths = listed.split('\0').filter(|path| root.join(path).is_file());
    let read = |path: &str| -> anyhow::Result<File> {
        let content = fs::read(root.join(path)).with_context(|| path.to_owned())?;
        Ok(File { path: path.to_owned(), bytes: content.len(), text: String::from_utf8_lossy(&content).into_owned() })
    };
    paths.map(read).collect()
}

/// Sizes, secrets, paths of one machine, hosts in a lock, and the length of ARCHITECTURE.md.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut faults: Vec<String> = files.iter().flat_map(check_file).collect();
    faults.extend(architecture_fault(files));
    faults
}

fn check_file(file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    if file.bytes > MAX_BYTES {
        faults.push(format!("{}: {} bytes; at most {MAX_BYTES} are allowed", file.path, file.bytes));
    }
    for (line, text) in (1..).zip(file.text.lines()) {
        if text.contains(PRIVATE_KEY) {
            faults.push(format!("{}:{line}: a private key; make one while the test runs", file.path));
        }
        if MACHINE_PATHS.iter().any(|path| has_absolute_path(text, path)) {
            faults.push(format!("{}:{line}: a path of one machine", file.path));
        }
        if file.path.ends_with("package-lock.json") && text.contains(RESOLVED) {
            faults.push(format!("{}:{line}: the lock names a registry; npm has `omit-lockfile-registry-resolved`", file.path));
        }
    }
    faults
}

/// Whether `path` stands in the text as the start of an absolute path, not inside of a longer word.
fn has_absolute_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | '>' | '*'))
    })
}

fn architecture_fault(files: &[File]) -> Option<String> {
    let Some(file) = files.iter().find(|file| file.path == "ARCHITECTURE.md") else {
        return Some("ARCHITECTURE.md is missing".to_owned());
    };
    let lines = file.text.lines().count();
    (lines > MAX_ARCHITECTURE_LINES).then(|| format!("ARCHITECTURE.md: {lines} lines; at most {MAX_ARCHITECTURE_LINES} are allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> usize {
        check_file(&File::new(path, text)).len()
    }

    #[test]
    fn large_files_are_told() {
        assert_eq!(faults("a.bin", &"x".repeat(MAX_BYTES)), 0);
        assert_eq!(faults("a.bin", &"x".repeat(MAX_BYTES + 1)), 1);
    }

    #[test]
    fn private_keys_are_told() {
        assert_eq!(faults("a.pem", &format!("-----BEGIN EC {PRIVATE_KEY}")), 1);
        assert_eq!(faults("a.pem", "-----BEGIN PUBLIC KEY-----"), 0);
    }

    #[test]
    fn paths_of_one_machine_are_told() {
        for path in MACHINE_PATHS {
            assert_eq!(faults("a.md", &format!("see {path}somebody")), 1, "{path}");
            assert_eq!(faults("a.md", &format!("`file://{path}somebody`")), 1, "{path}");
            assert_eq!(faults("a.md", &format!("https://example.com{path}x")), 0, "{path}");
        }
    }

    #[test]
    fn a_lock_names_no_registry() {
        let line = format!("      {RESOLVED} \"https://registry.example/x.tgz\",");
        assert_eq!(faults("tests/clients/package-lock.json", &line), 1);
        assert_eq!(faults("tests/clients/other.json", &line), 0);
    }

    #[test]
    fn the_architecture_fits_in_its_budget() {
        let with = |lines: usize| architecture_fault(&[File::new("ARCHITECTURE.md", &"x\n".repeat(lines))]);
        assert_eq!(with(MAX_ARCHITECTURE_LINES), None);
        assert!(with(MAX_ARCHITECTURE_LINES + 1).is_some());
        assert!(architecture_fault(&[]).is_some());
    }
}
