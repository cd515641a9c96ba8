//! Recovery codes: 128 random bits as people write them down, Crockford's base32 with its check character.

use std::{fmt, str::FromStr, sync::LazyLock};

use data_encoding::{Encoding, Specification};
use zeroize::Zeroizing;

/// A recovery code. It is shown once, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(Zeroizing<[u8; 16]>);

impl RecoveryCode {
    /// The code of 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// As a person writes it down: `0000-0000-0000-0000-0000-0000-000`.
    pub fn reveal(&self) -> String {
        let mut text = BASE32.encode(&*self.0);
        text.push(check_character(&self.0));
        let groups: Vec<&str> =
            (0..text.len()).step_by(GROUP).map(|at| &text[at..text.len().min(at + GROUP)]).collect();
        groups.join("-")
    }
}

impl FromStr for RecoveryCode {
    type Err = NotARecoveryCode;

    /// Reads what a person typed: case, space and hyphens do not matter, and `O` is `0`, `I` and `L` are `1`.
    fn from_str(typed: &str) -> Result<Self, NotARecoveryCode> {
        let mut text: String = typed.chars().filter(|char| !char.is_whitespace() && *char != '-').collect();
        text.make_ascii_uppercase();
        let check = text.pop().ok_or(NotARecoveryCode)?;
        let bytes = Zeroizing::new(BASE32.decode(text.as_bytes()).map_err(|_| NotARecoveryCode)?);
        let bytes: [u8; 16] = bytes.as_slice().try_into().map_err(|_| NotARecoveryCode)?;
        let check = match check {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        if check_character(&bytes) == check { Ok(Self::from_random(bytes)) } else { Err(NotARecoveryCode) }
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(hidden)")
    }
}

/// The text cannot be a recovery code: it is mistyped or cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a recovery code")]
pub struct NotARecoveryCode;

/// The number modulo 37, as Crockford has it: every single wrong character and every exchange of neighbours is noticed.
fn check_character(bytes: &[u8; 16]) -> char {
    const SYMBOLS: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";
    // The code's 26 digits are the number with two zero bits behind it.
    let rest = (u128::from_be_bytes(*bytes) % 37) * 4 % 37;
    let symbol = usize::try_from(rest).ok().and_then(|rest| SYMBOLS.get(rest));
    char::from(*symbol.expect("a rest of 37 is below 37"))
}

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut form = Specification::new();
    form.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    form.translate.from.push_str("OIL");
    form.translate.to.push_str("011");
    form.encoding().expect("32 symbols, each once")
});

/// Characters between hyphens.
const GROUP: usize = 4;

#[cfg(test)]
mod tests {
    use super::{NotARecoveryCode, RecoveryCode};

    #[test]
    fn a_code_is_read_as_it_was_written_down() {
        let code =
            RecoveryCode::from_random(*b"\x00\x44\x32\x14\xc7\x42\x54\xb6\x35\xcf\x84\x65\x3a\x56\xd7\xc6");
        let shown = code.reveal();
        assert_eq!(shown, "0123-4567-89AB-CDEF-GHJK-MNPQ-RR8");
        let typed = [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), shown.replace('-', " \t")];
        for typed in typed.into_iter().chain([format!(" {} ", shown.replace('0', "o").replace('1', "l"))]) {
            assert_eq!(typed.parse(), Ok(code.clone()), "{typed}");
        }
        assert_eq!(format!("{code:?}"), "RecoveryCode(hidden)");
    }

    #[test]
    fn every_wrong_character_and_every_exchange_is_noticed() {
        for seed in 0..20_u8 {
            let code = RecoveryCode::from_random(std::array::from_fn(|at| {
                seed.wrapping_mul(53).wrapping_add(u8::try_from(at).unwrap().wrapping_mul(29))
            }));
            let shown: Vec<char> = code.reveal().chars().filter(|char| *char != '-').collect();
            assert_eq!(shown.len(), 27);
            for at in 0..shown.len() {
                for other in
                    "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U".chars().filter(|other| *other != shown[at])
                {
                    let mut typed = shown.clone();
                    typed[at] = other;
                    assert_eq!(
                        typed.iter().collect::<String>().parse::<RecoveryCode>(),
                        Err(NotARecoveryCode)
                    );
                }
                if at > 0 && shown[at] != shown[at - 1] {
                    let mut typed = shown.clone();
                    typed.swap(at, at - 1);
                    assert_eq!(
                        typed.iter().collect::<String>().parse::<RecoveryCode>(),
                        Err(NotARecoveryCode)
                    );
                }
            }
        }
        for cut in ["", "-", "0", "0123-4567", &"0".repeat(28), "\u{e4}"] {
            assert_eq!(cut.parse::<RecoveryCode>(), Err(NotARecoveryCode), "{cut}");
        }
    }
}
