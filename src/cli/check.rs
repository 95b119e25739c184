//! stand-in
use crate::daemon::Options;
use crate::time::WallTime;
#[allow(missing_docs)]
pub fn run(_options: &Options, _json: bool, _now: WallTime) -> (String, bool) {
    (String::new(), false)
}
