//! Text that comes from outside, made fit for a message and a log.

use zeroize::Zeroizing;

use crate::secret::Secret;

/// A run of this many characters out of a secret gives it away.
const TELLING: usize = 12;

/// `text` as far as it may be shown: its printable ASCII (all that RFC 6749, section 5.2, allows),
/// at most `most` characters of it, and none of it where it quotes one of `secrets`, whole or in a
/// telling part: a server may echo what it was sent.
pub(in crate::oauth) fn shown(text: &str, most: usize, secrets: &[&Secret]) -> String {
    let printable: Zeroizing<String> = Zeroizing::new(
        text.chars()
            .map(|c| if c.is_whitespace() { ' ' } else { c })
            .filter(|c| matches!(c, ' '..='~'))
            .collect(),
    );
    let cut = printable.get(..most).unwrap_or(&printable);
    let betrays = |secret: &&Secret| quotes(text, cut, secret.expose());
    if secrets.iter().any(betrays) { "(withheld)".into() } else { cut.trim().to_owned() }
}

/// `whole` is what the server sent, `cut` what would be shown of it.
fn quotes(whole: &str, cut: &str, secret: &str) -> bool {
    if secret.is_empty() {
        return false;
    }
    let telling = |run: &[u8]| std::str::from_utf8(run).is_ok_and(|run| secret.contains(run));
    whole.contains(secret) || cut.as_bytes().windows(TELLING).any(telling)
}
