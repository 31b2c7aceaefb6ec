//! Operations without HTTP, on both engines, with a clock to step.

#[cfg(test)]
mod catalog;
#[cfg(test)]
mod catalog_preset;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod lattice;
#[cfg(test)]
mod members;
#[cfg(test)]
mod model;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod races;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod support;
