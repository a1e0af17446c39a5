//! The `millgate` program: the shop, an application like any other.

use std::process::ExitCode;

/// Jobs and events are many small pieces that one thread makes and another drops, which it is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    millgate::shop::app().main()
}
