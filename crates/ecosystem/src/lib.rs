//! The tests of this crate are programs with other crates on oneloop, without glue of their own.
//! `docs/ecosystem.md` says which crate each of them proves.
