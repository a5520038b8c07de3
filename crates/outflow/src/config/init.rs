//! Starter file.
