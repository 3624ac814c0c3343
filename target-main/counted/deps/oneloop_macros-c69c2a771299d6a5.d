/work/wt/mail/target-main/counted/deps/oneloop_macros-c69c2a771299d6a5.d: crates/macros/src/lib.rs crates/macros/src/function.rs crates/macros/src/options.rs crates/macros/src/tokens.rs

/work/wt/mail/target-main/counted/deps/liboneloop_macros-c69c2a771299d6a5.so: crates/macros/src/lib.rs crates/macros/src/function.rs crates/macros/src/options.rs crates/macros/src/tokens.rs

crates/macros/src/lib.rs:
crates/macros/src/function.rs:
crates/macros/src/options.rs:
crates/macros/src/tokens.rs:
