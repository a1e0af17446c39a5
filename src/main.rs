//! The `millgate` program: the shop, an application like any other.

use std::process::ExitCode;

fn main() -> ExitCode {
    millgate::shop::app().main()
}
