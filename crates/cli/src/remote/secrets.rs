//! Where secrets come from: a prompt that shows nothing, or standard input. Never an argument: those stand in the list of processes.

use super::Failure;
use std::io::{self, IsTerminal as _, Read as _};
use zeroize::Zeroizing;

/// Longest text that is taken from standard input, in bytes.
const LONGEST: u64 = 64 * 1024;

/// From where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The person at the terminal.
    Prompt,
    /// Standard input: its first line.
    StandardInput,
}

/// Asks for a secret; `instead` says how else to give it, for when there is nobody to ask.
pub(super) fn ask(what: &str, from: From, instead: &str) -> Result<Zeroizing<String>, Failure> {
    let (prompt, what) = (format!("{what}: "), &what.to_lowercase());
    match from {
        From::StandardInput => first_line(what),
        From::Prompt if !io::stdin().is_terminal() => Err(Failure::usage(format!("there is no terminal to ask for the {what} at; {instead}"))),
        From::Prompt => {
            let told = rpassword::prompt_password(prompt).map(Zeroizing::new);
            let told = told.map_err(|error| Failure::usage(format!("the {what} cannot be asked for ({error}); {instead}")))?;
            some(what, &told)
        }
    }
}

fn first_line(what: &str) -> Result<Zeroizing<String>, Failure> {
    let text = standard_input(what)?;
    some(what, text.lines().next().unwrap_or_default())
}

/// All of standard input.
pub(super) fn standard_input(what: &str) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = io::stdin().lock().take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| Failure::usage(format!("the {what} cannot be read from standard input: {error}")))?;
    Ok(text)
}

fn some(what: &str, text: &str) -> Result<Zeroizing<String>, Failure> {
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::usage(format!("the {what} is empty"))),
        text => Ok(Zeroizing::new(text.to_owned())),
    }
}
