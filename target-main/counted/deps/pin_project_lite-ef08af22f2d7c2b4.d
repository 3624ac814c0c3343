/work/wt/mail/target-main/counted/deps/pin_project_lite-ef08af22f2d7c2b4.d: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/pin-project-lite-0.2.17/src/lib.rs

/work/wt/mail/target-main/counted/deps/libpin_project_lite-ef08af22f2d7c2b4.rlib: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/pin-project-lite-0.2.17/src/lib.rs

/work/wt/mail/target-main/counted/deps/libpin_project_lite-ef08af22f2d7c2b4.rmeta: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/pin-project-lite-0.2.17/src/lib.rs

/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/pin-project-lite-0.2.17/src/lib.rs:
