//! What this process has taken of the machine, as Linux counts it.

use std::{fs, time::Duration};

use anyhow::Context;

/// Kernel ticks in a second, in what Linux tells programs; the same on every architecture.
const TICKS: u64 = 100;

/// Processor time so far, all threads, user and system (`man 5 proc_pid_stat`).
pub(super) fn processor() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("processor time is read from Linux's /proc")?;
    // The second field, in brackets, is the program's name and may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    // After the name: utime and stime are the 12th and 13th.
    let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// Most memory that it ever held, in KiB (`VmHWM` of `man 5 proc_pid_status`).
pub(super) fn peak_memory_kib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("memory is read from Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("Linux tells no VmHWM")?;
    Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
}
