//! What is printed: tables for people, JSON for programs.

use super::Failure;
use clap::ValueEnum;
use serde::Serialize;
use std::io::{self, ErrorKind, Write as _};

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Standard output.
pub(super) struct Output {
    format: OutputFormat,
}

impl Output {
    pub(super) fn new(format: OutputFormat) -> Self {
        Self { format }
    }

    pub(super) fn format(&self) -> OutputFormat {
        self.format
    }

    /// A text as it is, with an end of line.
    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        match writeln!(io::stdout().lock(), "{text}") {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
            Err(error) => Err(Failure::failed(format!("standard output cannot be written: {error}"))),
        }
    }

    /// A value, indented.
    pub(super) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(&serde_json::to_string_pretty(value).map_err(|error| Failure::failed(error.to_string()))?)
    }

    /// A value on one line.
    pub(super) fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(&serde_json::to_string(value).map_err(|error| Failure::failed(error.to_string()))?)
    }

    /// A value for programs; for people a sentence.
    pub(super) fn done(&self, value: &impl Serialize, sentence: &str) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Json => self.json(value),
            OutputFormat::Table => self.line(&shown(sentence)),
        }
    }

    /// Values for programs; for people a table of them.
    pub(super) fn list<T: Serialize>(&self, values: &[T], headings: &[&str], row: impl Fn(&T) -> Vec<String>) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Json => self.json(&values),
            OutputFormat::Table => self.line(&table(headings, values.iter().map(row))),
        }
    }

    /// A value for programs; for people its parts with their names.
    pub(super) fn parts(&self, value: &impl Serialize, parts: &[(&str, String)]) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Json => self.json(value),
            OutputFormat::Table => self.line(&aligned(parts.iter().map(|(name, part)| vec![(*name).to_owned(), part.clone()]).collect())),
        }
    }

    /// A remark for people on standard error.
    pub(super) fn remark(&self, text: &str) {
        if self.format == OutputFormat::Table {
            // What nobody hears changes nothing.
            drop(writeln!(io::stderr(), "{}", shown(text)));
        }
    }
}

fn table(headings: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let headings = headings.iter().map(|heading| heading.to_uppercase()).collect();
    aligned([headings].into_iter().chain(rows).collect())
}

/// Columns with two spaces between them.
fn aligned(rows: Vec<Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        for (at, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(at) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A text of somebody's as a terminal may show it: what would steer the terminal, or turn the order of characters around, is escaped.
pub(super) fn shown(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_steer_the_terminal() {
        for (text, expected) in [
            ("Acme", "Acme"),
            ("Çelik 工場", "Çelik 工場"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("two\nlines\r\t", "two\\nlines\\r\\t"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("\u{202e}ton\u{200b}e", "\\u{202e}ton\\u{200b}e"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [vec!["1".to_owned(), "a\nb".to_owned(), "x".to_owned()], vec!["22".to_owned(), String::new(), "y".to_owned()]];
        assert_eq!(table(&["id", "name", "of"], rows.into_iter()), "ID  NAME  OF\n1   a\\nb  x\n22        y");
        assert_eq!(table(&["id"], [].into_iter()), "ID");
    }
}
