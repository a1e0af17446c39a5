//! What the code under test logs.

use tracing_subscriber::EnvFilter;

/// Writes logs to the test's output, as `RUST_LOG` says; nothing without it. Every server and space
/// of the kit calls it, so that tests need not.
pub fn logs() {
    if std::env::var_os("RUST_LOG").is_some() {
        // Only the first of many tests in a process can set it up; the others find it done.
        let _ = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_test_writer().try_init();
    }
}
