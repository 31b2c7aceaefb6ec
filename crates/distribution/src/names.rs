//! What people may call things, and addresses. Normalised once, then checked.

use crate::Error;
use keywright_protocol::names::{self, is_invisible};

/// Longest name of a profile or a testing group, in characters.
pub(crate) const MAX_NAME_CHARS: usize = 128;
/// Longest name of a file, in characters.
pub(crate) const MAX_FILE_NAME_CHARS: usize = 255;
/// Longest release note, in characters.
pub(crate) const MAX_MESSAGE_CHARS: usize = 5_000;
/// Longest version that a file's name may tell.
const MAX_VERSION_CHARS: usize = 32;

/// A name as a profile or a testing group may have it: 1 to 128 characters, none of them a control character or invisible, no space around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// # Errors
    /// [`Error::Invalid`] says what a name must be.
    pub(crate) fn new(name: &str) -> Result<Self, Error> {
        let name = name.trim();
        if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) || name.chars().any(is_unseen) {
            return Err(Error::Invalid(format!(
                "name must have 1 to {MAX_NAME_CHARS} characters, and no control characters or invisible ones; choose another"
            )));
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

fn is_unseen(character: char) -> bool {
    character.is_control() || is_invisible(character)
}

/// What kind of app a file's name tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Ios,
    Android,
}

impl Platform {
    /// As it stands in a row.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ios => "ios",
            Self::Android => "android",
        }
    }
}

/// A file's name, as it is shown and handed out again; in the folder nothing is called so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(String);

impl FileName {
    /// The last part of a path of whatever system.
    ///
    /// # Errors
    /// [`Error::Invalid`] says what a name must be.
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        let name = text.rsplit(['/', '\\']).next().unwrap_or_default().trim();
        let is_usable = (1..=MAX_FILE_NAME_CHARS).contains(&name.chars().count()) && !name.chars().any(is_unseen) && !matches!(name, "." | "..");
        if !is_usable {
            return Err(Error::Invalid(format!(
                "fileName must have 1 to {MAX_FILE_NAME_CHARS} characters, and no control characters or invisible ones; choose another"
            )));
        }
        Ok(Self(name.to_owned()))
    }

    /// For a file that came without one.
    pub(crate) fn unknown() -> Self {
        Self("app".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// By its extension.
    pub(crate) fn platform(&self) -> Option<Platform> {
        let (_, extension) = self.0.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "ipa" => Some(Platform::Ios),
            "apk" | "aab" => Some(Platform::Android),
            _ => None,
        }
    }

    /// The first number with dots in it: `1.4.2` of `shop-1.4.2.apk`. Nothing in the file is looked at.
    pub(crate) fn version(&self) -> Option<String> {
        let stem = self
            .0
            .rsplit_once('.')
            .filter(|(_, extension)| extension.contains(|letter: char| !letter.is_ascii_digit()))
            .map_or(self.0.as_str(), |(stem, _)| stem);
        let numbers = stem.split(|letter: char| !letter.is_ascii_digit() && letter != '.').map(|number| number.trim_matches('.'));
        let mut versions = numbers.filter(|number| number.contains('.') && !number.contains("..") && number.len() <= MAX_VERSION_CHARS);
        versions.next().map(str::to_owned)
    }
}

/// Release notes: at most 5000 characters, of control characters only tabs and ends of lines. Empty ones are none.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn message(text: String) -> Result<Option<String>, Error> {
    let is_usable = |letter: char| !letter.is_control() || matches!(letter, '\t' | '\n' | '\r');
    if text.chars().count() > MAX_MESSAGE_CHARS || !text.chars().all(is_usable) {
        return Err(unusable_message());
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// What is answered to one that is not usable.
pub(crate) fn unusable_message() -> Error {
    Error::Invalid(format!(
        "message must have at most {MAX_MESSAGE_CHARS} characters, and of control characters only tabs and ends of lines; shorten it, or take the others out"
    ))
}

/// A usable address, as [`names::email`] has it.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn email(text: &str) -> Result<String, Error> {
    names::email(text).ok_or_else(|| Error::Invalid("each address must be such as qa@example.com, of ASCII characters; correct the others".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_the_last_part_of_a_path() {
        for (text, expected) in
            [("my app.ipa", "my app.ipa"), ("/etc/passwd", "passwd"), (r"C:\builds\shop.apk", "shop.apk"), ("../../x.zip", "x.zip"), (" ü+&=.aab ", "ü+&=.aab")]
        {
            assert_eq!(FileName::new(text).unwrap().as_str(), expected);
        }
        assert!(FileName::new(&"ü".repeat(255)).is_ok());
        for bad in ["", " ", "a/", "..", "x/..", ".", "a\0b", "a\nb", "a\u{202e}gpj.ipa", &"x".repeat(256)] {
            assert!(FileName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_files_name_tells_platform_and_version() {
        for (name, platform, version) in [
            ("shop-1.4.2.apk", Some(Platform::Android), Some("1.4.2")),
            ("Shop 2.0 (17).IPA", Some(Platform::Ios), Some("2.0")),
            ("shop.aab", Some(Platform::Android), None),
            ("shop-17.ipa", Some(Platform::Ios), None),
            ("v1..2.zip", None, None),
            ("1.2.3", None, Some("1.2.3")),
            ("notes", None, None),
            (".ipa", Some(Platform::Ios), None),
        ] {
            let file = FileName::new(name).unwrap();
            assert_eq!((file.platform(), file.version().as_deref()), (platform, version), "{name}");
        }
        assert_eq!(FileName::new(&format!("{}.1.ipa", "1.".repeat(40))).unwrap().version(), None);
    }

    #[test]
    fn notes_and_addresses() {
        assert_eq!(message("a\r\n\tb".to_owned()).unwrap().as_deref(), Some("a\r\n\tb"));
        assert_eq!(message(String::new()).unwrap(), None);
        for bad in ["a\0b".to_owned(), "\u{1b}[1m".to_owned(), "x".repeat(5001)] {
            assert!(message(bad).is_err());
        }
        assert_eq!(email(" QA@Example.COM ").unwrap(), "qa@example.com");
        assert!(matches!(email("qa"), Err(Error::Invalid(_))));
    }
}
