//! Integers of any length, between decimal digits and bytes.
//!
//! Both ways take time with the square of the length; the callers bound it.

use std::fmt::Write as _;

/// The digits that one step turns at a time.
const GROUP_DIGITS: usize = 9;
/// Ten to the power of that.
const GROUP: u64 = 1_000_000_000;
/// The bytes of a limb; limbs are held in twice the room so that a step cannot overflow.
const LIMB_BYTES: usize = 4;
/// The bits of a limb.
const LIMB_BITS: u32 = 32;
/// What a limb can hold.
const LIMB_MASK: u64 = (1 << LIMB_BITS) - 1;

/// The bytes of a number, the lowest first and without zeros at the end; the digits must be nothing but digits.
pub(super) fn from_decimal(digits: &str) -> Vec<u8> {
    let mut limbs: Vec<u64> = Vec::with_capacity(digits.len() / GROUP_DIGITS + 1);
    let (head, tail) = digits.as_bytes().split_at(digits.len() % GROUP_DIGITS);
    for group in std::iter::once(head).chain(tail.chunks(GROUP_DIGITS)) {
        let mut carry =
            group.iter().fold(0, |value, digit| value * 10 + u64::from(digit.wrapping_sub(b'0')));
        for limb in &mut limbs {
            let value = *limb * GROUP + carry;
            *limb = value & LIMB_MASK;
            carry = value >> LIMB_BITS;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let bytes = limbs.iter().flat_map(|limb| limb.to_le_bytes().into_iter().take(LIMB_BYTES));
    let mut bytes: Vec<u8> = bytes.collect();
    while bytes.pop_if(|last| *last == 0).is_some() {}
    bytes
}

/// The digits of a number whose bytes stand the lowest first.
pub(super) fn to_decimal(bytes: &[u8]) -> String {
    let limb = |part: &[u8]| part.iter().rev().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    let mut limbs: Vec<u64> = bytes.chunks(LIMB_BYTES).map(limb).collect();
    let mut groups = Vec::with_capacity(limbs.len() * 2);
    loop {
        while limbs.pop_if(|highest| *highest == 0).is_some() {}
        if limbs.is_empty() {
            break;
        }
        let rest = limbs.iter_mut().rev().fold(0, |rest, limb| {
            let value = rest << LIMB_BITS | *limb;
            *limb = value / GROUP;
            value % GROUP
        });
        groups.push(rest);
    }
    let Some(highest) = groups.pop() else { return "0".to_owned() };
    let mut digits = highest.to_string();
    for group in groups.iter().rev() {
        // Writing to a String has no way to fail.
        let _ = write!(digits, "{group:0GROUP_DIGITS$}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_turn_both_ways() {
        for (digits, bytes) in [
            ("255", vec![255]),
            ("256", vec![0, 1]),
            ("1000000000", vec![0x00, 0xCA, 0x9A, 0x3B]),
            ("4294967296", vec![0, 0, 0, 0, 1]),
            ("9007199254740993", vec![1, 0, 0, 0, 0, 0, 0x20]),
            ("18446744073709551616", vec![0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ] {
            assert_eq!(from_decimal(digits), bytes, "{digits}");
            assert_eq!(to_decimal(&bytes), digits);
        }
        assert_eq!(to_decimal(&[]), "0");
        assert_eq!(to_decimal(&[0, 0, 0, 0, 0]), "0");
        assert_eq!(to_decimal(&[7, 0, 0, 0, 0, 0]), "7");
    }

    #[test]
    fn as_many_digits_as_always_fit_do_fit() {
        let bytes = from_decimal(&"9".repeat(super::super::BIG_MAX_DIGITS));
        assert_eq!(bytes.len(), super::super::BIG_MAX_BYTES);
        assert_eq!(to_decimal(&bytes), "9".repeat(super::super::BIG_MAX_DIGITS));
    }
}
