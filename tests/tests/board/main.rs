//! The live page: what it shows, to whom, and what happens to those who attack it. In `browser`, by a real browser.

mod attacked;
mod browser;
mod common;
mod programs;
mod safe;
mod shown;
