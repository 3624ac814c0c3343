/work/wt/mail/target-main/counted/deps/oneloop_instructions-af6b3e90b2fa4096.d: benches/instructions/src/main.rs benches/instructions/src/callgrind.rs benches/instructions/src/record.rs benches/instructions/src/works.rs

/work/wt/mail/target-main/counted/deps/oneloop_instructions-af6b3e90b2fa4096: benches/instructions/src/main.rs benches/instructions/src/callgrind.rs benches/instructions/src/record.rs benches/instructions/src/works.rs

benches/instructions/src/main.rs:
benches/instructions/src/callgrind.rs:
benches/instructions/src/record.rs:
benches/instructions/src/works.rs:

# env-dep:CARGO_MANIFEST_DIR=/work/main/benches/instructions
