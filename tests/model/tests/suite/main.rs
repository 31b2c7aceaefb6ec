//! The protocol holds in every world; without any one of its rules it does not.

mod cluster;
mod feed;
mod opening;
mod small;
mod support;
