//! Standard input, output and error. Each test starts this program again in a role, as a separate
//! process.

mod input;
mod output;
mod program;
mod roles;
mod terminal;
