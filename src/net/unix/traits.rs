//! futures-io's traits for Unix streams.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::UnixStream;
use crate::io::foreign::{foreign_read, foreign_write};
use crate::net::connection::{
    ByteStream, are_empty, read, read_vectored, shutdown, write, write_vectored,
};
use crate::net::traits::{async_read, async_write};
use crate::runtime::{Direction, poll_no_bytes};

async_read!([] UnixStream, of UnixStream);
async_read!([] &UnixStream, of UnixStream);
async_write!([] UnixStream, of UnixStream);
async_write!([] &UnixStream, of UnixStream);
