//! Sets the cfg that leaves the inbox's own tests out: they use the threads of the standard
//! library.

fn main() {
    println!("cargo::rustc-cfg=oneloop_loom");
}
