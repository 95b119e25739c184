// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tokend binary: arguments, run, error chain, exit code.

use std::alloc::System;
use std::io::{self, Write};
use std::process::ExitCode;

use tokend::cli::{self, Command};
use tokend::common::error::chain;
use tokend::common::exit;
use zeroizing_alloc::ZeroAlloc;

/// Whatever is freed is wiped first: secrets pass through the buffers of rustls, ureq, serde_json
/// and zbus, which leave them as they are.
#[global_allocator]
static HEAP: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    // Before anything can panic, whatever the build does with a panic.
    tokend::system::process::end_on_panic();
    // Before any thread is started: a limit is a write error, whatever writes.
    if let Err(error) = tokend::system::process::block_file_size_signal() {
        eprintln!("tokend: cannot block SIGXFSZ: {error}");
    }
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(options)) => run(*options),
        Ok(command) => cli::execute(command),
        Err(usage) => {
            eprintln!("tokend: {usage}\nTry 'tokend --help'.");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn run(options: tokend::daemon::Options) -> ExitCode {
    // Before any thread is started: all of them inherit it.
    if let Err(error) = tokend::system::events::block_signals() {
        eprintln!("tokend: cannot block signals: {error}");
        return ExitCode::from(exit::OSERR);
    }
    let Err(error) = tokend::daemon::run(options) else { return ExitCode::SUCCESS };
    let code = error.exit_code();
    for line in chain(&error).lines() {
        log::error!("{line}");
        if !tokend::system::logging::is_on_stderr() {
            // Not eprintln, which panics where stderr is full: the exit code must come through.
            let _ = writeln!(io::stderr(), "tokend: {line}");
        }
    }
    ExitCode::from(code)
}
