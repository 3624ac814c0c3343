//! Unix: Linux and Android in `linux/`, macOS and the BSDs in `elsewhere/`.

#[cfg(feature = "process")]
pub(crate) mod children;
pub(crate) mod clock;
#[cfg(feature = "workers")]
pub(crate) mod cores;
pub(crate) mod descriptors;
pub(crate) mod edges;
pub(crate) mod errors;
pub(crate) mod files;
pub(crate) mod locks;
#[cfg(feature = "fd-passing")]
pub(crate) mod passing;
pub(crate) mod reopen;
#[cfg(feature = "net")]
pub(crate) mod sockets;
pub(crate) mod stderr;

#[cfg(any(target_os = "android", target_os = "linux"))]
#[path = "linux/mod.rs"]
mod os;
#[cfg(not(any(target_os = "android", target_os = "linux")))]
#[path = "elsewhere/mod.rs"]
mod os;
