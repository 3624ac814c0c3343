/work/wt/mail/target-main/counted/deps/signal_hook-f88b694abbffaa62.d: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/lib.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/flag.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/mod.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/pipe.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/signal_details.rs

/work/wt/mail/target-main/counted/deps/libsignal_hook-f88b694abbffaa62.rlib: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/lib.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/flag.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/mod.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/pipe.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/signal_details.rs

/work/wt/mail/target-main/counted/deps/libsignal_hook-f88b694abbffaa62.rmeta: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/lib.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/flag.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/mod.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/pipe.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/signal_details.rs

/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/lib.rs:
/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/flag.rs:
/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/mod.rs:
/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/pipe.rs:
/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/signal-hook-0.4.6/src/low_level/signal_details.rs:
