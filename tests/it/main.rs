//! Whole-system tests, one file per noun.

mod ceremony;
