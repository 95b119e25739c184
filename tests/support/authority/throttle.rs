// SPDX-License-Identifier: MIT OR Apache-2.0
//! 1 request a second after a one-time burst of 10, for each peer (contract, section 1).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

const BURST: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(1);

/// What each peer has used up. A household is one peer.
#[derive(Default)]
pub struct Throttle(HashMap<IpAddr, Peer>);

struct Peer {
    burst_left: u32,
    last: Duration,
}

impl Throttle {
    /// Whether one more request of this peer may pass at `now`. One that may not costs nothing.
    /// The burst never comes back.
    pub fn admit(&mut self, peer: IpAddr, now: Duration) -> bool {
        let peer = self.0.entry(peer).or_insert(Peer { burst_left: BURST, last: now });
        if peer.burst_left > 0 {
            peer.burst_left -= 1;
        } else if now < peer.last + INTERVAL {
            return false;
        }
        peer.last = now;
        true
    }
}
