//! The built program: started as a process, spoken to over HTTP and its socket, asked to end by a signal.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod catalog;
#[cfg(test)]
mod client;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod config;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod demo;
#[cfg(test)]
#[path = "../../../testkit/src/device.rs"]
pub mod device;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod first_start;
#[cfg(test)]
mod http;
#[cfg(test)]
mod joining;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod moving;
#[cfg(test)]
mod process;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod two_ports;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod usage;
