//! This package holds only benchmarks: see the files beside this one, and `README.md`.
