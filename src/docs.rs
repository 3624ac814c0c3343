//! Pages that document no single item.

#[doc = include_str!("../docs/asyncio.md")]
pub mod asyncio {}

#[doc = include_str!("../docs/features.md")]
pub mod features {}

/// Turns each block of Rust in the README into a test.
#[cfg(all(doctest, feature = "macros", feature = "process", feature = "workers"))]
#[doc = include_str!("../README.md")]
struct Readme;
