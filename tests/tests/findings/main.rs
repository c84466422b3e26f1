//! What the lints find in programs that run their pools dry, and what they leave alone.

mod child;
mod common;

mod deadlock;
mod nested;
mod outside;
