//! Pages that document no single item.

#[doc = include_str!("../docs/asyncio.md")]
pub mod asyncio {}

#[cfg(all(feature = "hyper", feature = "tokio"))]
#[doc = include_str!("../docs/ecosystem.md")]
pub mod ecosystem {}

#[doc = include_str!("../docs/features.md")]
pub mod features {}

/// Turns each block of Rust in the README into a test.
#[cfg(all(doctest, feature = "macros", feature = "process", feature = "workers"))]
#[doc = include_str!("../README.md")]
struct Readme;
