//! The traits of other crates for the types that have futures-io's: tokio's and hyper's, each with
//! a feature.
//!
//! Both read into memory that need not be initialised. Reads go through one of the thread's spare
//! buffers, which are, and copy from there. Filling the memory with zeros first would cost more.

#[cfg(any(feature = "hyper", feature = "tokio-io"))]
mod bounce;
#[cfg(feature = "hyper")]
pub(crate) mod hyper_io;
#[cfg(feature = "tokio-io")]
pub(crate) mod tokio_io;

/// Implements the other crates' traits for reading for a type that has futures-io's.
macro_rules! foreign_read {
    ([$($generics:tt)*] $type:ty $(where $($bounds:tt)+)?) => {
        #[cfg(feature = "tokio-io")]
        #[cfg_attr(docsrs, doc(cfg(feature = "tokio-io")))]
        impl<$($generics)*> ::tokio::io::AsyncRead for $type $(where $($bounds)+)? {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                buf: &mut ::tokio::io::ReadBuf<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                $crate::io::foreign::tokio_io::poll_read(self, cx, buf)
            }
        }

        #[cfg(feature = "hyper")]
        #[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
        impl<$($generics)*> ::hyper::rt::Read for $type $(where $($bounds)+)? {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                buf: ::hyper::rt::ReadBufCursor<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                $crate::io::foreign::hyper_io::poll_read(self, cx, buf)
            }
        }
    };
}

/// Like `foreign_read`, for writing. `vectored` says whether several buffers go into one system
/// call.
macro_rules! foreign_write {
    (vectored: $vectored:literal, [$($generics:tt)*] $type:ty $(where $($bounds:tt)+)?) => {
        $crate::io::foreign::foreign_write!(
            @trait "tokio-io" (::tokio::io::AsyncWrite)
            [$($generics)*] $type [$($($bounds)+)?] $vectored
        );
        $crate::io::foreign::foreign_write!(
            @trait "hyper" (::hyper::rt::Write)
            [$($generics)*] $type [$($($bounds)+)?] $vectored
        );
    };
    (
        @trait $feature:literal ($($trait:tt)+)
        [$($generics:tt)*] $type:ty [$($bounds:tt)*] $vectored:literal
    ) => {
        #[cfg(feature = $feature)]
        #[cfg_attr(docsrs, doc(cfg(feature = $feature)))]
        impl<$($generics)*> $($trait)+ for $type where $($bounds)* {
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                data: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                ::futures_io::AsyncWrite::poll_write(self, cx, data)
            }

            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bufs: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                ::futures_io::AsyncWrite::poll_write_vectored(self, cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                $vectored
            }

            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::futures_io::AsyncWrite::poll_flush(self, cx)
            }

            fn poll_shutdown(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::futures_io::AsyncWrite::poll_close(self, cx)
            }
        }
    };
}

pub(crate) use {foreign_read, foreign_write};
