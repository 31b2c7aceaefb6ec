//! What may stand in our own Rust files.

use super::tracked::File;

/// Longest source file without its tests, in lines.
const MAX_LINES: usize = 600;

// In pieces, so that this file does not find itself.
const UNFINISHED: [&str; 6] =
    [concat!("to", "do!"), concat!("unimple", "mented!"), concat!("db", "g!("), concat!("#[ig", "nore"), concat!("FIX", "ME"), concat!("XX", "X")];
const ALLOW: [&str; 2] = [concat!("#[al", "low("), concat!("#![al", "low(")];
const STATEMENTS: [&str; 4] = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "];
const FORMATTING: [&str; 3] = ["format!(", "write!(", "push_str("];

/// Budgets, unfinished work, lints switched off, SQL that is put together.
pub(super) fn check(files: &[File]) -> Vec<String> {
    files.iter().filter(|file| is_ours(&file.path)).flat_map(check_file).collect()
}

fn is_ours(path: &str) -> bool {
    path.ends_with(".rs") && ["crates/", "xtask/", "bench/", "tests/"].iter().any(|folder| path.starts_with(folder))
}

fn check_file(file: &File) -> Vec<String> {
    let mut faults: Vec<String> = lines_fault(file).into_iter().collect();
    for (line, text) in (1..).zip(file.text.lines()) {
        if let Some(word) = UNFINISHED.iter().find(|word| text.contains(*word)) {
            faults.push(format!("{}:{line}: unfinished: `{word}`", file.path));
        }
        if ALLOW.iter().any(|allow| text.contains(allow)) {
            faults.push(format!("{}:{line}: a lint is switched off without notice of its end; use `expect` with a reason", file.path));
        }
    }
    faults.extend(sql_faults(file));
    faults
}

fn lines_fault(file: &File) -> Option<String> {
    if !file.path.contains("/src/") {
        return None;
    }
    let lines = lines_without_tests(&file.text);
    (lines > MAX_LINES).then(|| format!("{}: {lines} lines without its tests; at most {MAX_LINES} are allowed", file.path))
}

/// Lines before the trailing `#[cfg(test)] mod tests`.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).rposition(|pair| matches!(pair, ["#[cfg(test)]", next] if next.starts_with("mod tests {")));
    tests.unwrap_or(lines.len())
}

/// The statements of a copy are made of the names of tables and columns that the migrations made. There are no values in them either.
const MADE_OF_NAMES: &str = "crates/db/src/copy/statements.rs";

/// SQL stands as a literal, so that it can be found, and so that no value can become a part of it.
fn sql_faults(file: &File) -> Vec<String> {
    if file.path == MADE_OF_NAMES || !["crates/store/src/", "crates/distribution/src/", "crates/db/src/"].iter().any(|folder| file.path.starts_with(folder)) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for formatting in FORMATTING {
        for (at, _) in file.text.match_indices(formatting) {
            let call = file.text.get(at..).map_or("", call);
            if STATEMENTS.iter().any(|statement| call.contains(statement)) {
                let line = file.text.get(..at).map_or(0, |before| before.lines().count().max(1));
                faults.push(format!("{}:{line}: SQL is put together by `{formatting}`; it must be a literal", file.path));
            }
        }
    }
    faults
}

/// The text up to the parenthesis that closes the first one. Parentheses in string literals do not count.
fn call(text: &str) -> &str {
    let (mut depth, mut in_literal, mut escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_literal => escaped = true,
            '"' => in_literal = !in_literal,
            '(' if !in_literal => depth += 1,
            ')' if !in_literal && depth == 1 => return text.get(..at).unwrap_or(text),
            ')' if !in_literal => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> usize {
        check(&[File::new(path, text)]).len()
    }

    #[test]
    fn long_files_are_told_tests_are_not_counted() {
        let (fits, tests) = ("// x\n".repeat(MAX_LINES), "#[cfg(test)]\nmod tests {\n}\n".to_owned() + &"// x\n".repeat(50));
        assert_eq!(faults("crates/db/src/lib.rs", &fits), 0);
        assert_eq!(faults("crates/db/src/lib.rs", &format!("{fits}{tests}")), 0);
        assert_eq!(faults("crates/db/src/lib.rs", &format!("{fits}// x\n{tests}")), 1);
        assert_eq!(faults("crates/db/tests/long.rs", &format!("{fits}// x\n")), 0);
    }

    #[test]
    fn unfinished_work_is_told() {
        for word in UNFINISHED {
            assert_eq!(faults("xtask/src/main.rs", &format!("    {word}\n")), 1, "{word}");
            assert_eq!(faults("docs/guide.md", word), 0);
        }
    }

    #[test]
    fn a_lint_is_never_switched_off_quietly() {
        for allow in ALLOW {
            assert_eq!(faults("bench/src/main.rs", &format!("{allow}dead_code)]\n")), 1);
        }
        assert_eq!(faults("bench/src/main.rs", "#[expect(dead_code, reason = \"x\")]\n"), 0);
    }

    #[test]
    fn sql_is_a_literal() {
        let put_together = "let sql = format!(\n    \"SELECT {column} FROM t\"\n);\n";
        assert_eq!(faults("crates/store/src/keys.rs", put_together), 1);
        assert_eq!(faults("crates/store/src/keys.rs", "sql.push_str(\"DELETE FROM t\");\n"), 1);
        assert_eq!(faults("crates/server/src/lib.rs", put_together), 0);
        assert_eq!((faults(MADE_OF_NAMES, put_together), faults("crates/db/src/copy/rows.rs", put_together)), (0, 1));
        assert_eq!(faults("crates/store/src/keys.rs", "f(format!(\"a ) {b(c)}\", (d)), \"SELECT a FROM t\")\n"), 0);
        assert_eq!(faults("crates/store/src/keys.rs", "f(format!(\"a ) \\\" {b}\" + g() + \"SELECT a FROM t\"))\n"), 1);
        assert_eq!(faults("crates/store/src/keys.rs", "const X: &str = \"SELECT a FROM t\";\nlet y = format!(\"{x}\");\n"), 0);
    }
}
