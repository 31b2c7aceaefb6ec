//! What a verifier accepts and, above all, what it does not.

#[cfg(test)]
mod accepted;
#[cfg(test)]
mod boundaries;
#[cfg(test)]
mod crossing;
#[cfg(test)]
#[cfg(feature = "http")]
mod feed;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod hostile;
#[cfg(test)]
#[cfg(feature = "http")]
mod http_source;
#[cfg(test)]
#[cfg(feature = "axum")]
mod layer;
#[cfg(test)]
#[cfg(feature = "testing")]
mod testing;
#[cfg(test)]
mod world;
#[cfg(test)]
mod wycheproof;
