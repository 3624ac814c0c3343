//! Standard input, output and error, of a process of its own for each test: this program, started
//! again in a role.

mod input;
mod output;
mod program;
mod roles;
mod terminal;
