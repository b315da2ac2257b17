//! The `warren` binary: its allocator, and the command line.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Small things of many sizes come and go with every publish and connection, where the system's allocator costs more time
/// and memory (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    warren::cli::main()
}
