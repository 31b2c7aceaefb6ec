//! Operations without HTTP, on both engines, with a clock to step.

#[cfg(test)]
mod catalog_preset;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod support;
