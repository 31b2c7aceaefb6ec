//! The server from outside: a whole one in process, called over HTTP as its clients do.

#[cfg(test)]
mod access;
#[cfg(test)]
mod access_operator;
#[cfg(test)]
#[cfg(feature = "envoy")]
mod envoy;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod liveness;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod python;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod support;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod wire;
