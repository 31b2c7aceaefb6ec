//! A run of named steps: announced, timed, summed up.

use std::time::{Duration, Instant};

/// What has been done so far.
#[derive(Default)]
pub(crate) struct Steps {
    passed: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Announces and does one step. A failure ends the run: the summary is printed and the error comes back.
    pub(crate) fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        println!("==> {name}");
        let watch = Stopwatch::start();
        match work() {
            Ok(value) => {
                self.passed.push((name, watch.elapsed()));
                Ok(value)
            }
            Err(error) => {
                println!("==> {name}: failed after {:.1} s", watch.elapsed().as_secs_f64());
                print!("{}", self.summary(1));
                Err(error.context(format!("the step `{name}` failed")))
            }
        }
    }

    /// Prints the durations and the last line.
    pub(crate) fn finish(&self) {
        print!("{}", self.summary(0));
    }

    fn summary(&self, failed: usize) -> String {
        let durations: String = self.passed.iter().map(|(name, took)| format!("    {:8.1} s  {name}\n", took.as_secs_f64())).collect();
        format!("{durations}{} passed, {failed} failed\n", self.passed.len())
    }
}

/// Measures for people to read, and bounds waiting; no check passes or fails by it.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the one place of this tool that looks at a clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_steps() {
        let mut steps = Steps::default();
        assert_eq!(steps.step("one", || Ok(1)).unwrap(), 1);
        assert!(steps.summary(0).ends_with("\n1 passed, 0 failed\n"));
        let error = steps.step("two", || Err::<(), _>(anyhow::anyhow!("no"))).unwrap_err();
        assert_eq!(error.to_string(), "the step `two` failed");
        assert!(steps.summary(1).ends_with("\n1 passed, 1 failed\n"));
    }
}
