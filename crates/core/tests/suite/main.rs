//! Operations without HTTP, on both engines, with a clock to step.

#[cfg(test)]
mod access_log;
#[cfg(test)]
mod activity;
#[cfg(test)]
mod attention;
#[cfg(test)]
mod catalog;
#[cfg(test)]
mod catalog_preset;
#[cfg(test)]
mod custom_roles;
#[cfg(test)]
#[path = "../../../testkit/src/device.rs"]
pub mod device;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod invitations;
#[cfg(test)]
mod key_races;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lattice;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod members;
#[cfg(test)]
mod model;
#[cfg(test)]
mod moving;
#[cfg(test)]
mod narrowing;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod operator_scopes;
#[cfg(test)]
mod organizations;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod provisioning;
#[cfg(test)]
mod races;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod reminders;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod second_factor;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod signing_keys;
#[cfg(test)]
mod status;
#[cfg(test)]
mod support;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod webhooks;
