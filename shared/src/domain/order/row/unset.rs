//! What a stored record leaves out, because it says nothing.

/// A counter that stands at zero.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A fact that is not so.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_false(is: &bool) -> bool {
    !*is
}
