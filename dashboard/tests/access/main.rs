//! Who is let in, over HTTP as browsers and others speak it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic with a line number is the report")]

mod oidc;
mod open;
mod proxy;
mod site;
mod tokens;
mod users;
