// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least that a service with zbus can be: one object, the answers as they were given to it.
//! `bare BUS-ADDRESS NAME PATH TOKEN [KEY VALUE]…`

use std::collections::BTreeMap;

struct Bare {
    token: String,
    headers: BTreeMap<String, String>,
}

#[zbus::interface(name = "tv.tokend.Application1")]
impl Bare {
    fn get_token(&self, _min_validity: u32) -> (String, u32) {
        (self.token.clone(), 86_400)
    }

    fn get_headers(&self, _min_validity: u32) -> (BTreeMap<String, String>, u32) {
        (self.headers.clone(), 86_400)
    }
}

fn main() -> zbus::Result<()> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().unwrap_or_default();
    let (address, name, path, token) = (word(), word(), word(), word());
    let mut headers = BTreeMap::new();
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        headers.insert(key, value);
    }
    zbus::block_on(async {
        let builder = zbus::connection::Builder::address(address.as_str());
        let builder = builder.serve_at(path, Bare { token, headers }).name(name);
        let connection = builder.build().await?;
        connection.closed().await;
        Ok(())
    })
}
