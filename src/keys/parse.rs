//! Public keys in the format of `authorized_keys` (sshd(8)), without options.

use std::collections::HashSet;

use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Fingerprint, HashAlg};

use super::limits::{MAX_UPLOAD_BYTES, MAX_UPLOAD_KEYS};
use crate::domain::progress::strip_control;

/// An RSA key of 16,384 bits takes 2,800 bytes.
const MAX_LINE_BYTES: usize = 8 * 1024;
/// Longer comments are truncated.
const MAX_COMMENT_CHARS: usize = 200;
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=16384;

const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];
const DSA_TYPE: &str = "ssh-dss";

/// A public key that is permitted to log in, and its comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedKey {
    line: String,
    fingerprint: Fingerprint,
}

impl AuthorizedKey {
    /// The line in `authorized_keys`, without a newline.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The SHA-256 fingerprint, by which slipway refers to a key everywhere.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// Why an upload is refused. The messages contain nothing of the input, which may be a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseKeysError {
    #[error("there is no key in the input: pipe the public key in, such as: cat ~/.ssh/id_ed25519.pub | ssh …")]
    Empty,
    #[error("the input is larger than {} KiB", MAX_UPLOAD_BYTES / 1024)]
    TooLarge,
    /// Windows PowerShell writes such files with `>`.
    #[error(
        "the input is UTF-16 and not text as ssh-keygen writes it: pipe in the .pub file itself, or save it as UTF-8. \
         In PowerShell: Get-Content FILE | Set-Content -Encoding ascii NEW_FILE"
    )]
    Utf16,
    #[error("the input holds more than {MAX_UPLOAD_KEYS} keys: upload them in parts")]
    TooMany,
    /// One invalid line refuses the whole upload.
    #[error("line {line}: {error}")]
    Line {
        /// Counted from 1.
        line: usize,
        error: KeyLineError,
    },
}

/// Why a line is not a permitted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyLineError {
    #[error(
        "this is a private key. Upload the public key instead, the file that ends in .pub. \
         Nothing was stored, but consider generating a new key pair"
    )]
    PrivateKey,
    /// The format that PuTTYgen saves.
    #[error("this is a key in the RFC 4716 format; convert it with: ssh-keygen -i -f FILE")]
    Rfc4716,
    #[error("options before a key are not supported; keep only the key type, the key and a comment")]
    Options,
    #[error("certificates are not supported; upload the public key itself")]
    Certificate,
    #[error("DSA keys are too weak; generate a new one with: ssh-keygen -t ed25519")]
    Dsa,
    /// A short modulus, or an exponent with which signatures can be forged.
    #[error("this RSA key is too weak ({0} bits; the minimum is 2048); generate a new one with: ssh-keygen -t ed25519")]
    WeakRsa(u32),
    /// The cost of a verification grows with the length of the key.
    #[error("this RSA key is too long ({0} bits; the maximum is {max})", max = RSA_BITS.end())]
    LongRsa(u32),
    /// A point of small order, for which anyone can forge signatures.
    #[error("this Ed25519 key is unsafe; generate a new one with: ssh-keygen -t ed25519")]
    WeakEd25519,
    #[error("this is not a public key of a supported type: {}", KEY_TYPES.join(", "))]
    UnknownType,
    /// Invalid base64, or a key that does not match its type.
    #[error("the key is damaged or incomplete")]
    Damaged,
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
}

/// Parses an upload. Returns duplicate keys once.
///
/// # Errors
/// [`ParseKeysError`] if any line is invalid.
pub fn parse_authorized_keys(input: &[u8]) -> Result<Vec<AuthorizedKey>, ParseKeysError> {
    if input.len() > MAX_UPLOAD_BYTES {
        return Err(ParseKeysError::TooLarge);
    }
    if is_utf16(input) {
        return Err(ParseKeysError::Utf16);
    }
    let mut seen = HashSet::new();
    let mut keys = Vec::new();
    for (line, result) in parse_lines(&String::from_utf8_lossy(input)) {
        let key = result.map_err(|error| ParseKeysError::Line { line, error })?;
        if seen.insert(key.fingerprint) {
            keys.push(key);
        }
    }
    match keys.len() {
        0 => Err(ParseKeysError::Empty),
        1..=MAX_UPLOAD_KEYS => Ok(keys),
        _ => Err(ParseKeysError::TooMany),
    }
}

/// Whether the input begins with the byte order mark of UTF-16, or with an ASCII character in UTF-16.
fn is_utf16(input: &[u8]) -> bool {
    matches!(input, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..])
}

/// Parses every line that is neither empty nor a comment. Line numbers start at 1.
pub(super) fn parse_lines(text: &str) -> impl Iterator<Item = (usize, Result<AuthorizedKey, KeyLineError>)> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| (number, parse_line(line)))
}

fn parse_line(line: &str) -> Result<AuthorizedKey, KeyLineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(KeyLineError::TooLong);
    }
    let mut words = line.split_whitespace();
    let kind = words.next().unwrap_or_default();
    if !KEY_TYPES.contains(&kind) {
        return Err(classify_invalid_line(line, kind));
    }
    let encoded = words.next().ok_or(KeyLineError::Damaged)?;
    let mut key = PublicKey::from_openssh(&format!("{kind} {encoded}")).map_err(|_| KeyLineError::Damaged)?;
    check_strength(key.key_data())?;
    key.set_comment(sanitize_comment(words));
    let line = key.to_openssh().map_err(|_| KeyLineError::Damaged)?;
    Ok(AuthorizedKey { line, fingerprint: key.fingerprint(HashAlg::Sha256) })
}

/// The error of a line that does not begin with a key type.
fn classify_invalid_line(line: &str, kind: &str) -> KeyLineError {
    match () {
        () if line.contains("PRIVATE KEY") || kind.starts_with("PuTTY-User-Key-File") => KeyLineError::PrivateKey,
        () if line.contains("BEGIN SSH2 PUBLIC KEY") => KeyLineError::Rfc4716,
        () if kind == DSA_TYPE => KeyLineError::Dsa,
        () if kind.contains("-cert-v0") => KeyLineError::Certificate,
        () if line.split_whitespace().any(|word| word == DSA_TYPE || KEY_TYPES.contains(&word)) => {
            KeyLineError::Options
        }
        () => KeyLineError::UnknownType,
    }
}

fn check_strength(key: &KeyData) -> Result<(), KeyLineError> {
    match key {
        KeyData::Rsa(rsa) => {
            let exponent = rsa.e().as_positive_bytes().unwrap_or_default();
            match rsa.key_size() {
                bits if bits < *RSA_BITS.start() || matches!(exponent, [] | [0 | 1]) => {
                    Err(KeyLineError::WeakRsa(bits))
                }
                bits if bits > *RSA_BITS.end() => Err(KeyLineError::LongRsa(bits)),
                _ => Ok(()),
            }
        }
        KeyData::Ed25519(point) => check_ed25519_point(&point.0),
        KeyData::SkEd25519(key) => check_ed25519_point(&key.public_key().0),
        KeyData::Ecdsa(_) | KeyData::SkEcdsaSha2NistP256(_) => Ok(()),
        _ => Err(KeyLineError::UnknownType),
    }
}

fn check_ed25519_point(point: &[u8; 32]) -> Result<(), KeyLineError> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(point).map_err(|_| KeyLineError::Damaged)?;
    if key.is_weak() { Err(KeyLineError::WeakEd25519) } else { Ok(()) }
}

/// Comments are printed to terminals and stored in YAML: one line, without control characters, of bounded length.
fn sanitize_comment<'a>(words: impl Iterator<Item = &'a str>) -> String {
    strip_control(&words.collect::<Vec<_>>().join(" ")).chars().take(MAX_COMMENT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn line_error(line: &str) -> KeyLineError {
        match parse_authorized_keys(line.as_bytes()) {
            Err(ParseKeysError::Line { error, .. }) => error,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn encode_line(blob: &[&[u8]]) -> String {
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
    fn keys_comments_and_empty_lines_are_parsed_as_by_sshd() {
        let keys =
            parse_authorized_keys(format!("\u{feff}# mine\r\n\r\n  {ALICE}\talice at  home\r\n{ALICE}\n").as_bytes())
                .unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].line(), format!("{ALICE} alice at home"));
        assert_eq!(keys[0].fingerprint().to_string(), "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ");
    }

    #[test]
    fn every_supported_key_type_is_parsed() {
        let p256: Vec<u8> = [&[4][..], &[7; 64]].concat();
        let point = [0x58; 1].into_iter().chain([0x66; 31]).collect::<Vec<u8>>();
        for line in [
            encode_line(&[b"ecdsa-sha2-nistp256", b"nistp256", &p256]),
            encode_line(&[b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", &p256, b"ssh:"]),
            encode_line(&[b"sk-ssh-ed25519@openssh.com", &point, b"ssh:"]),
            encode_line(&[b"ssh-rsa", &[1, 0, 1], &[&[0][..], &[0xab; 256]].concat()]),
        ] {
            let keys = parse_authorized_keys(line.as_bytes());
            assert!(keys.as_ref().is_ok_and(|keys| keys[0].line() == line), "{line} {keys:?}");
        }
    }

    #[test]
    fn an_invalid_line_is_refused_with_its_number_and_reason() {
        assert_eq!(parse_authorized_keys(b" \n# x\n"), Err(ParseKeysError::Empty));
        assert_eq!(
            parse_authorized_keys(format!("{ALICE}\n\nnonsense").as_bytes()),
            Err(ParseKeysError::Line { line: 3, error: KeyLineError::UnknownType })
        );
        assert_eq!(line_error("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk"), KeyLineError::PrivateKey);
        assert_eq!(line_error("PuTTY-User-Key-File-3: ssh-ed25519"), KeyLineError::PrivateKey);
        assert_eq!(line_error("---- BEGIN SSH2 PUBLIC KEY ----"), KeyLineError::Rfc4716);
        assert_eq!(line_error(&format!("command=\"echo hi\" {ALICE}")), KeyLineError::Options);
        assert_eq!(line_error(&format!("restrict {ALICE}")), KeyLineError::Options);
        assert_eq!(line_error("ssh-dss AAAAB3NzaC1kc3M="), KeyLineError::Dsa);
        assert_eq!(line_error("ssh-ed25519-cert-v01@openssh.com AAAA"), KeyLineError::Certificate);
        assert_eq!(line_error("ssh-ed25519"), KeyLineError::Damaged);
        assert_eq!(line_error("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98"), KeyLineError::Damaged);
        assert_eq!(line_error("ssh-ed25519 ???"), KeyLineError::Damaged);
        assert_eq!(line_error(&ALICE.replace("ssh-ed25519", "ssh-rsa")), KeyLineError::Damaged);
        assert_eq!(line_error(&format!("{ALICE} {}", "x".repeat(MAX_LINE_BYTES))), KeyLineError::TooLong);
    }

    #[test]
    fn weak_keys_are_refused() {
        let rsa = |exponent: &[u8], bytes: usize| {
            line_error(&encode_line(&[b"ssh-rsa", exponent, &[&[0][..], &vec![0xab; bytes]].concat()]))
        };
        assert_eq!(rsa(&[1, 0, 1], 128), KeyLineError::WeakRsa(1024));
        assert_eq!(rsa(&[1], 256), KeyLineError::WeakRsa(2048));
        assert_eq!(rsa(&[1, 0, 1], 2049), KeyLineError::LongRsa(16392));
        let identity: Vec<u8> = [1].into_iter().chain([0; 31]).collect();
        assert_eq!(line_error(&encode_line(&[b"ssh-ed25519", &identity])), KeyLineError::WeakEd25519);
    }

    #[test]
    fn an_oversized_upload_is_refused() {
        assert_eq!(parse_authorized_keys(&vec![b'#'; MAX_UPLOAD_BYTES + 1]), Err(ParseKeysError::TooLarge));
        let many: String =
            (0..=MAX_UPLOAD_KEYS).map(|n| super::super::testing::key(n).line().to_owned() + "\n").collect();
        assert_eq!(parse_authorized_keys(many.as_bytes()), Err(ParseKeysError::TooMany));
    }

    proptest::proptest! {
        #[test]
        fn any_input_is_parsed_or_refused_and_never_repeated(input: Vec<u8>, words in "[a-z-]{0,8} ?hunter2 ?[!-~]{0,40}") {
            let _ = parse_authorized_keys(&input);
            if let Err(error) = parse_authorized_keys(words.as_bytes()) {
                proptest::prop_assert!(!error.to_string().contains("hunter2"));
            }
        }
    }

    #[test]
    fn a_comment_has_no_control_characters_and_no_line_breaks() {
        let keys = parse_authorized_keys(format!("{ALICE} \u{1b}[31mred\u{7} \u{2028}{}", "y".repeat(500)).as_bytes())
            .unwrap();
        assert_eq!(keys[0].line(), format!("{ALICE} red {}", "y".repeat(MAX_COMMENT_CHARS - 4)));
    }
}
