//! Servers: run a handler for each connection, and shut down in an orderly way.

mod builder;
mod closing;
mod connections;
mod listening;
#[expect(clippy::module_inception, reason = "the type gives the folder its name")]
mod server;
mod serving;
mod start;

pub use builder::ServerBuilder;
pub use closing::server_closing;
pub use server::Server;
pub use start::start_server;
