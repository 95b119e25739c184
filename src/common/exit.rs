// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the program exits with: the codes of sysexits.h.

/// The command line is wrong.
pub const USAGE: u8 = 64;
/// What was asked for is not there.
pub const DATAERR: u8 = 65;
/// The daemon does not run, or the server refuses.
pub const UNAVAILABLE: u8 = 69;
/// The system denies what the process needs.
pub const OSERR: u8 = 71;
/// A file or directory cannot be made.
pub const CANTCREAT: u8 = 73;
/// A file cannot be read or written.
pub const IOERR: u8 = 74;
/// It may work later.
pub const TEMPFAIL: u8 = 75;
/// The other side answers what nobody expects.
pub const PROTOCOL: u8 = 76;
/// This user may not.
pub const NOPERM: u8 = 77;
/// The configuration is faulty.
pub const CONFIG: u8 = 78;
