//! The API from outside: requests through its router, with tokens of an issuer that only the tests know.

#[cfg(test)]
mod common;
#[cfg(test)]
mod files;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod mounted;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod uploads;
