//! Codes: numbers on the wire that have a name. One table an enum says both, and everything else follows from it.
//!
//! Accounts and events hold the number (`u8`), because an account's bytes may be anything; everybody else asks for the enum.
//! With the crate's features `serde` and `clap`, which are never on for the chain, a code is also (de)serialized by its name
//! and an argument of a command line.

use core::fmt;

/// A code that has a number and a name.
pub trait Code: Copy + 'static {
    /// What the code says, in words: "job state".
    const WHAT: &'static str;
    /// All codes, by number.
    const ALL: &'static [Self];
    /// The code with this number.
    fn from_code(code: u8) -> Option<Self>;
    /// Its number on the wire.
    fn code(self) -> u8;
    /// Its name, in snake case.
    fn name(self) -> &'static str;
}

/// A name that no code of a table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What was asked for, in words.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// The names that there are.
    pub known: Vec<&'static str>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, what, known) = (&self.name, self.what, self.known.join(", "));
        write!(f, "`{name}` is no {what}; use one of: {known}")
    }
}

impl core::error::Error for UnknownName {}

/// Finds a code by its name.
pub fn by_name<C: Code>(name: &str) -> Result<C, UnknownName> {
    let found = C::ALL.iter().find(|code| code.name() == name);
    found.copied().ok_or_else(|| UnknownName {
        what: C::WHAT,
        name: name.to_owned(),
        known: C::ALL.iter().map(|code| code.name()).collect(),
    })
}

/// The code with this number, which the program wrote. Off chain, whoever decodes an account or an event refuses those whose
/// numbers it does not know, so no number arrives here that has no code.
pub(crate) fn known<C: Code>(code: u8) -> C {
    C::from_code(code).expect("the decoder refuses accounts and events with unknown codes")
}

/// Declares enums of codes: `Variant = number "name"`. The name stands in texts, in JSON and on the command line; a
/// variant's doc is its help there.
macro_rules! codes {
    ($(
        $(#[doc = $doc:literal])*
        pub enum $name:ident: $what:literal {
            $($(#[doc = $help:literal])* $variant:ident = $code:literal $text:literal),* $(,)?
        }
    )*) => {$(
        $(#[doc = $doc])*
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[doc = $help])* $variant = $code,)*
        }

        impl $name {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The one with this number.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its number on the wire.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// Its name, in snake case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl $crate::codes::Code for $name {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = Self::ALL;
            fn from_code(code: u8) -> Option<Self> {
                Self::from_code(code)
            }
            fn code(self) -> u8 {
                self.code()
            }
            fn name(self) -> &'static str {
                self.name()
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::codes::UnknownName;
            fn from_str(name: &str) -> core::result::Result<Self, Self::Err> {
                $crate::codes::by_name(name)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(
                &self,
                serializer: S,
            ) -> core::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> core::result::Result<Self, D::Error> {
                let name = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                $crate::codes::by_name(&name).map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "clap")]
        impl clap::ValueEnum for $name {
            fn value_variants<'a>() -> &'a [Self] {
                Self::ALL
            }
            fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
                let help = match self { $(Self::$variant => concat!($($help),*).trim(),)* };
                Some(clap::builder::PossibleValue::new(self.name()).help(help))
            }
        }
    )*};
}
pub(crate) use codes;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::Code,
        crate::state::{AssetKind, Assurance, ConvictionReason, EntityKind, JobKind, JobState},
        std::collections::BTreeSet,
    };

    fn check<C: Code + PartialEq + core::fmt::Debug + core::str::FromStr + core::fmt::Display>() {
        let numbers: BTreeSet<u8> = C::ALL.iter().map(|code| code.code()).collect();
        let names: BTreeSet<&str> = C::ALL.iter().map(|code| code.name()).collect();
        assert_eq!((numbers.len(), names.len()), (C::ALL.len(), C::ALL.len()));
        assert!(!numbers.contains(&0), "zero means none");
        for code in 0..=u8::MAX {
            let known = C::from_code(code);
            assert_eq!(known.is_some(), numbers.contains(&code));
            assert!(known.is_none_or(|known| known.code() == code));
        }
        for code in C::ALL {
            let name = code.to_string();
            assert_eq!(name, code.name());
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            assert_eq!(name.parse::<C>().ok(), Some(*code));
        }
    }

    #[test]
    fn numbers_and_names_are_unique_and_found_again() {
        check::<Assurance>();
        check::<JobKind>();
        check::<JobState>();
        check::<ConvictionReason>();
        check::<EntityKind>();
        check::<AssetKind>();
    }

    #[test]
    fn an_unknown_name_is_told_with_those_that_there_are() {
        let error = "accepted".parse::<Assurance>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`accepted` is no assurance; use one of: refereed, reviewed"
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn json_has_names() {
        let json = serde_json::to_string(&JobKind::FineTuning).unwrap();
        assert_eq!(json, "\"fine_tuning\"");
        assert_eq!(
            serde_json::from_str::<JobKind>(&json).unwrap(),
            JobKind::FineTuning
        );
        assert!(serde_json::from_str::<JobKind>("\"finetuning\"").is_err());
    }
}
