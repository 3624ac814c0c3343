//! Tells a handler that its server is shutting down.

use crate::task::{CancelToken, ContextVar};

/// The token of the server whose connection the running task serves.
static CLOSING: ContextVar<CancelToken> = ContextVar::new("server_closing");

/// Returns a token that tells a server's handlers to end.
/// [`Server::shutdown`](super::Server::shutdown) cancels it when the grace period begins.
///
/// It is meant for connection handlers and the tasks that they create. A handler that watches the
/// token can end between two requests; any other handler is served until the grace period is over.
/// Elsewhere, this returns a token that is never cancelled.
///
/// # Examples
///
/// ```
/// use oneloop::io::{StreamReader, StreamWriter};
/// use oneloop::net::server_closing;
///
/// async fn handle(mut reader: StreamReader, mut writer: StreamWriter) -> std::io::Result<()> {
///     let closing = server_closing();
///     loop {
///         oneloop::select! {
///             () = closing.cancelled() => {
///                 writer.write("the server ends, good-bye\n");
///                 return Ok(());
///             }
///             line = reader.readline() => match line? {
///                 b"" => return Ok(()),
///                 line => writer.write(line),
///             },
///         }
///         writer.drain().await?;
///     }
/// }
///
/// oneloop::run(async {
///     let server = oneloop::start_server(handle, "127.0.0.1:0").await?;
///     let (mut reader, _writer) = oneloop::open_connection(server.local_addrs()[0]).await?;
///     # while server.connections() == 0 { oneloop::yield_now().await }
///     assert!(server.shutdown(std::time::Duration::from_secs(3)).await);
///     assert_eq!(reader.readline().await?, b"the server ends, good-bye\n");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn server_closing() -> CancelToken {
    CLOSING.get().unwrap_or_default()
}

/// Sets the token for the tasks that this one creates from now on.
pub(super) fn announce(token: CancelToken) {
    CLOSING.set(token);
}
