//! How far a copy is: a bar on a terminal, elsewhere a line every few seconds.

use indicatif::{ProgressBar, ProgressStyle};
use keywright_core::database::{Progress, Step};
use std::{
    io::{IsTerminal as _, stderr},
    time::Duration,
};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows one copy after the other.
pub(super) struct Shown {
    of_what: &'static str,
    bar: ProgressBar,
    is_terminal: bool,
    step: Option<Step>,
    told_at: Duration,
}

impl Shown {
    pub(super) fn new(of_what: &'static str) -> Self {
        let is_terminal = stderr().is_terminal();
        let bar = if is_terminal { ProgressBar::no_length() } else { ProgressBar::hidden() };
        style(&bar, "{msg}, {human_pos} rows");
        Self { of_what, bar, is_terminal, step: None, told_at: Duration::ZERO }
    }

    pub(super) fn show(&mut self, progress: Progress<'_>) {
        let doing = match progress.step {
            Step::Reading => "reading",
            Step::Copying => "copying",
            Step::Checking => "checking",
        };
        let (what, table) = (self.of_what, progress.table);
        if self.step != Some(progress.step) {
            self.step = Some(progress.step);
            self.bar.reset_eta();
        }
        if self.is_terminal {
            self.bar.set_message(format!("{what}: {doing} {table}"));
            if let Some(of) = progress.of {
                self.bar.set_length(of);
                style(&self.bar, "{msg} {wide_bar} {human_pos}/{human_len} rows, {eta} to go");
            }
            self.bar.set_position(progress.rows);
            return;
        }
        if self.told_at + LINE_EVERY <= self.bar.elapsed() {
            self.told_at = self.bar.elapsed();
            let of = progress.of.map(|of| format!(" of {of}")).unwrap_or_default();
            eprintln!("{what}: {doing} {table}, {}{of} rows", progress.rows);
        }
    }

    /// The bar goes, since a report follows.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// A template that cannot be read leaves the bar as it is.
fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
