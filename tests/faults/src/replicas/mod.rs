//! Drills with three replicas as processes on one PostgreSQL of their own.

mod calls;
mod checker;
mod cluster;
pub(crate) mod figures;
pub(crate) mod histories;
mod history;
pub(crate) mod injections;
pub(crate) mod latency;
pub(crate) mod outage;
mod postgres;
mod probes;
mod proxy;
pub(crate) mod shutdown;
mod signals;
mod wire;
