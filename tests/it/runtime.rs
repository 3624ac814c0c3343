//! Loops from outside: made, run, turned by a host, several on a thread, outlived by their handles.

mod host;
mod lifetime;
mod look_around;
mod nested;
