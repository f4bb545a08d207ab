//! Lines in the format of `authorized_keys` (sshd(8)), without options.

use std::collections::HashSet;

use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Fingerprint, HashAlg};

use crate::domain::progress::clean;

/// The most that one upload may hold, in bytes.
pub const MAX_UPLOAD: usize = 64 * 1024;
/// The most keys in one upload.
pub const MAX_UPLOAD_KEYS: usize = 100;
/// The longest line: an RSA key of 16,384 bits takes 2,800 bytes.
const MAX_LINE: usize = 8 * 1024;
/// The longest comment that is kept, in characters.
const MAX_COMMENT: usize = 200;
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=16384;

const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];
const DSA: &str = "ssh-dss";

/// A public key that may be used to log in, and its comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedKey {
    line: String,
    fingerprint: Fingerprint,
}

impl AuthorizedKey {
    /// The key as one line of `authorized_keys`, without its end.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The SHA-256 fingerprint, which stands for the key everywhere.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// Why an upload holds no usable keys. Nothing of the input is repeated: it may be a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No key at all.
    #[error("there is no key in the input: pipe the public key in, such as: cat ~/.ssh/id_ed25519.pub | ssh …")]
    Empty,
    /// More than [`MAX_UPLOAD`].
    #[error("the input is larger than {} KiB", MAX_UPLOAD / 1024)]
    TooLarge,
    /// More than [`MAX_UPLOAD_KEYS`].
    #[error("the input holds more than {MAX_UPLOAD_KEYS} keys: upload them in parts")]
    TooMany,
    /// One line is wrong, so nothing is taken.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The private half.
    #[error(
        "this is a private key. Upload the public half, the file that ends in .pub. \
         Nothing was stored, but consider making a new key pair"
    )]
    PrivateKey,
    /// The format of RFC 4716, which PuTTYgen saves.
    #[error("this is a key in the RFC 4716 format; convert it with: ssh-keygen -i -f FILE")]
    Rfc4716,
    /// Options such as `command="…"` in front of the key.
    #[error("options in front of a key are not supported; leave the key type, the key and a comment")]
    Options,
    /// A certificate instead of a key.
    #[error("certificates are not supported; upload the public key itself")]
    Certificate,
    /// DSA.
    #[error("DSA keys are too weak; make a new one with: ssh-keygen -t ed25519")]
    Dsa,
    /// RSA with a short modulus, or an exponent that makes forging easy.
    #[error("this RSA key is too weak ({0} bits; 2048 are the least); make a new one with: ssh-keygen -t ed25519")]
    WeakRsa(u32),
    /// RSA so long that verifying it costs too much.
    #[error("this RSA key is too long ({0} bits; {max} are the most)", max = RSA_BITS.end())]
    LongRsa(u32),
    /// A point of small order: signatures of it prove nothing.
    #[error("this Ed25519 key is not a safe one; make a new one with: ssh-keygen -t ed25519")]
    WeakEd25519,
    /// Anything else in the first place.
    #[error("this is not a public key that is supported: {}", TYPES.join(", "))]
    UnknownType,
    /// Bad base64, or a key that does not fit its type.
    #[error("the key is damaged or cut off")]
    Damaged,
    /// Longer than any key.
    #[error("the line is longer than {MAX_LINE} bytes")]
    TooLong,
}

/// The keys of an upload, each once.
///
/// # Errors
/// [`ParseError`] if any line is wrong: all of the keys are taken, or none.
pub fn parse(input: &[u8]) -> Result<Vec<AuthorizedKey>, ParseError> {
    if input.len() > MAX_UPLOAD {
        return Err(ParseError::TooLarge);
    }
    let mut seen = HashSet::new();
    let mut keys = Vec::new();
    for (line, result) in lines(&String::from_utf8_lossy(input)) {
        let key = result.map_err(|problem| ParseError::Line { line, problem })?;
        if seen.insert(key.fingerprint) {
            keys.push(key);
        }
    }
    match keys.len() {
        0 => Err(ParseError::Empty),
        1..=MAX_UPLOAD_KEYS => Ok(keys),
        _ => Err(ParseError::TooMany),
    }
}

/// Every line that is neither empty nor a comment, with its number.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, Result<AuthorizedKey, Problem>)> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| (number, parse_line(line)))
}

fn parse_line(line: &str) -> Result<AuthorizedKey, Problem> {
    if line.len() > MAX_LINE {
        return Err(Problem::TooLong);
    }
    let mut words = line.split_whitespace();
    let kind = words.next().unwrap_or_default();
    if !TYPES.contains(&kind) {
        return Err(not_a_key(line, kind));
    }
    let encoded = words.next().ok_or(Problem::Damaged)?;
    let mut key = PublicKey::from_openssh(&format!("{kind} {encoded}")).map_err(|_| Problem::Damaged)?;
    check_strength(key.key_data())?;
    key.set_comment(comment(words));
    let line = key.to_openssh().map_err(|_| Problem::Damaged)?;
    Ok(AuthorizedKey { line, fingerprint: key.fingerprint(HashAlg::Sha256) })
}

/// What a line is that does not begin with the type of a key.
fn not_a_key(line: &str, kind: &str) -> Problem {
    match () {
        () if line.contains("PRIVATE KEY") || kind.starts_with("PuTTY-User-Key-File") => Problem::PrivateKey,
        () if line.contains("BEGIN SSH2 PUBLIC KEY") => Problem::Rfc4716,
        () if kind == DSA => Problem::Dsa,
        () if kind.contains("-cert-v0") => Problem::Certificate,
        () if line.split_whitespace().any(|word| word == DSA || TYPES.contains(&word)) => Problem::Options,
        () => Problem::UnknownType,
    }
}

fn check_strength(key: &KeyData) -> Result<(), Problem> {
    match key {
        KeyData::Rsa(rsa) => {
            let exponent = rsa.e().as_positive_bytes().unwrap_or_default();
            match rsa.key_size() {
                bits if bits < *RSA_BITS.start() || matches!(exponent, [] | [0 | 1]) => Err(Problem::WeakRsa(bits)),
                bits if bits > *RSA_BITS.end() => Err(Problem::LongRsa(bits)),
                _ => Ok(()),
            }
        }
        KeyData::Ed25519(point) => check_point(&point.0),
        KeyData::SkEd25519(key) => check_point(&key.public_key().0),
        KeyData::Ecdsa(_) | KeyData::SkEcdsaSha2NistP256(_) => Ok(()),
        _ => Err(Problem::UnknownType),
    }
}

fn check_point(point: &[u8; 32]) -> Result<(), Problem> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(point).map_err(|_| Problem::Damaged)?;
    if key.is_weak() { Err(Problem::WeakEd25519) } else { Ok(()) }
}

/// Comments end up in terminals and in YAML: one line, no control characters, a bounded length.
fn comment<'a>(words: impl Iterator<Item = &'a str>) -> String {
    clean(&words.collect::<Vec<_>>().join(" ")).chars().take(MAX_COMMENT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn problem(line: &str) -> Problem {
        match parse(line.as_bytes()) {
            Err(ParseError::Line { problem, .. }) => problem,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn line_of(blob: &[&[u8]]) -> String {
        use base64::Engine as _;
        let mut bytes = Vec::new();
        for part in blob {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(part);
        }
        let kind = std::str::from_utf8(blob[0]).unwrap();
        format!("{kind} {}", base64::engine::general_purpose::STANDARD.encode(bytes))
    }

    #[test]
    fn keys_comments_and_empty_lines_are_read_as_sshd_reads_them() {
        let keys = parse(format!("\u{feff}# mine\r\n\r\n  {ALICE}\talice at  home\r\n{ALICE}\n").as_bytes()).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].line(), format!("{ALICE} alice at home"));
        assert_eq!(keys[0].fingerprint().to_string(), "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ");
    }

    #[test]
    fn every_type_that_is_allowed_is_read() {
        let p256: Vec<u8> = [&[4][..], &[7; 64]].concat();
        let point = [0x58; 1].into_iter().chain([0x66; 31]).collect::<Vec<u8>>();
        for line in [
            line_of(&[b"ecdsa-sha2-nistp256", b"nistp256", &p256]),
            line_of(&[b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", &p256, b"ssh:"]),
            line_of(&[b"sk-ssh-ed25519@openssh.com", &point, b"ssh:"]),
            line_of(&[b"ssh-rsa", &[1, 0, 1], &[&[0][..], &[0xab; 256]].concat()]),
        ] {
            let keys = parse(line.as_bytes());
            assert!(keys.as_ref().is_ok_and(|keys| keys[0].line() == line), "{line} {keys:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert_eq!(parse(b" \n# x\n"), Err(ParseError::Empty));
        assert_eq!(
            parse(format!("{ALICE}\n\nnonsense").as_bytes()),
            Err(ParseError::Line { line: 3, problem: Problem::UnknownType })
        );
        assert_eq!(problem("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk"), Problem::PrivateKey);
        assert_eq!(problem("PuTTY-User-Key-File-3: ssh-ed25519"), Problem::PrivateKey);
        assert_eq!(problem("---- BEGIN SSH2 PUBLIC KEY ----"), Problem::Rfc4716);
        assert_eq!(problem(&format!("command=\"echo hi\" {ALICE}")), Problem::Options);
        assert_eq!(problem(&format!("restrict {ALICE}")), Problem::Options);
        assert_eq!(problem("ssh-dss AAAAB3NzaC1kc3M="), Problem::Dsa);
        assert_eq!(problem("ssh-ed25519-cert-v01@openssh.com AAAA"), Problem::Certificate);
        assert_eq!(problem("ssh-ed25519"), Problem::Damaged);
        assert_eq!(problem("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98"), Problem::Damaged);
        assert_eq!(problem("ssh-ed25519 ???"), Problem::Damaged);
        assert_eq!(problem(&ALICE.replace("ssh-ed25519", "ssh-rsa")), Problem::Damaged);
        assert_eq!(problem(&format!("{ALICE} {}", "x".repeat(MAX_LINE))), Problem::TooLong);
    }

    #[test]
    fn weak_keys_are_refused() {
        let rsa = |exponent: &[u8], bytes: usize| {
            problem(&line_of(&[b"ssh-rsa", exponent, &[&[0][..], &vec![0xab; bytes]].concat()]))
        };
        assert_eq!(rsa(&[1, 0, 1], 128), Problem::WeakRsa(1024));
        assert_eq!(rsa(&[1], 256), Problem::WeakRsa(2048));
        assert_eq!(rsa(&[1, 0, 1], 2049), Problem::LongRsa(16392));
        let identity: Vec<u8> = [1].into_iter().chain([0; 31]).collect();
        assert_eq!(problem(&line_of(&[b"ssh-ed25519", &identity])), Problem::WeakEd25519);
    }

    #[test]
    fn the_input_is_bounded() {
        assert_eq!(parse(&vec![b'#'; MAX_UPLOAD + 1]), Err(ParseError::TooLarge));
        let many: String =
            (0..=MAX_UPLOAD_KEYS).map(|n| super::super::testing::key(n).line().to_owned() + "\n").collect();
        assert_eq!(parse(many.as_bytes()), Err(ParseError::TooMany));
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_in_is_read_or_refused_and_never_repeated(input: Vec<u8>, words in "[a-z-]{0,8} ?hunter2 ?[!-~]{0,40}") {
            let _ = parse(&input);
            if let Err(error) = parse(words.as_bytes()) {
                proptest::prop_assert!(!error.to_string().contains("hunter2"));
            }
        }
    }

    #[test]
    fn nothing_in_a_comment_reaches_a_terminal_or_another_line() {
        let keys = parse(format!("{ALICE} \u{1b}[31mred\u{7} \u{2028}{}", "y".repeat(500)).as_bytes()).unwrap();
        assert_eq!(keys[0].line(), format!("{ALICE} red {}", "y".repeat(MAX_COMMENT - 4)));
    }
}
