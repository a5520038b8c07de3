//! Tests of single pulls.
