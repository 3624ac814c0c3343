//! One event loop on each core.
