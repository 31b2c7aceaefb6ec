//! What a page gives along with a form, so that only who was shown the page can send the form.

use crate::Core;

impl Core {
    /// The token for forms that are shown to somebody, told from others by what stands in his cookie. It is the same on every replica and
    /// needs no memory; it says nothing of what it was made of.
    #[must_use]
    pub fn form_token(&self, holder: &[u8]) -> [u8; 32] {
        self.pepper.form_token(holder)
    }

    /// Whether a form brings the right token, in constant time.
    #[must_use]
    pub fn is_form_token(&self, holder: &[u8], token: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.form_token(holder), token).is_ok()
    }
}
