//! argv to a command; each client command in its own file.

/// `tokend device-info`.
pub mod device_info;
/// `tokend forget ID --yes`.
pub mod forget;
/// `tokend headers ID`.
pub mod headers;
/// `tokend reload`.
pub mod reload;
/// `tokend status [ID]`.
pub mod status;
/// `tokend token ID`.
pub mod token;
