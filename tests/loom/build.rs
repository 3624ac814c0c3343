//! Sets the cfg that excludes the inbox's own tests, because they use the threads of the standard
//! library.

fn main() {
    println!("cargo::rustc-cfg=oneloop_loom");
}
